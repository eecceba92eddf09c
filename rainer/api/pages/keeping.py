"""What somebody wrote is given back to him whatever becomes of his request: a page that holds it, and sends it again.

A session may have ended while he wrote, rights may be gone, the server may have too much to do. The text comes back
whenever a page of ours has sent it, even for a session that is no more; whoever presses the button sends it himself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from rainer.api import asking
from rainer.api.pages.cookies import SESSION, forget_cookie
from rainer.api.pages.forms import FIELDS, FORM_TOKEN, StaleForm, read_fields
from rainer.api.pages.rendering import page
from rainer.errors import OutcomeUnknown, OverloadedError, RainerError, UnauthenticatedError, UnavailableError
from rainer.model import names

_BYTES_MAX: Final = 4_000_000
_WRITTEN: Final = ("text", "comment", "file")
"""What people write, in the fields of our forms."""
_NOT_KEPT: Final = ("sign-in", "sign-out")


def may_hold_work(request: Request) -> bool:
    """Whether a request may bring what somebody wrote; never those that bring a token."""
    last = asking.raw_segments(request.scope)[-1].decode("latin-1")
    return request.method == "POST" and last not in (*_NOT_KEPT, "check")


class Kept(Response):
    """The page that tells of an error and gives back what was written, or `otherwise` where there was nothing."""

    def __init__(self, error: RainerError, status: int, title: str, otherwise: Response, *, signs_in: bool) -> None:
        super().__init__()
        self._error, self._status, self._title = error, status, title
        self._otherwise, self._signs_in = otherwise, signs_in

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        fields = await _written(Request(scope, receive))
        answer = self._otherwise if fields is None else self._page(Request(scope), fields)
        await answer(scope, receive, send)

    def _page(self, request: Request, fields: Mapping[str, str]) -> Response:
        carried = {name: value for name, value in fields.items() if name not in (FORM_TOKEN, "text", "comment")}
        answer = page(
            request, "kept.html", **_place(request), status=self._status, title=self._title, error=self._error,
            fields=carried, text=fields.get("text"), comment=fields.get("comment"), signs_in=self._signs_in,
            is_later=isinstance(self._error, UnavailableError | OutcomeUnknown),
            is_stale=isinstance(self._error, StaleForm), is_unknown=isinstance(self._error, OutcomeUnknown),
        )  # fmt: skip
        if isinstance(self._error, UnauthenticatedError):
            forget_cookie(request, answer, SESSION)
        if isinstance(self._error, OverloadedError):
            answer.headers["Retry-After"] = str(self._error.retry_after_s)
        return answer


def _place(request: Request) -> dict[str, str]:
    """The namespace and key that a form is about, as far as its path names some."""
    found: dict[str, str] = {}
    try:
        for what, check, raw in zip(
            ("namespace", "key"), (names.check_namespace, names.check_key), asking.raw_segments(request.scope)[2:4],
            strict=False,
        ):  # fmt: skip
            found[what] = check(asking.segment(raw))
    except RainerError:  # `-`, and what is no name
        return {}
    return found


async def _written(request: Request) -> Mapping[str, str] | None:
    """The fields of a request's form, if somebody wrote something and a page of ours has sent it."""
    fields: dict[str, str] | None = None
    if FIELDS in request.scope:
        fields = request.scope[FIELDS]
    else:
        try:
            fields = await read_fields(request, _BYTES_MAX)
        except (RainerError, ClientDisconnect):
            return None
    return fields if fields is not None and any(fields.get(name) for name in _WRITTEN) else None
