"""Times on the wire: ISO 8601 in UTC with milliseconds, kept as whole milliseconds since 1970."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from rainer.errors import InvalidError
from rainer.model.names import shorten

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
MIN_MS: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MS
MAX_MS: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MS
_SHAPE: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?(?P<zone>[Zz]|[+-]\d\d(:?\d\d)?)", re.ASCII
)


def now_ms() -> int:
    """The wall clock in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime, cut downwards; a naive one is an InvalidError."""
    if moment.tzinfo is None:
        raise InvalidError(f"time {moment.isoformat()} has no time zone", hint="use an aware datetime, such as UTC")
    return check_ms((moment - _EPOCH) // _MS)


def check_ms(ms: object) -> int:
    """Return `ms` if it is an int in the years 1 to 9999 of UTC, so that it can be read back; else InvalidError."""
    if isinstance(ms, int) and not isinstance(ms, bool) and MIN_MS <= ms <= MAX_MS:
        return ms
    raise InvalidError(f"time {shorten(repr(ms))} (milliseconds since 1970) is not in the years 0001 to 9999 of UTC")


def from_ms(ms: int) -> datetime:
    """The aware datetime, in UTC, of milliseconds since 1970."""
    return _EPOCH + ms * _MS


def parse_iso(text: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 date and time with an offset; anything else is an InvalidError.

    Digits beyond milliseconds are cut. Years 0001 to 9999, as the standard library reads them.
    """
    if _SHAPE.fullmatch(text):
        try:
            return to_ms(datetime.fromisoformat(text.upper().replace(",", ".")))
        except (ValueError, OverflowError, InvalidError):
            pass  # no such day, or in UTC not in the years that can be written
    raise InvalidError(
        f"time {shorten(text)} is not ISO 8601 with an offset",
        hint="write it like 2026-01-31T12:34:56.789Z",
    )


_FRACTIONS: Final = [f".{ms:03d}Z" for ms in range(1000)]


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")


def format_iso(ms: int) -> str:
    """Milliseconds since 1970 as `1970-01-01T00:00:00.002Z`, the ancestor's form."""
    seconds, rest = divmod(ms, 1000)
    return _second(seconds) + _FRACTIONS[rest]
