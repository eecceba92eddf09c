"""Somebody else was first: two people's changes to one text become one, for the second to look over."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from rainer.api.pages import changes, fields
from rainer.api.pages.changes import Change
from rainer.api.pages.diffing import draw
from rainer.api.pages.edit_pages import CONTEXT, editor, place_to_write, review
from rainer.api.pages.fields import NotEditable
from rainer.api.reading import service_of
from rainer.journal.row import Row
from rainer.model.merge import merge

_OTHERS: Final = 10


async def bring_together(request: Request, change: Change, payload: bytes) -> Response:
    """The merged text in the text field, and what others did; where both changed the same lines, both are shown."""
    place = await place_to_write(request)
    if payload == place.payload and place.head is not None:
        author = changes.author_of_form(request, {"author": change.author})
        if place.head.author == author:  # a form that was sent twice
            return changes.done(request, change, place.version)
        words = f"{place.head.author} has committed just this as version {place.version}: there is nothing left to do."
        return await editor(request, place, replace(change, base=place.version), status=409, notice=words)
    theirs = await _since(request, change)
    moved = replace(change, base=place.version, commit_id="", is_forced=False)
    old = await changes.version_at(request, change.namespace, change.key, change.base) if change.base else None
    base = None if old is None else old.payload
    if change.file is not None:
        return await review(request, place, moved, payload, theirs=theirs)
    in_turn = service_of(request).in_turn
    try:
        fields.editable(place.payload)
        both = await in_turn(partial(merge, bytes(base or b""), payload, place.payload or b""), payload, place.payload)
        author = place.head.author if place.head is not None else ""
        found = fields.editable(both.marked(**fields.labels(change.base, place.version, author)))
    except NotEditable as e:
        words = f"What they committed cannot be brought together with yours in a browser. {e.message}"
        return await editor(request, place, moved, status=409, theirs=theirs, notice=words)
    moved = replace(moved, text=found.text, ends=found.ends, is_merged=change.is_merged or both.conflicts > 0)
    work = partial(draw, base, place.payload, place.key, place.space.format, split=False, context=CONTEXT)
    return await editor(
        request,
        place,
        moved,
        status=409,
        theirs=theirs,
        conflicts=both.conflicts,
        drawn=await in_turn(work, base, place.payload),
    )


async def _since(request: Request, change: Change) -> list[Row]:
    """The commits that came after the version that a change was made on, newest first, without payloads."""
    service = service_of(request)
    read = partial(
        service.reads.log, change.namespace, change.key, before=None, limit=_OTHERS, at=None, payloads=False
    )  # fmt: skip
    _, rows, _ = await service.live.in_thread(read)
    return [row for row in rows if row.version > change.base]
