"""Who asks: an identity, and the texts of the credentials that prove one."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from rainer.errors import InvalidError
from rainer.model import names

OPEN_SOURCE: Final = "open"
BOOTSTRAP: Final = "bootstrap"
TOKEN_PATH: Final = "/-/t/"
"""What the path of a base URL that carries its token begins with: `/-/t/TOKEN/diary`."""

_TAKEN: Final = frozenset({"anonymous", "authenticated", "bootstrap"})
_GROUP: Final = "group:"
_TOKEN: Final = re.compile(r"rnr_[a-z2-7]{8}_[A-Za-z0-9_-]{43}")
_CREDENTIAL: Final = re.compile(r"[A-Za-z0-9._~+/=-]{1,8192}")
_SECRETS: Final = re.compile(
    r"(?P<token>rnr_[a-z2-7]{8})_[A-Za-z0-9_-]{8,}"
    r"|(?P<jwt>\beyJ)[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,2}"
    r"|(?P<path>/-/t/)(?!\*\*\*)[^/\s\"'?#]+"
    r"|(?P<bearer>\b[Bb]earer\s+)[A-Za-z0-9._~+/=-]{16,}"
)


class Identity(NamedTuple):
    """Who asks: `source` says how it was proved (token, jwt, certificate, bootstrap, none), or "open": nobody asked."""

    name: str
    source: str
    groups: frozenset[str] = frozenset()

    @property
    def is_open(self) -> bool:
        """Whether the server asks nobody who he is: everything is allowed, and authors are what is said."""
        return self.source == OPEN_SOURCE


OPEN: Final = Identity("", OPEN_SOURCE)
ANONYMOUS: Final = Identity("anonymous", "none")


def check_identity_name(name: str) -> str:
    """Return `name` if an identity can be called so: it becomes the author of commits, and stands in policies."""
    names.check_author(name)
    if name != name.strip():
        raise InvalidError(f"the name {names.shorten(name)} begins or ends with a blank")
    if name in _TAKEN or name.startswith(_GROUP):
        raise InvalidError(
            f"the name {names.shorten(name)} is taken: policies mean something else by it",
            hint=f"{', '.join(sorted(_TAKEN))} and what begins with {_GROUP!r} name nobody in particular",
        )
    if "*" in name:
        raise InvalidError(f"the name {names.shorten(name)} holds a '*', which policies take for any text")
    return name


def is_named(pattern: str, identity: Identity) -> bool:
    """Whether a name, perhaps with `*` for any text in it, is this identity's; who has not signed in has no name."""
    if identity.source == "none":
        return False
    name = identity.name
    if "*" not in pattern:
        return name == pattern
    first, *rest = pattern.split("*")
    last = rest.pop()
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in rest:
        at = name.find(part, at, end) + len(part)
        if at < len(part):
            return False
    return True


def is_token(text: str) -> bool:
    """Whether a credential has the form of one of our own tokens."""
    return _TOKEN.fullmatch(text) is not None


def check_credential(text: str) -> str:
    """Return a token as `Authorization: Bearer` can carry it; the InvalidError for any other does not show it."""
    if not _CREDENTIAL.fullmatch(text):
        raise InvalidError(
            "the token holds characters that no token has",
            hint="a token is one word of letters, digits and - . _ ~ + / =; was it copied whole, and nothing else?",
        )
    return text


def split_token_path(path: str) -> tuple[str, str | None]:
    """The path of a URL without the token that it may carry (`/-/t/TOKEN/diary`), and that token."""
    before, mark, rest = path.partition(TOKEN_PATH)
    if not mark:
        return path, None
    token, slash, after = rest.partition("/")
    return f"{before}{slash}{after}", check_credential(unquote(token))


def with_token_path(root: str, token: str) -> str:
    """A URL to which a path is to be added, with a token in it: what `split_token_path` takes apart again."""
    return f"{root}{TOKEN_PATH}{quote(token, safe='')}"


def hide_credentials(text: str) -> str:
    """The text with every token in it as `***`: our own, JWTs, those in paths and after `Bearer`."""
    if "rnr_" not in text and "eyJ" not in text and "/-/t/" not in text and "earer" not in text:
        return text
    return _SECRETS.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    if found["token"]:
        return f"{found['token']}_***"  # the id is no secret: `rainer token list` shows it
    return f"{found['jwt'] or found['path'] or found['bearer']}***"
