"""Signing in with a token, signing out, and the choice of light or dark."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from rainer.api.pages.cookies import OPTIONS, SESSION, SESSION_S, forget_cookie, seal, set_cookie
from rainer.api.pages.forms import read_form
from rainer.api.pages.links import UI
from rainer.api.pages.rendering import links_of, page, redirect
from rainer.api.reading import service_of
from rainer.errors import InvalidError, UnauthenticatedError
from rainer.model.identity import check_credential

_FORM_BYTES_MAX: Final = 20_000


async def show_sign_in(request: Request) -> Response:
    """`GET /-/ui/-/sign-in`: the form; signed in or not, so that one may change who one is."""
    if service_of(request).permissions.is_open:
        return redirect(links_of(request).home())
    return page(request, "sign_in.html", next=_next(request, request.query_params.get("next", "")), failure="")


async def sign_in(request: Request) -> Response:
    """`POST /-/ui/-/sign-in`: the token is proved, sealed into a cookie, and never shown again."""
    form = await read_form(request, _FORM_BYTES_MAX)
    service = service_of(request)
    token, onward = form.get("token", "").strip(), _next(request, form.get("next", ""))
    headers = [(name, value) for name, value in request.scope["headers"] if name != b"authorization"]
    try:
        bearer = (b"authorization", f"Bearer {check_credential(token)}".encode())
        await service.access.identify({**request.scope, "headers": [*headers, bearer]})
    except (UnauthenticatedError, InvalidError):
        failure = "This token proves nothing here. Was it copied whole, and is it still valid?"
        return page(request, "sign_in.html", status=401, next=onward, failure=failure)
    answer = redirect(onward or links_of(request).home())
    set_cookie(request, answer, SESSION, seal(request.scope[OPTIONS], token), SESSION_S)
    return answer


async def sign_out(request: Request) -> Response:
    """`POST /-/ui/-/sign-out`: the browser forgets the session."""
    await read_form(request, _FORM_BYTES_MAX)
    answer = redirect(links_of(request).home())
    forget_cookie(request, answer, SESSION)
    return answer


def _next(request: Request, address: str) -> str:
    """Where to go on after signing in: a page of ours, or nowhere."""
    base = links_of(request).base
    if not (address.isascii() and address.isprintable()) or "\\" in address:
        return ""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    is_ours = not parts.scheme and not parts.netloc and parts.path.startswith(f"{base}{UI}")
    return address if is_ours else ""
