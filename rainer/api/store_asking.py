"""What a request asks of the server store: names, versions, conditions and ranges, read strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from rainer.api import asking
from rainer.errors import InvalidError
from rainer.model.names import shorten
from rainer.server_store.names import check_name
from rainer.server_store.receiving import Expected, too_large
from rainer.server_store.terms import Terms
from rainer.server_store.versions import parse_version, version_now

CREATE_ONLY: Final = "x-rainer-create-only"
SEALED: Final = "x-rainer-sealed"
_SIZE_DIGITS_MAX: Final = 19
_RANGE: Final = re.compile(r"bytes *= *(\d*) *- *(\d*)", re.ASCII | re.IGNORECASE)
_CODING: Final = re.compile(r"\s*([^\s;]+)\s*(?:;\s*q\s*=\s*([\d.]+)\s*)?", re.ASCII)


def path_of(request: Request) -> str:
    """The path behind the call's own, percent-encoding undone; `%2F` is a slash, as it was to the ancestor."""
    raw = request.path_params.get("path", "").encode("latin-1")
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise InvalidError(
            f"the name {shorten(raw.decode('latin-1'))} is not UTF-8", hint="percent-encode UTF-8"
        ) from None


def name_of(request: Request) -> str:
    """The file that a request speaks of."""
    return check_name(path_of(request))


def header_flag(request: Request, name: str) -> bool:
    """A header that says yes or no; absent is no."""
    text = request.headers.get(name)
    value = False if text is None else asking.parse_flag(text)
    if value is None:
        raise InvalidError(f"the header {name.title()} is {shorten(text or '')}", hint="say yes or no")
    return value


def put_terms(request: Request) -> Terms:
    """On what terms a file is put. Only what is created and sealed needs no version."""
    seal = header_flag(request, CREATE_ONLY)
    version = _version(request, is_needed=not seal)
    none_match = request.headers.get("if-none-match")
    if none_match is not None and none_match.strip() != "*":
        raise InvalidError(
            f"If-None-Match {shorten(none_match)} is no condition for a PUT", hint="only * is: there is no such file"
        )
    return Terms(version, create_only=none_match is not None, seal=seal, if_match=_if_match(request))


def deletion_terms(request: Request) -> Terms:
    """On what terms a file is deleted."""
    version = _version(request, is_needed=True)
    return Terms(version, if_match=_if_match(request), if_sealed=header_flag(request, SEALED))


def newest_listed(request: Request) -> int:
    """The version up to which files are listed; by default now, as the ancestor has it."""
    return _version(request, is_needed=False)


def _version(request: Request, *, is_needed: bool) -> int:
    text = request.query_params.get("last_modified")
    if text is not None:
        return parse_version(text)
    if is_needed:
        raise InvalidError(
            "last_modified is missing: it is the file's version",
            hint="add ?last_modified=Sat,%2031%20Jan%202026%2012:34:56%20%2B0000",
        )
    return version_now()


def _if_match(request: Request) -> frozenset[bytes] | None:
    """The digests of If-Match; empty for `*`. What is no ETag of ours matches nothing."""
    text = request.headers.get("if-match")
    if text is None:
        return None
    if text.strip() == "*":
        return frozenset()
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in text.split(","))
    return frozenset(digest_of(tag) or b"none of ours" for tag in tags)


def digest_of(text: str) -> bytes | None:
    """The bytes of a SHA-256 in hex, in any letter case; None for anything else."""
    if not re.fullmatch("[0-9a-fA-F]{64}", text, re.ASCII):
        return None
    return bytes.fromhex(text)


@dataclass(frozen=True, slots=True)
class Body:
    """How a file comes: compressed by gzip or as it is, what is announced of it, and how many bytes will come."""

    is_gzip: bool
    expected: Expected
    length: int | None


def body_of(request: Request, size_bytes_max: int) -> Body:
    """What the headers say of the body; TooLargeError where they announce too much."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("gzip", "x-gzip", "identity", ""):
        raise InvalidError(f"Content-Encoding {shorten(coding)} is not undone here", hint="gzip is, or none")
    is_gzip = coding in ("gzip", "x-gzip")
    size, length = _number(request, "logical-size"), _number(request, "content-length")
    announced = size or 0 if is_gzip else max(size or 0, length or 0)
    if announced > size_bytes_max:
        raise too_large(announced, size_bytes_max)
    text = request.headers.get("sha256-checksum")
    sha256 = None if text is None else digest_of(text.strip())
    if text is not None and sha256 is None:
        raise InvalidError(f"SHA256-Checksum {shorten(text)} is no SHA-256", hint="write 64 hexadecimal digits")
    return Body(is_gzip, Expected(sha256, size), length)


def _number(request: Request, name: str) -> int | None:
    text = request.headers.get(name)
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) <= _SIZE_DIGITS_MAX:
        return int(text)
    raise InvalidError(f"{name.title()} {shorten(text)} is no size in bytes")


def accepts_gzip(request: Request) -> bool:
    """Whether a caller names gzip among the codings it takes."""
    accepted = False
    for part in request.headers.get("accept-encoding", "").split(","):
        found = _CODING.fullmatch(part)
        if found and found[1].lower() in ("gzip", "x-gzip"):
            accepted = found[2] is None or found[2].strip("0.") != ""
    return accepted


def range_of(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """The one range asked for, as start and end (exclusive); None for the whole.

    Several ranges, and what is no range of bytes, are not heeded, as the standard allows; nor is a range where If-Range
    names another ETag or a date, which in whole seconds proves nothing. ValueError for one beyond the end.
    """
    found = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if found is None or request.headers.get("if-range", etag).strip() != etag or not (found[1] or found[2]):
        return None
    first, last = found[1], found[2]
    if not first:
        if not int(last) or not size:
            raise ValueError(last)
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise ValueError(first)
    return int(first), min(size, int(last) + 1) if last else size
