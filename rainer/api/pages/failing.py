"""Errors as pages: what is wrong, what to do next, and for whom nobody knows a way to say who he is."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from rainer.api import asking
from rainer.api.asking import IDENTITY
from rainer.api.pages.cookies import SESSION, forget_cookie
from rainer.api.pages.forms import StaleForm
from rainer.api.pages.keeping import Kept, may_hold_work
from rainer.api.pages.rendering import page
from rainer.errors import DeniedError, NotFoundError, OverloadedError, PositionGone, RainerError, UnauthenticatedError
from rainer.model import names
from rainer.model.identity import ANONYMOUS

_TITLES: Final = (
    (PositionGone, "The journal has no such moment"),
    (NotFoundError, "There is nothing here"),
    (StaleForm, "Look it over once more"),
    (DeniedError, "You may not do this"),
    (OverloadedError, "The server has too much to do"),
)


def refuse(request: Request, error: RainerError, status: int) -> Response:
    """The page that tells of an error; the form to sign in where that would help, and what was written, given back."""
    who = request.scope.get(IDENTITY, ANONYMOUS)
    has_failed = isinstance(error, UnauthenticatedError)
    signs_in = has_failed or (isinstance(error, DeniedError) and who is ANONYMOUS)
    title = next((words for kind, words in _TITLES if isinstance(error, kind)), "This did not work")
    if signs_in:
        status, title = 401, "Your session has ended"
        answer = _sign_in(request, has_failed=has_failed)
    else:
        answer = page(request, "error.html", status=status, title=title, error=error, namespace=_namespace(request))
    if may_hold_work(request):
        return Kept(error, status, title, answer, signs_in=signs_in)
    return answer


def _sign_in(request: Request, *, has_failed: bool) -> Response:
    failure = "Your session has ended. Sign in once more." if has_failed else ""
    asked = str(request.scope["rainer_asked"])
    answer = page(request, "sign_in.html", status=401, next=asked if request.method == "GET" else "", failure=failure)
    if has_failed:
        forget_cookie(request, answer, SESSION)
    return answer


def _namespace(request: Request) -> str | None:
    """The namespace in the path, to which a way leads back; None where the path names none."""
    named = [segment.decode("latin-1") for segment in asking.raw_segments(request.scope)[2:3]]
    return named[0] if named and names.is_namespace(named[0]) else None
