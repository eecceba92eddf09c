"""What a request asks: flags, numbers and the ancestor's headers, read strictly and refused in its words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NoReturn
from urllib.parse import quote, unquote_to_bytes, urlencode

from starlette.requests import ClientDisconnect, Request

from rainer.access.credentials import HIDDEN_TOKEN_PATH
from rainer.access.permissions import EVERYBODY, Asker
from rainer.api.at_once import take_body
from rainer.api.patience import within
from rainer.api.problems import AncestorRefusal, BodyTimeout
from rainer.api.signing import author_of
from rainer.errors import InvalidError, TooLargeError
from rainer.model import names, times
from rainer.model.commit import Draft
from rainer.model.headers import decode_text
from rainer.model.identity import Identity

IDENTITY: Final = "rainer_identity"
"""The member of a scope that says who asks; the app sets it for every call, before anything else."""
_CODINGS: Final = {b"content-encoding": b"identity", b"transfer-encoding": b"chunked"}
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")


def identity_of(scope: Any) -> Identity:
    """Who asks."""
    identity: Identity = scope[IDENTITY]
    return identity


def parse_flag(text: str) -> bool | None:
    """yes/true/1 or no/false/0 in any case; None for anything else."""
    low = text.strip().lower()
    return True if low in _YES else False if low in _NO else None


def flag(request: Request, name: str) -> bool:
    """A boolean query parameter, absent is False; refused in the ancestor's words."""
    text = request.query_params.get(name)
    if text is None:
        return False
    value = parse_flag(text)
    if value is None:
        raise AncestorRefusal(f"Invalid '{name}' parameter (should be boolean)")
    return value


def number(request: Request, name: str, default: int | None, least: int, most: int) -> int | None:
    """A whole number from the query, in plain decimal, within bounds; absent is the default, which may be None."""
    if name not in request.query_params:
        return default
    return bounded(request, name, 0, least, most)


def bounded(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number from the query, in plain decimal, within bounds."""
    text = request.query_params.get(name)
    return default if text is None else whole(text, name, least, most)


def whole(text: str, name: str, least: int, most: int) -> int:
    """A whole number in plain decimal, within bounds."""
    if text.isascii() and text.isdigit() and len(text) <= 19 and least <= int(text) <= most:
        return int(text)
    raise InvalidError(f"{name} {names.shorten(text)} is not a whole number from {least} to {most}")


def segment(raw: bytes) -> str:
    """One percent-encoded path segment as text; bytes that are not UTF-8 are refused."""
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise InvalidError(
            f"path segment {names.shorten(raw.decode('latin-1'))} is not UTF-8", hint="percent-encode UTF-8"
        ) from None


def next_link(request: Request, query: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """The header that says where the next page is: at the path that was asked for, as it was encoded.

    Where that held a token, which is nowhere any more, a query alone: whoever asked knows what it is relative to.
    """
    path: bytes = request.scope.get("raw_path") or quote(request.url.path).encode()
    if request.scope.get("root_path", "").endswith(HIDDEN_TOKEN_PATH):
        path = b""
    return b"Link", b'<%s?%s>; rel="next"' % (path, urlencode(query).encode())


def raw_segments(scope: Any) -> list[bytes]:
    """The path's segments, still percent-encoded, below the place where the app is mounted; at least one."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    root = scope.get("root_path", "")
    above = root.count("/") if root and scope["path"].startswith(root) else 0
    # By their number, not their text: the client may have percent-encoded the mount's path in its own way.
    return raw.split(b"/")[above + 1 :] or [b""]


def draft_from(
    namespace: str, key: str, version: int, headers: Collection[tuple[bytes, bytes]], body: bytes,
    asker: Asker = EVERYBODY,
) -> tuple[Draft, str | None]:  # fmt: skip
    """The commit that a POST asks for, and its commit id; the ancestor's refusals in the ancestor's words."""
    _check_whole(headers, body)
    ours = [(name, value) for name, value in headers if name[:9] == b"x-rainer-"]
    given = {name: decode_text(value.rstrip(b" \t")) for name, value in ours}  # the parser strips the other end
    if len(given) != len(ours):
        _refuse_twice([name for name, _ in ours])
    _check_repeated(given, key, version)
    author = author_of(asker, given.get(b"x-rainer-author", ""), namespace, key)
    if not author:
        raise AncestorRefusal("Missing header: X-Rainer-Author")
    empty = b"x-rainer-empty" in given and _header_flag(given[b"x-rainer-empty"])
    if empty and body:
        raise AncestorRefusal("Empty payload required with X-Rainer-Empty")
    mtime = given.get(b"x-rainer-modified-time")
    commit_id = given.get(b"x-rainer-commit-id")
    return (
        Draft(
            namespace, key, version, None if empty else body, author, given.get(b"x-rainer-comment", ""),
            None if mtime is None else _header_time(mtime),
        ),
        None if commit_id is None else names.check_commit_id(commit_id),
    )  # fmt: skip


def _check_whole(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
    """Hold a body to what was announced: what is kept must be what its sender meant, to the byte."""
    upgraded = chunked = False
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and int(value) != len(body):
            raise InvalidError(f"the body has {len(body)} bytes, its Content-Length says {int(value)}")
        if name in _CODINGS and value.strip(b" \t").lower() != _CODINGS[name]:
            what = f"{name.decode().title()} {names.shorten(value.decode('latin-1'))}"
            raise InvalidError(f"{what} is not undone here", hint="send the payload as it is")
        upgraded, chunked = upgraded or name == b"upgrade", chunked or name == b"transfer-encoding"
    if upgraded and chunked and not body:  # some servers lose a body on an upgrade
        raise InvalidError("the body was lost on the way", hint="send the commit without an Upgrade header")


def _refuse_twice(given: list[bytes]) -> NoReturn:
    name = max(given, key=given.count).decode("latin-1").title()
    raise InvalidError(f"the header {name} came twice", hint="which of the two is meant cannot be told")


def _check_repeated(given: dict[bytes, str], key: str, version: int) -> None:
    """Key and version may be said again in headers, but not otherwise than in the URL."""
    if given.get(b"x-rainer-key", key) != key:
        raise AncestorRefusal("X-Rainer-Key must match URL key, or be omitted")
    if given.get(b"x-rainer-version", str(version)).strip() != str(version):
        raise AncestorRefusal("X-Rainer-Version must match URL version, or be omitted")


def _header_flag(text: str) -> bool:
    value = parse_flag(text)
    if value is None:
        raise AncestorRefusal("Malformed header: X-Rainer-Empty")
    return value


def _header_time(text: str) -> int:
    try:
        return times.parse_iso(text.strip())
    except InvalidError:
        raise AncestorRefusal("Malformed header: X-Rainer-Modified-Time") from None


def check_length(headers: Iterable[tuple[bytes, bytes]], bytes_max: int, what: str) -> None:
    """Refuse a body by its Content-Length, before any of it is read."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and int(value) > bytes_max:
            raise _too_large(int(value), bytes_max, what)


def _too_large(size: int, bytes_max: int, what: str) -> TooLargeError:
    return TooLargeError(f"the body has {size} bytes or more, over the {bytes_max} that {what} takes", limit=bytes_max)


async def read_body(receive: Any, bytes_max: int, what: str, timeout_s: float) -> bytes:
    """A request's body, refused as soon as it is too long or too slow."""
    body = take_body(receive)
    if body is not None:
        if len(body) > bytes_max:
            raise _too_large(len(body), bytes_max, what)
        return body
    try:
        return await within(timeout_s, _gather(receive, bytes_max, what))
    except TimeoutError:
        raise BodyTimeout(f"the body did not arrive within {timeout_s:g} s", hint="send it faster") from None


async def _gather(receive: Any, bytes_max: int, what: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size > bytes_max:
            raise _too_large(size, bytes_max, what)
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)
