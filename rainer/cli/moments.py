"""Times as people read them: in their own time zone, and how long ago."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_STEPS: Final = (
    ("year", 365 * 86_400),
    ("month", 30 * 86_400),
    ("week", 7 * 86_400),
    ("day", 86_400),
    ("hour", 3_600),
    ("minute", 60),
)


def local(moment: datetime) -> str:
    """Such as `Sat 2026-11-21 10:15:03 +0100`."""
    try:
        moment = moment.astimezone()
    except (OverflowError, OSError, ValueError):
        moment = moment.astimezone(UTC)  # the first and last days of the calendar have no local time everywhere
    return f"{moment:%a} {moment.year:04d}-{moment:%m-%d %H:%M:%S %z}"


def ago(moment: datetime, now: datetime | None = None) -> str:
    """Such as `3 minutes ago`, `just now` or, of a clock that runs ahead, `in 2 hours`."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    for unit, length in _STEPS:
        count = int(abs(seconds) // length)
        if count:
            text = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return "just now"
