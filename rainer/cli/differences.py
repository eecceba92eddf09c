"""Differences on a terminal: colours, and the changed words of a line marked. Into a pipe: what patch reads."""

from __future__ import annotations

from typing import Final

from rainer.cli.records import size_text
from rainer.cli.terminal import Output, Piece
from rainer.model.difference import NO_NEWLINE, SIGNS, Difference, Line, difference

_LONG_LINE: Final = 600
_KEPT: Final = 60
"""Of a long line's unchanged stretches, so many characters are shown on either side of a change."""


def print_difference(out: Output, old: bytes | None, new: bytes | None, old_label: str, new_label: str) -> None:
    """Print the difference of two payloads; None stands for an absent or empty one."""
    found = difference(old, new, words=out.terminal)
    if found.is_same:
        return
    if not found.hunks:
        out.line((_sizes(found, old, new), "hunk"))
        return
    if not out.terminal:
        for text in found.unified(old_label, new_label):
            out.line(text)
        return
    out.line((f"--- {old_label}", "heading"))
    out.line((f"+++ {new_label}", "heading"))
    for hunk in found.hunks:
        out.line((hunk.header, "hunk"))
        for line in hunk.lines:
            out.line(*_pieces(line))
            if not line.ends:
                out.line((NO_NEWLINE, "quiet"))


def _sizes(found: Difference, old: bytes | None, new: bytes | None) -> str:
    """What there is to say of payloads without lines, such as `binary, 120 → 130 bytes`."""
    if found.is_binary and old is not None and new is not None:
        return f"binary, {len(old):,} → {len(new):,} bytes"
    return f"{size_text(old)} → {size_text(new)}"


def _pieces(line: Line) -> list[Piece]:
    if line.kind == "same":
        return [" ", _shortened(line.text, first=True, last=True)]
    style = line.kind
    pieces: list[Piece] = [(SIGNS[line.kind], style)]
    is_marked = any(span.changed for span in line.spans)
    is_long = is_marked and len(line.text) > _LONG_LINE
    for n, span in enumerate(line.spans):
        if span.changed:
            pieces.append((span.text, f"{style} word"))
        elif is_long:
            pieces.append((_shortened(span.text, first=n == 0, last=n == len(line.spans) - 1), style))
        else:
            pieces.append((span.text, style))
    return pieces


def _shortened(text: str, *, first: bool, last: bool) -> str:
    """An unchanged stretch of a long line, such as of minified JSON: what is far from any change is left out."""
    head, tail = (0 if first else _KEPT), (0 if last else _KEPT)
    if first and last:
        head = _LONG_LINE
    left_out = len(text) - head - tail
    if left_out <= _KEPT:
        return text
    return f"{text[:head]}…{left_out:,} characters…{text[len(text) - tail :]}"
