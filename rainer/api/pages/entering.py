"""What becomes of a request for a page before anybody asks who makes it."""

from __future__ import annotations

import time
from typing import Any, Final

from rainer.api import asking
from rainer.api.pages.cookies import OPTIONS, sign_in
from rainer.api.pages.links import UI
from rainer.service.pages_options import PagesOptions

_PAGES: Final = [b"-", b"ui"]
_HOME: Final = ([b""], [*_PAGES, b""])
_FEED: Final = [b"-", b"changes"]
_STATIC: Final = [b"-", b"ui", b"-", b"static"]
_WITHOUT_SESSION: Final = (_STATIC, [b"-", b"ui", b"-", b"sign-in"])
"""What must answer also whose session has ended."""
OWN_HEADERS: Final = frozenset({b"content-security-policy", b"referrer-policy"})
"""What pages say otherwise than every other answer of the server."""


def enter(scope: Any, options: PagesOptions) -> bool:
    """Make a request for a page ready, and say whether it is one; a file of the pages is none.

    One for the feed, which pages follow, may bring a session too.
    """
    segments = asking.raw_segments(scope)
    is_ours = segments[:2] == _PAGES
    if is_ours:
        scope[OPTIONS] = options
        scope["rainer_begun"] = time.perf_counter()
        scope["rainer_asked"] = asked(scope)
    elif segments != _FEED:
        return False
    if segments[:4] not in _WITHOUT_SESSION:
        sign_in(scope, options)
    return is_ours and segments[:4] != _STATIC


def asked(scope: Any) -> str:
    """Path and query as they were sent."""
    query = scope["query_string"].decode("latin-1")
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    return f"{path}?{query}" if query else path


def home_of(scope: Any) -> bytes | None:
    """Where a browser is sent that asks for the server itself, or for `/-/ui/`; None for all other requests."""
    if scope["method"] not in ("GET", "HEAD") or asking.raw_segments(scope) not in _HOME:
        return None
    if not any(name == b"accept" and b"text/html" in value for name, value in scope["headers"]):
        return None
    root: str = scope.get("root_path", "")
    return f"{root}{UI}".encode()
