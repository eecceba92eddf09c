"""Text in HTTP headers: Latin-1 and UTF-8 come in, and what goes out never breaks a response.

pyrainer sends Latin-1, newer clients UTF-8. Bytes that are valid UTF-8 are read as UTF-8, others as Latin-1. Going out,
Latin-1 is used where it would be read back as the same text (old JVM clients read Latin-1), else UTF-8.
"""

from __future__ import annotations

import re
from typing import Final

from rainer import limits

_CONTROLS: Final = re.compile("[\x00-\x1f\x7f]")
_LINES: Final = re.compile("[ \t]*(?:\r\n|[\r\n])[ \t]*")


def decode_text(raw: bytes) -> str:
    """The text of a header's bytes, UTF-8 if they are valid UTF-8, else Latin-1; never fails."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def encode_text(text: str) -> tuple[bytes, bool]:
    """Header bytes for a text, and whether they carry it whole.

    Line breaks become one space, other control characters vanish, spaces at the ends are lost and anything over
    4,096 bytes is cut at a character: then the second member is False and the JSON meta must be asked for the text.
    """
    if text.isascii() and text.isprintable() and len(text) <= limits.HEADER_TEXT_BYTES_MAX:
        plain = text.strip()
        return plain.encode(), plain == text
    shown = _CONTROLS.sub("", _LINES.sub(" ", text)).strip()
    raw = _narrowest(shown)
    if len(raw) > limits.HEADER_TEXT_BYTES_MAX:
        shown = shown.encode(errors="replace")[: limits.HEADER_TEXT_BYTES_MAX].decode(errors="ignore")
        raw = shown.encode()
    return raw, shown == text


def _narrowest(text: str) -> bytes:
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode(errors="replace")
    return raw if decode_text(raw) == text else text.encode()
