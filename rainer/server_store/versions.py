"""A file's version: a moment in whole seconds, written as mail writes dates (RFC 2822) and the ancestor does."""

from __future__ import annotations

import calendar
import re
import time
from email.utils import formatdate, parsedate_to_datetime
from typing import Final

from rainer.errors import InvalidError
from rainer.model import times
from rainer.model.names import shorten

NEWEST: Final = "Fri, 31 Dec 9999 23:59:59 -0000"
"""Nothing that is stored is newer."""
_SHAPE: Final = re.compile(
    r"([A-Za-z]{3}, *)?\d{1,2} [A-Za-z]{3} [1-9]\d{3} \d\d:\d\d(:\d\d)? ([+-]\d{4}|[A-Za-z]{1,5})", re.ASCII
)


def parse_version(text: str) -> int:
    """Seconds since 1970 of a date of RFC 2822; InvalidError for anything else, also where there is no such day."""
    if _SHAPE.fullmatch(text.strip()):
        try:
            moment = parsedate_to_datetime(text.strip())  # without an offset where it said -0000, which means UTC
            seconds = calendar.timegm(moment.utctimetuple())
            if times.MIN_MS <= seconds * 1000 <= times.MAX_MS:
                return seconds
        except (ValueError, OverflowError, TypeError, IndexError):
            pass
    raise InvalidError(
        f"last_modified {shorten(text)} is not a date of RFC 2822",
        hint="write it like Sat, 31 Jan 2026 12:34:56 +0000, percent-encoded",
    )


def format_version(seconds: int) -> str:
    """A version as the ancestor's server writes it: `Sat, 31 Jan 2026 12:34:56 -0000`."""
    return formatdate(seconds)


def version_now() -> int:
    """The version of what is stored now."""
    return int(time.time())
