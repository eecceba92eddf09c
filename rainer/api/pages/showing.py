"""Texts of strangers made fit for a page: escaped, and with everything shown that would otherwise hide or mislead.

Whatever a person wrote (keys, payloads, authors, comments) goes through `visible` into elements and through `plain`
into attributes and titles. Jinja escapes all else by itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Final

from markupsafe import Markup, escape

from rainer.model import times

# Control characters, what reverses or joins the text around it, and what takes no room at all. Line ends are not among
# them where lines are shown one by one; a tab is a blank that people type.
_HIDDEN: Final = (
    "\x00-\x08\x0a-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f"
    "\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff"
)
HIDDEN: Final = re.compile(f"[{_HIDDEN}]")
_NAMES: Final = {
    0x7F: "DEL", 0xAD: "SHY", 0x061C: "ALM", 0x200B: "ZWSP", 0x200C: "ZWNJ", 0x200D: "ZWJ", 0x200E: "LRM",
    0x200F: "RLM",
    0x2028: "LS", 0x2029: "PS", 0x202A: "LRE", 0x202B: "RLE", 0x202C: "PDF", 0x202D: "LRO", 0x202E: "RLO",
    0x2066: "LRI", 0x2067: "RLI", 0x2068: "FSI", 0x2069: "PDI", 0x2060: "WJ", 0xFEFF: "BOM",
}  # fmt: skip
_CONTROLS: Final = (
    "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR", "SO", "SI",
    "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US",
)  # fmt: skip
_UNITS: Final = ("B", "kB", "MB", "GB")
_SHORT_CHARS: Final = 300
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def visible(text: str) -> Markup:
    """The text escaped, with a mark for every character that cannot be seen or that turns others around."""
    escaped = escape(text)
    if text.isascii() and text.isprintable():
        return escaped
    return Markup(
        HIDDEN.sub(lambda found: _mark(found[0]), str(escaped))
    )  # escaping brings none of them, and takes none


def plain(text: str) -> str:
    """The same for where no element can stand: titles, attributes, file names."""
    return HIDDEN.sub(lambda found: f"⟨{_name(found[0])}⟩", text)


def _name(character: str) -> str:
    code = ord(character)
    if code < len(_CONTROLS):
        return _CONTROLS[code]
    return _NAMES.get(code, f"U+{code:04X}")


@cache
def _mark(character: str) -> Markup:
    return Markup('<span class="ctl" title="U+{:04X}">{}</span>').format(ord(character), _name(character))


def marked(text: str, words: Sequence[str]) -> Markup:
    """The text with what was searched for marked in it."""
    wanted = [re.escape(word) for word in sorted(words, key=len, reverse=True) if word]
    if not wanted:
        return visible(text)
    parts: list[Markup] = []
    at = 0
    for found in re.finditer("|".join(wanted), text, re.IGNORECASE):
        parts += [visible(text[at : found.start()]), Markup("<mark>{}</mark>").format(visible(found[0]))]
        at = found.end()
    return Markup("").join([*parts, visible(text[at:])])


def first_line(text: str) -> str:
    """The first line of a comment, or as much of it as a row has room for."""
    return shortened(text.strip("\n").partition("\n")[0])


def shortened(text: str) -> str:
    """A text for a row or a title, where many of them stand on one page."""
    return text if len(text) <= _SHORT_CHARS else f"{text[:_SHORT_CHARS]}…"


def size(size_bytes: int) -> str:
    """`1.2 kB`; units of 1,000."""
    amount = float(size_bytes)
    for unit in _UNITS:
        if amount < 999.5 or unit == _UNITS[-1]:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 99.5 else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError


def number(amount: int) -> str:
    """`12,345`."""
    return f"{amount:,}"


def exact_time(time_ms: int) -> str:
    """`2026-11-21 03:04:05 UTC`."""
    return times.format_iso(time_ms)[:19].replace("T", " ") + " UTC"


def ago(time_ms: int, now_ms: int | None = None) -> str:
    """How long ago, in one short word or two; the date of what is older than a month."""
    now_ms = times.now_ms() if now_ms is None else now_ms
    seconds = (now_ms - time_ms) / 1000
    if seconds < -_MINUTE or seconds >= 30 * _DAY:
        return _date(time_ms, now_ms)
    for limit, unit, length in ((_HOUR, "min", _MINUTE), (_DAY, "h", _HOUR), (30 * _DAY, "d", _DAY)):
        if seconds < _MINUTE:
            return "just now"
        if seconds < limit:
            return f"{int(seconds // length)} {unit} ago"
    raise AssertionError


def _date(time_ms: int, now_ms: int) -> str:
    then = times.from_ms(time_ms)
    month = then.strftime("%b")
    is_near = then.year == datetime.fromtimestamp(now_ms / 1000, UTC).year
    return f"{then.day} {month}" if is_near else f"{then.day} {month} {then.year}"


def shell_word(text: str) -> str:
    """A word for a POSIX shell's command line; what cannot be seen is written as an escape of `$'…'`."""
    if re.fullmatch(r"[\w@%+=:,./-]+", text, re.ASCII):
        return text
    if HIDDEN.search(text) or "\n" in text:
        inner = "".join(f"\\u{ord(c):04x}" if HIDDEN.match(c) else "\\" + c if c in "'\\" else c for c in text)
        return f"$'{inner}'"
    return "'" + text.replace("'", "'\\''") + "'"
