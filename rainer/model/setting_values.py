"""How the values of settings are read and shown: numbers, byte sizes, switches, choices, paths, redacted URLs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rainer.model.identity import hide_credentials

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE | re.ASCII)
_UNITS: Final = {
    "": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30,
}  # fmt: skip
_YES: Final = {"yes", "true", "1", "on"}
_NO: Final = {"no", "false", "0", "off"}
# Up to the last @: a password that should have been quoted and holds an @ or a / must not show its tail.
_PASSWORD: Final = re.compile(r"(?<=://)([^:/?#@\s]*):([^\s]*)@")
_PARAMETER: Final = re.compile(r"([?&][a-z_]*(?:password|passwd|pwd|secret|token)=)[^&#\s]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value. `parse` reads text or a TOML value, raising a ValueError that quotes what it got."""

    label: str
    parse: Callable[[object], Any]
    show: Callable[[Any], str] = str
    choices: tuple[str, ...] = ()


def redact(text: str) -> str:
    """The text with the password of any URL in it, any among its parameters, and every token, as `***`."""
    return hide_credentials(_PARAMETER.sub(r"\1***", _PASSWORD.sub(r"\1:***@", text)))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` most likely means, or None."""
    import difflib

    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def whole(least: int, most: int | None = None) -> Kind:
    """Whole numbers from `least` to `most`."""
    span = f"a whole number of {least} or more" if most is None else f"a whole number from {least} to {most}"

    def parse(value: object) -> int:
        text = str(value).strip()
        if isinstance(value, int | str) and not isinstance(value, bool) and re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
            number = int(text)
            if number >= least and (most is None or number <= most):
                return number
        raise ValueError(f"{value!r} is not {span}")

    return Kind("INTEGER", parse)


def choice(*allowed: str) -> Kind:
    """One of a few words, in any letter case."""

    def parse(value: object) -> str:
        word = str(value).strip().lower()
        if word not in allowed:
            raise ValueError(f"{value!r} is not one of {', '.join(allowed)}")
        return word

    return Kind("|".join(allowed), parse, choices=allowed)


def _parse_text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError(f"{value!r} is not a text")
    return value.strip()


def _parse_path(value: object) -> Path:
    if isinstance(value, Path):
        return value
    return Path(_parse_text(value)).expanduser()


def _parse_seconds(value: object) -> float:
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else -1.0
    except ValueError:
        number = -1.0
    if not 0 < number <= 86_400:
        raise ValueError(f"{value!r} is not a number of seconds above 0, at most 86400")
    return number


def _show_seconds(value: float) -> str:
    return f"{value:g}"


def parse_bytes(value: object) -> int:
    """Read a byte size such as 1000000, `64MiB` or `1.5 GB` (a KB is 1,000 bytes, a KiB 1,024)."""
    if isinstance(value, int | str) and not isinstance(value, bool):
        match = _SIZE.fullmatch(str(value).strip())
        unit = _UNITS.get(match[2].lower()) if match else None
        if match and unit is not None:
            size = float(match[1]) * unit if "." in match[1] else int(match[1]) * unit
            if 0 < size < 2**63:
                return int(size)
    raise ValueError(f"{value!r} is not a byte size such as 1000000, 512KiB or 64MiB")


def show_bytes(size: int) -> str:
    """A byte size in the largest unit that divides it, such as `64MiB`."""
    for unit in ("GiB", "MiB", "KiB"):
        if size and size % _UNITS[unit.lower()] == 0:
            return f"{size // _UNITS[unit.lower()]}{unit}"
    return str(size)


def _parse_switch(value: object) -> bool:
    word = str(value).strip().lower()
    if word not in _YES | _NO:
        raise ValueError(f"{value!r} is neither yes nor no")
    return word in _YES


def _show_switch(value: bool) -> str:
    return "yes" if value else "no"


TEXT: Final = Kind("TEXT", _parse_text)
PATH: Final = Kind("PATH", _parse_path)
SECONDS: Final = Kind("SECONDS", _parse_seconds, _show_seconds)
BYTES: Final = Kind("BYTES", parse_bytes, show_bytes)
SWITCH: Final = Kind("yes|no", _parse_switch, _show_switch)
