"""Revert and remove: a key made to hold again what it held, or nothing; shown before it is done.

Both are new versions, as `rainer revert` and `rainer uncommit` make them: nothing is taken out of a history.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from rainer.api.needs import permit
from rainer.api.pages import changes
from rainer.api.pages.changes import Change, Fault
from rainer.api.pages.changing import propose
from rainer.api.pages.edit_pages import Place, drawn_of, offers, place_to_write
from rainer.api.pages.forms import read_form
from rainer.api.pages.read import place_of
from rainer.api.pages.rendering import page
from rainer.api.reading import service_of
from rainer.errors import InvalidError, NotFoundError, RainerError, VersionConflict
from rainer.model import names
from rainer.service.refusals import RefusedDraft

_FORM_BYTES_MAX: Final = 300_000
"""A comment of the largest size, in which each character must be written as three."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a key is to hold: that of version `to`, or with None nothing."""

    to: int | None
    payload: bytes | None

    @property
    def comment(self) -> str:
        """What is said of it unless somebody says more."""
        return "" if self.to is None else f"Revert to version {self.to}"


async def show_revert(request: Request) -> Response:
    """`GET /-/ui/{ns}/{key}/revert?to=`: what would become of the key; without `to` the version before the head."""
    place = await place_to_write(request)
    text = request.query_params.get("to", "").strip()
    to = names.parse_version(text) if text else max(1, place.version - 1)
    return await _show_first(request, place, await _wanted(request, place, to))


async def show_remove(request: Request) -> Response:
    """`GET /-/ui/{ns}/{key}/remove`: what would be gone, and that its history stays."""
    place = await place_to_write(request)
    return await _show_first(request, place, await _wanted(request, place, None))


async def post_revert(request: Request) -> Response:
    """`POST /-/ui/{ns}/{key}/revert`: the payload of version `to` once more, as the newest."""
    return await _post(request, is_removal=False)


async def post_remove(request: Request) -> Response:
    """`POST /-/ui/{ns}/{key}/remove`: an empty version."""
    return await _post(request, is_removal=True)


async def _wanted(request: Request, place: Place, to: int | None) -> Wanted:
    if place.head is None:
        raise NotFoundError("Key not found")
    if to is None:
        return Wanted(None, None)
    row = await changes.version_at(request, place.space.name, place.key, to)
    if row is None:
        raise NotFoundError(f"there is no version {to}", hint=f"the newest is version {place.version}")
    return Wanted(to, None if row.payload is None else bytes(row.payload))


async def _show_first(request: Request, place: Place, wanted: Wanted) -> Response:
    change = Change(
        place.space.name, place.key, place.version, comment=wanted.comment, author=changes.known_author(request),
        commit_id=uuid.uuid4().hex,
    )  # fmt: skip
    return await _show(request, place, wanted, change)


async def _post(request: Request, *, is_removal: bool) -> Response:
    permit(service_of(request), request.scope, "read", *place_of(request))
    form = await read_form(request, _FORM_BYTES_MAX)
    place = await place_to_write(request)
    wanted = await _wanted(request, place, None if is_removal else names.parse_version(form.get("to", "")))
    change = Change.of(form, place.space.name, place.key)
    try:
        changes.check_said(request, change)
        if form.get("step") == "propose":
            return await propose(request, change, wanted.payload)
        kept = await changes.commit_change(request, change, wanted.payload)
    except RefusedDraft as refused:
        if isinstance(refused.error, VersionConflict):
            return await _moved(request, wanted, change)
        return await _show(request, place, wanted, change, refused=refused.error)
    except VersionConflict:
        return await _moved(request, wanted, change)
    except InvalidError as e:
        return await _show(request, place, wanted, change, said=e)
    return changes.done(request, change, kept[0].version)


async def _moved(request: Request, wanted: Wanted, change: Change) -> Response:
    """Somebody committed meanwhile: what would become of the key now, to be confirmed once more."""
    place = await place_to_write(request)
    if place.payload == wanted.payload and place.head is not None:
        author = changes.author_of_form(request, {"author": change.author})
        if place.head.author == author:  # a form that was sent twice
            return changes.done(request, change, place.version)
    moved = replace(change, base=place.version, commit_id=uuid.uuid4().hex, is_forced=False)
    return await _show(request, place, wanted, moved, is_moved=True)


async def _show(
    request: Request, place: Place, wanted: Wanted, change: Change, *, said: RainerError | None = None,
    refused: RainerError | None = None, is_moved: bool = False,
) -> Response:  # fmt: skip
    is_same = wanted.payload == place.payload
    fault = None
    if not is_same:
        fault = await changes.try_change(request, change, wanted.payload)
        if fault is None and refused is not None:
            fault = Fault.of(refused, "")
    is_fine = request.method == "GET" or (said is None and fault is None)
    status = 409 if is_moved else 200 if is_fine else 422
    split = request.query_params.get("view") == "split"
    return page(
        request, "restore.html", status=status, namespace=place.space.name, key=place.key, space=place.space,
        head=place.head, change=change, to=wanted.to, size=len(place.payload or b""), is_same=is_same, said=said,
        fault=fault, is_moved=is_moved, is_split=split, removes=wanted.payload is None,
        tab="", drawn=await drawn_of(request, place, wanted.payload, is_split=split), **offers(request, place, fault),
    )  # fmt: skip
