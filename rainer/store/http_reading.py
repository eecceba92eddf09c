"""What answers say of objects, for every store that speaks HTTP: facts, bodies, refusals."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from rainer.errors import CredentialsError, InvalidError, ObjectNotFound, RainerError, StoreUnavailable
from rainer.store.http_answer import HttpAnswer
from rainer.store.http_pool import RETRIED
from rainer.store.store import ObjectInfo, Reading
from rainer.store.store import shown as shown

_HEX: Final = re.compile(r"[0-9a-f]{64}")
_HEX_HEADERS: Final = ("x-rainer-sha256", "x-amz-meta-sha256", "x-goog-meta-sha256", "x-ms-meta-sha256")
_DIGESTS: Final = re.compile(r"sha-256=:?([A-Za-z0-9+/]{43}=):?", re.IGNORECASE)
_RANGE: Final = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")
_DATE: Final = re.compile(r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT")
_MONTHS: Final = {"JanFebMarAprMayJunJulAugSepOctNovDec"[3 * n : 3 * n + 3]: n + 1 for n in range(12)}
_TEXT_BYTES: Final = 4096

Refuse = Callable[[HttpAnswer, str], RainerError]


class HttpReading(Reading):
    """An answer's body as a part of an object: `skip` bytes of it are not wanted, nor what follows `limit` more."""

    def __init__(self, answer: HttpAnswer, info: ObjectInfo, *, skip: int = 0, limit: int | None = None) -> None:
        self.info = info
        self._answer = answer
        self._skip = skip
        self._left = limit

    def readinto(self, buffer: memoryview) -> int:
        while self._skip:
            count = self._answer.readinto(buffer[: self._skip])
            self._skip = self._skip - count if count else 0
        if self._left is None:
            return self._answer.readinto(buffer)
        count = self._answer.readinto(buffer[: self._left])
        self._left -= count
        return count

    def close(self) -> None:
        self._answer.close()


def range_headers(
    start: int, end: int | None, if_none_match: str | None = None, if_match: str | None = None
) -> dict[str, str]:
    """The headers that ask for [start, end) under conditions."""
    if start < 0 or (end is not None and end < start):
        raise InvalidError(f"no object has bytes from {start} up to {end}", hint="count from 0, the end excluded")
    headers = {}
    if start or end is not None:
        # An empty range cannot be asked for: one byte is, and left unread.
        headers["Range"] = f"bytes={start}-{'' if end is None else max(start, end - 1)}"
    if if_none_match is not None:
        headers["If-None-Match"] = if_none_match
    if if_match is not None:
        headers["If-Match"] = if_match
    return headers


def reading_of(
    answer: HttpAnswer, uri: str, start: int = 0, end: int | None = None, if_none_match: str | None = None,
    if_match: str | None = None, refuse: Refuse | None = None,
) -> HttpReading | None:  # fmt: skip
    """The reading that an answer to `range_headers` stands for, also of a server that knows no ranges or conditions.

    None: not modified. Raises ObjectNotFound where `if_match` does not hold, and what `refuse` makes of a refusal.
    """
    if answer.status == 304:
        answer.close()
        return None
    if answer.status == 416:
        return _beyond(answer, uri)
    if answer.status not in (200, 206):
        raise (refuse or refusal)(answer, uri)
    info = info_of(answer, uri)
    if if_none_match is not None and _opaque(info.etag) == _opaque(if_none_match):
        answer.close()
        return None
    if if_match is not None and info.etag is not None and info.etag != if_match:
        answer.close()
        raise ObjectNotFound(f"{shown(uri)} is no longer what it was", hint="read it anew")
    skip = start - _offset(answer, uri)
    if skip < 0:
        answer.close()
        raise StoreUnavailable(f"{shown(uri)}: the server sends from byte {start - skip}, and was asked from {start}")
    return HttpReading(answer, info, skip=skip, limit=None if end is None else end - start)


def info_of(answer: HttpAnswer, uri: str) -> ObjectInfo:
    """What an answer to GET or HEAD says of the whole object."""
    headers = answer.headers
    size = answer.length
    if answer.status in (206, 416):
        match = _RANGE.fullmatch(headers.get("content-range", ""))
        size = int(match[2]) if match else None
    return ObjectInfo(uri, size, headers.get("etag"), _sha256(headers), _mtime(headers.get("last-modified")))


def refusal(answer: HttpAnswer, uri: str) -> RainerError:
    """The error for an answer that says no; reads and closes it."""
    text = " ".join(answer.read(_TEXT_BYTES).decode("utf-8", "replace").split())[:300]
    answer.close()
    said = f"{answer.status}: {text}" if text and not text.startswith("<") else str(answer.status)
    return refusal_of(answer.status, said, uri)


def refusal_of(status: int, said: str, uri: str) -> RainerError:
    """The error for a status; `said` is what the server gave as its reason."""
    where = shown(uri)
    if status in (404, 410):
        return ObjectNotFound(f"{where} does not exist", hint="look at the name and at the version in it")
    if status == 412:
        return ObjectNotFound(f"{where} is no longer what it was", hint="read it anew")
    if status in (401, 403, 407):
        return CredentialsError(
            f"{where}: the server wants other credentials ({said})",
            hint="put user and password into the URL, or bearer:TOKEN into the store's credentials",
        )
    if status in RETRIED or status >= 500:
        return StoreUnavailable(f"{where}: the store is not available ({said})", hint="try again later")
    return InvalidError(f"{where}: the server refuses ({said})", hint="look at the URL")


def _beyond(answer: HttpAnswer, uri: str) -> HttpReading:
    """Nothing: the range begins at or behind the object's end."""
    info = info_of(answer, uri)
    answer.close()
    return HttpReading(answer, info)


def _offset(answer: HttpAnswer, uri: str) -> int:
    if answer.status == 200:
        return 0
    match = _RANGE.fullmatch(answer.headers.get("content-range", ""))
    if match is None or match[1] is None:
        answer.close()
        raise StoreUnavailable(f"{shown(uri)}: the server sends a part and does not say which")
    return int(match[1])


def _opaque(etag: str | None) -> str | None:
    return None if etag is None else etag.removeprefix("W/")


def _sha256(headers: Mapping[str, str]) -> str | None:
    for name in _HEX_HEADERS:
        value = headers.get(name, "").lower()
        if _HEX.fullmatch(value):
            return value
    encoded = headers.get("x-amz-checksum-sha256", "")  # of multipart uploads it is another thing, and ends with -N
    match = _DIGESTS.search(f"sha-256={encoded}") if encoded and "-" not in encoded else None
    if match is None and ("digest" in headers or "repr-digest" in headers):
        match = _DIGESTS.search(f"{headers.get('repr-digest', '')},{headers.get('digest', '')}")
    if match is None:
        return None
    import base64

    try:
        return base64.b64decode(match[1]).hex()
    except ValueError:
        return None


def _mtime(text: str | None) -> datetime | None:
    """A date as RFC 9110 has it; in another form, by the standard library, which takes 20 times as long."""
    if not text:
        return None
    match = _DATE.fullmatch(text)
    try:
        if match and match[2] in _MONTHS:
            day, _, year, hour, minute, second = match.groups()
            return datetime(int(year), _MONTHS[match[2]], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        from email.utils import parsedate_to_datetime

        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return None
