"""Payloads as a browser's text field can hold them, and back again to the byte; or the reason why it cannot.

A text field knows one kind of line end, and loses what is no text: what would come back otherwise than it went is never
put into one.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from rainer.api.pages.showing import HIDDEN, size
from rainer.errors import InvalidError

EDIT_BYTES_MAX: Final = 512_000
"""Larger texts are edited elsewhere: a browser's text field becomes slow."""
LF, CRLF = "lf", "crlf"
_UNFIT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
_MARK: Final = re.compile(r"(?:<<<<<<< yours|\|\|\|\|\|\|\| (?:version \d+|nothing)|>>>>>>> version \d+ by .*)")
_AUTHOR_CHARS_MAX: Final = 60


class NotEditable(InvalidError):
    """A payload that a browser's text field would change."""


class Editable(NamedTuple):
    """A payload as text with `\\n` alone; `ends` is what its lines end with, `hidden` how much in it cannot be seen."""

    text: str
    ends: str = LF
    hidden: int = 0


def editable(payload: bytes | None) -> Editable:
    """The text of a payload, which `payload_of` turns back into the same bytes; NotEditable says why there is none."""
    raw = payload or b""
    if len(raw) > EDIT_BYTES_MAX:
        raise NotEditable(f"It has {size(len(raw))}, and a browser edits at most {size(EDIT_BYTES_MAX)}.")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise NotEditable("It is bytes that are no text.") from None
    bad = _UNFIT.search(text)
    if bad is not None:
        line = text.count("\n", 0, bad.start()) + 1
        what = f"the control character U+{ord(bad[0]):04X}"
        raise NotEditable(f"It holds {what} in line {line}, which a browser's text field would change.")
    breaks, returns = text.count("\n"), text.count("\r\n")
    if returns and returns != breaks:
        raise NotEditable("Some of its lines end with CR LF and some with LF, which a text field would change.")
    text = text.replace("\r\n", "\n")
    hidden = sum(found[0] != "\n" for found in HIDDEN.finditer(text))
    return Editable(text, CRLF if returns else LF, hidden)


def payload_of(text: str, ends: str) -> bytes:
    """The bytes that somebody means by what is in his text field; InvalidError for what no text field sends."""
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise InvalidError("the text holds half a character", hint="it is a lone surrogate: take it out") from None
    bad = _UNFIT.search(text)
    if bad is not None:
        line = text.count("\n", 0, bad.start()) + 1
        raise InvalidError(
            f"the text holds the control character U+{ord(bad[0]):04X} in line {line}",
            hint="take it out, or use the command line", line=line,
        )  # fmt: skip
    if len(raw) > EDIT_BYTES_MAX:
        raise InvalidError(
            f"the text has {size(len(raw))}, over the {size(EDIT_BYTES_MAX)} that are edited in a browser",
            hint="use the command line for what is larger",
        )
    return raw.replace(b"\n", b"\r\n") if ends == CRLF else raw


def labels(base: int, theirs: int, author: str) -> dict[str, str]:
    """What stands behind the marks of a conflict, so that `first_mark` knows them again."""
    who = HIDDEN.sub("?", author)[:_AUTHOR_CHARS_MAX]
    return {
        "yours": "yours", "base": f"version {base}" if base else "nothing", "theirs": f"version {theirs} by {who}",
    }  # fmt: skip


def first_mark(text: str) -> int | None:
    """The number of the first line that still is a mark of a conflict; a bare `=======` is a heading in many a text."""
    lines = enumerate(text.split("\n"), 1)
    return next((number for number, line in lines if _MARK.fullmatch(line)), None)


def marks_left(text: str) -> int:
    """How many conflicts are still marked in a text."""
    return sum(line == "<<<<<<< yours" for line in text.split("\n"))
