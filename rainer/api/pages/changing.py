"""Change: a key edited in the browser, checked while one types, looked over, and committed or proposed."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rainer.api.needs import permit
from rainer.api.pages import changes, fields
from rainer.api.pages.changes import Change, Fault
from rainer.api.pages.conflicting import bring_together
from rainer.api.pages.edit_pages import Place, editor, place_to_write, review, unfit_of
from rainer.api.pages.fields import NotEditable
from rainer.api.pages.forms import read_form
from rainer.api.pages.proposing_pages import propose_change
from rainer.api.pages.read import place_of, version_of
from rainer.api.pages.rendering import HEADERS, links_of, redirect
from rainer.api.problems import status_of
from rainer.api.reading import service_of
from rainer.errors import InvalidError, NotFoundError, VersionConflict
from rainer.service.refusals import RefusedDraft

# Edited


async def show_edit(request: Request) -> Response:
    """`GET /-/ui/{ns}/{key}/edit?from=`: the head in a text field, or the text of an older version."""
    place = await place_to_write(request)
    older = version_of(request, "from")
    row = place.head
    if older is not None:
        row = await changes.version_at(request, place.space.name, place.key, older)
        if row is None:
            raise NotFoundError("Key not found")
    change = Change(place.space.name, place.key, place.version, author=changes.known_author(request))
    try:
        found = fields.editable(None if row is None else row.payload)
    except NotEditable as e:
        return await editor(request, place, change, unfit=e.message)
    notice = ""
    if older is not None and older != place.version:
        notice = f"This is the text of version {older}. What you commit follows version {place.version}."
    return await editor(request, place, replace(change, text=found.text, ends=found.ends), notice=notice)


# Looked over, and committed


async def post_edit(request: Request) -> Response:
    """`POST /-/ui/{ns}/{key}/edit`: what the button `step` says: review, split, edit, commit, propose."""
    permit(service_of(request), request.scope, "read", *place_of(request))
    form = await read_form(request, changes.FORM_BYTES_MAX)
    place = await place_to_write(request)
    change = Change.of(form, place.space.name, place.key)
    if change.file is None and "text" not in form:
        said = InvalidError("no file was chosen", hint="choose the one that is to take its place")
        return await editor(request, place, change, status=422, fault=Fault.of(said, ""), unfit=unfit_of(place))
    step = form.get("step", "review")
    if step in ("review", "split"):
        change = replace(change, is_split=step == "split", commit_id="", is_forced=False)
    if step == "edit":
        return await _edit_again(request, place, change)
    try:
        payload = change.payload()
        change.check_marks()
    except InvalidError as e:
        return await editor(request, place, change, status=422, fault=Fault.of(e, change.text))
    try:
        return await _take(request, place, change, payload, step)
    except VersionConflict:
        return await bring_together(request, change, payload)
    except InvalidError as e:
        return await editor(request, place, change, status=status_of(e), fault=Fault.of(e, change.text))


async def _edit_again(request: Request, place: Place, change: Change) -> Response:
    """The text field once more, with what is wrong known as it would be while typing."""
    fault = None
    if change.file is None:
        try:
            fault = await changes.check_typing(request, change, change.payload())
        except InvalidError as e:
            fault = Fault.of(e, change.text)
    return await editor(request, place, change, fault=fault)


async def _take(request: Request, place: Place, change: Change, payload: bytes, step: str) -> Response:
    if step not in ("commit", "propose"):
        return await review(request, place, change, payload)
    try:
        changes.check_said(request, change)
    except InvalidError as e:
        return await review(request, place, change, payload, said=e)
    try:
        if place.version == change.base and place.payload == payload:
            return await review(request, place, change, payload)
        if step == "propose":
            return await propose(request, change, payload)
        kept = await changes.commit_change(request, change, payload)
    except RefusedDraft as refused:
        if isinstance(refused.error, VersionConflict):
            raise refused.error from None
        return await review(request, place, change, payload, refused=refused.error)
    return changes.done(request, change, kept[0].version)


async def propose(request: Request, change: Change, payload: bytes | None) -> Response:
    made = await propose_change(
        request, change.namespace, change.key, change.base + 1, payload, change.comment.strip()
    )  # fmt: skip
    return redirect(links_of(request).ours(f"proposals/{made}"))


# Checked while one types


async def check(request: Request) -> Response:
    """`POST /-/ui/{ns}/{key}/check`: what is wrong with a text, as JSON; nobody else is troubled with it."""
    form = await read_form(request, changes.FORM_BYTES_MAX)
    place = await place_to_write(request)
    change = Change.of(form, place.space.name, place.key)
    fault, size = None, 0
    try:
        payload = change.payload()
        size = len(payload)
        change.check_marks()
        fault = await changes.check_typing(request, change, payload)
    except InvalidError as e:
        fault = Fault.of(e, change.text)
    except VersionConflict:  # the review tells it
        pass
    said = {
        "fault": None if fault is None else fault.as_dict(), "size": size, "head": place.version,
        "conflicts": fields.marks_left(change.text) if change.is_merged else 0,
    }  # fmt: skip
    return JSONResponse(said, headers=HEADERS)
