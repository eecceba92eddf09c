"""What browsers keep for us: the sealed session of who has signed in, and the seed that form tokens are bound to.

A session cookie holds the token that was pasted, encrypted, so that neither a script nor whoever reads a browser's disk
has it; the server's own checks of the token (revoked, expired) go on with every request. No state is kept here, so that
any worker reads what another has made.
"""

from __future__ import annotations

import base64
import hmac
from functools import lru_cache
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken
from starlette.requests import Request, cookie_parser
from starlette.responses import Response

from rainer.api.routing import PAGES
from rainer.service.pages_options import PagesOptions

SESSION_S: Final = 12 * 3600
"""So long a session lasts; then the token is asked for again."""
SESSION: Final = "rainer_session"
_SEED: Final = "rainer_form"
OPTIONS: Final = PAGES
"""The member of a scope that holds the options of the pages."""


@lru_cache(maxsize=8)
def _sealer(secret: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hmac.digest(secret, b"session", sha256)))


def seal(options: PagesOptions, token: str) -> str:
    """A token as a session cookie holds it."""
    return _sealer(options.secret).encrypt(token.encode()).decode()


def unseal(options: PagesOptions, text: str) -> str | None:
    """The token in a session cookie; None for what we did not make, or made too long ago."""
    try:
        return _sealer(options.secret).decrypt(text.encode(), ttl=SESSION_S).decode()
    except (InvalidToken, UnicodeError):
        return None


def cookie_of(scope: Any, name: str) -> str | None:
    """A cookie of a request, before anything else was made of it.

    Read as `Request.cookies` reads it: whatever else bears our host's name may have left cookies that no grammar knows,
    which `http.cookies` would take as the end of all.
    """
    for header, value in scope["headers"]:
        if header == b"cookie":
            found = cookie_parser(value.decode("latin-1")).get(name)
            if found is not None:
                return found
    return None


def sign_in(scope: Any, options: PagesOptions) -> None:
    """Let a session speak for a request that carries no credential of its own, as if it had sent its token."""
    if any(name == b"authorization" for name, _ in scope["headers"]):
        return
    sealed = cookie_of(scope, SESSION)
    token = None if sealed is None else unseal(options, sealed)
    if token is not None:
        scope["headers"] = [*scope["headers"], (b"authorization", f"Bearer {token}".encode())]


def form_token_of(request: Request) -> str:
    """What a form of this page must send back: bound to the session, or where there is none to a cookie of its own."""
    options: PagesOptions = request.scope[OPTIONS]
    bound = request.cookies.get(SESSION) or request.cookies.get(_SEED) or request.scope.get(_SEED)
    if not bound:
        bound = request.scope[_SEED] = token_urlsafe(16)
    return hmac.new(options.secret, b"form\0" + bound.encode(), sha256).hexdigest()


def keep_seed(scope: Any, answer_headers: list[tuple[bytes, bytes]]) -> None:
    """Have the browser keep the seed of the form tokens that a page was made with, if it is new."""
    seed = scope.get(_SEED)
    if seed:
        secure = "; Secure" if scope[OPTIONS].is_secure else ""
        value = f"{_SEED}={seed}; Path=/; HttpOnly; SameSite=Strict{secure}"
        answer_headers.append((b"set-cookie", value.encode()))


def set_cookie(request: Request, answer: Response, name: str, value: str, max_age_s: int | None) -> None:
    """Keep something in the browser that no script may read and no other site may have sent."""
    # A proxy that ends TLS before us passes the browser's word on how it came.
    is_secure = request.scope[OPTIONS].is_secure or request.headers.get("origin", "").startswith("https://")
    answer.set_cookie(name, value, max_age=max_age_s, path="/", secure=is_secure, httponly=True, samesite="strict")


def forget_cookie(request: Request, answer: Response, name: str) -> None:
    """Have the browser forget it."""
    set_cookie(request, answer, name, "", 0)
