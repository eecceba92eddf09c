"""User and password in the URL of a web server: used for requests, and kept out of whatever is named or written."""

from __future__ import annotations

import base64
from urllib.parse import unquote, urlsplit


def without_login(url: str) -> str:
    """A URL of a web server without the user and password that may stand before its host; others as they are."""
    if "@" not in url or not url.lower().startswith(("http://", "https://")):
        return url
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def login_of(url: str) -> str | None:
    """The Authorization header that a URL's user and password make; None where it has none."""
    parts = urlsplit(url)
    if parts.username is None:
        return None
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(login.encode()).decode()
