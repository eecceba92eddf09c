"""Spans of time as people type them."""

from __future__ import annotations

import re
from typing import Final

from rainer.errors import InvalidError

_UNITS_S: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)", re.ASCII)


def read_span_s(text: str) -> float:
    """Seconds, such as 90 or `90s`, or `5m`, `12h`, `7d`, `2w` in seconds; InvalidError for anything else."""
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or len(text) > 20:
        raise InvalidError(f"{text!r} is not a span of time such as 90s, 5m, 12h or 7d")
    return float(found[1]) * _UNITS_S[found[2]]


def span_words(seconds: float) -> str:
    """A span for people, in its largest unit: `3 days`, `1 hour`, `20 seconds`."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count = int(seconds // length)
        if count:
            return f"{count:,} {unit}{'' if count == 1 else 's'}"
    return "0 seconds"
