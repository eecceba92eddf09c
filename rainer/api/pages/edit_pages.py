"""The pages between a key and its next version: the text field, and the look before anything is committed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from rainer.api.needs import permit
from rainer.api.pages import changes, fields
from rainer.api.pages.changes import Change, Fault
from rainer.api.pages.diffing import draw
from rainer.api.pages.fields import NotEditable
from rainer.api.pages.read import place_of
from rainer.api.pages.rendering import page
from rainer.api.reading import service_of
from rainer.errors import InvalidError, RainerError
from rainer.journal.row import Namespace, Row

CONTEXT: Final = 3


@dataclass(frozen=True, slots=True)
class Place:
    """The key that is about to be changed, and what it holds now; `head` is None where it never was."""

    space: Namespace
    key: str
    head: Row | None

    @property
    def payload(self) -> bytes | None:
        """What it holds; None for nothing."""
        return None if self.head is None or self.head.payload is None else bytes(self.head.payload)

    @property
    def version(self) -> int:
        """The version that it has reached; 0 for none."""
        return 0 if self.head is None else self.head.version


async def place_to_write(request: Request) -> Place:
    """The key in the path; DeniedError for who may not read it, and where the namespace is closed."""
    service = service_of(request)
    namespace, key = place_of(request)
    permit(service, request.scope, "read", namespace, key)
    space = await service.namespace_for_writing(namespace)
    return Place(space, key, await changes.head_of(request, namespace, key))


async def editor(
    request: Request, place: Place, change: Change, *, status: int = 200, fault: Fault | None = None,
    notice: str = "", unfit: str = "", theirs: Sequence[Row] = (), conflicts: int = 0, drawn: Any = None,
) -> Response:  # fmt: skip
    """The page with the text field; what is wrong, and what others did meanwhile, stands above it."""
    if change.file is not None and not unfit:
        unfit = unfit_of(place)
    hidden = 0 if unfit else _hidden(change.text)
    return page(
        request, "edit.html", status=status, namespace=place.space.name, key=place.key, space=place.space,
        head=place.head, change=change, fault=fault, notice=notice, unfit=unfit, theirs=theirs, conflicts=conflicts,
        drawn=drawn, is_sent=request.method == "POST", hidden=hidden, tab="edit",
        asks_author=changes.asks_author(request), bytes_max=_bytes_max(place),
        command=changes.command_line(request, place.space.name, "edit" if not unfit else "commit", place.key),
    )  # fmt: skip


def _bytes_max(place: Place) -> int:
    return min(fields.EDIT_BYTES_MAX, place.space.payload_bytes_max)


def unfit_of(place: Place) -> str:
    """Why what a key holds is in no text field, but a file in its place."""
    try:
        fields.editable(place.payload)
    except NotEditable as e:
        return e.message
    return "A file was chosen in its place."


def _hidden(text: str) -> int:
    try:
        return fields.editable(text.encode()).hidden
    except (InvalidError, UnicodeEncodeError):
        return 0


async def review(
    request: Request, place: Place, change: Change, payload: bytes, *, said: RainerError | None = None,
    refused: RainerError | None = None, theirs: Sequence[Row] = (),
) -> Response:  # fmt: skip
    """The page with the difference between what a key holds and what it is to hold, and what the server would say."""
    if place.payload is not None and payload == place.payload:
        return await editor(request, place, change, notice="Nothing is changed: the key holds just this.")
    fault = await changes.try_change(request, change, payload)
    if fault is None and refused is not None:
        fault = Fault.of(refused, change.text)
    if fault is not None and not (fault.can_force or fault.needs_approval):
        return await editor(request, place, change, status=422, fault=fault)
    if not change.commit_id:
        change = replace(change, commit_id=uuid.uuid4().hex)
    status = 409 if theirs else 200 if said is None and fault is None else 422
    return page(
        request, "review.html", status=status, namespace=place.space.name, key=place.key, space=place.space,
        head=place.head, change=change, fault=fault, said=said, theirs=theirs, tab="edit", is_empty=not payload,
        drawn=await drawn_of(request, place, payload, is_split=change.is_split), **offers(request, place, fault),
    )  # fmt: skip


def offers(request: Request, place: Place, fault: Fault | None) -> dict[str, Any]:
    """Which ways lead on from a review: committed, proposed, or committed although the rules refuse."""
    service = service_of(request)
    needed = service.approvals_needed(place.space.name, place.key)
    return {
        "asks_author": changes.asks_author(request),
        "approvals": needed,
        "can_commit": fault is None or fault.can_force,
        "can_propose": not service.permissions.is_open
        and not changes.asks_author(request)
        and (fault is None or fault.needs_approval),
    }


async def drawn_of(request: Request, place: Place, payload: bytes | None, *, is_split: bool) -> Any:
    """The difference between what a key holds and what it is to hold, made ready for a page."""
    work = partial(
        draw, place.payload, payload, place.key, place.space.format, split=is_split, context=CONTEXT
    )  # fmt: skip
    return await service_of(request).in_turn(work, place.payload, payload)
