"""Three-way merge of lines: two people's changes to one text become one text where they do not touch.

Bytes are kept exactly: line endings of any kind, a missing last newline, whatever encoding. Changes to neighbouring
lines touch, and so conflict: in configuration, what stands side by side usually belongs together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from rainer.model.sequences import Change, changes

Kind = Literal["same", "yours", "theirs", "both", "conflict"]

YOURS_MARK: Final = b"<<<<<<<"
BASE_MARK: Final = b"|||||||"
MIDDLE_MARK: Final = b"======="
THEIRS_MARK: Final = b">>>>>>>"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of the three texts that belongs together.

    `kind` says who changed it: nobody ("same"), one side, both in the same way, or both differently ("conflict"). Put
    end to end, the `base` parts of all chunks are the base text, and likewise `yours` and `theirs`: nothing is lost.
    """

    kind: Kind
    base: bytes
    yours: bytes
    theirs: bytes

    @property
    def merged(self) -> bytes:
        """The stretch as both would have it; of a conflict there is no such thing, and this is yours."""
        return self.theirs if self.kind == "theirs" else self.yours


@dataclass(frozen=True, slots=True)
class Merge:
    """The outcome of a merge: its chunks in order."""

    chunks: tuple[Chunk, ...]

    @property
    def conflicts(self) -> int:
        return sum(chunk.kind == "conflict" for chunk in self.chunks)

    @property
    def text(self) -> bytes:
        """The merged text. Only for a merge without conflicts: otherwise a ValueError, never one side's text."""
        if self.conflicts:
            raise ValueError(f"{self.conflicts} conflicts are not resolved")
        return b"".join(chunk.merged for chunk in self.chunks)

    def marked(self, *, yours: str = "yours", base: str = "base", theirs: str = "theirs") -> bytes:
        """The merged text with each conflict between marks, in the style of diff3, for a person to resolve."""
        newline = b"\r\n" if any(b"\r\n" in chunk.base + chunk.yours for chunk in self.chunks) else b"\n"
        out = bytearray()
        for chunk in self.chunks:
            if chunk.kind != "conflict":
                out += chunk.merged
                continue
            out += _mark(YOURS_MARK, yours) + newline + _closed(chunk.yours, newline)
            out += _mark(BASE_MARK, base) + newline + _closed(chunk.base, newline)
            out += MIDDLE_MARK + newline + _closed(chunk.theirs, newline)
            out += _mark(THEIRS_MARK, theirs) + newline
        return bytes(out)


def merge(base: bytes, yours: bytes, theirs: bytes) -> Merge:
    """Merge two texts that were both made from `base`."""
    lines = _lines(base)
    mine, others = _Side(lines, yours), _Side(lines, theirs)
    chunks: list[Chunk] = []
    place = 0
    while mine.pending or others.pending:
        start = min(side.pending[-1].old_start for side in (mine, others) if side.pending)
        if start > place:
            chunks.append(Chunk("same", b"".join(lines[place:start]), mine.take(start), others.take(start)))
        place, changed = _take_touching(start, mine, others)
        parts = b"".join(lines[start:place]), mine.take(place), others.take(place)
        chunks.append(Chunk(_judge(changed, *parts), *parts))
    if place < len(lines):
        rest = len(lines)
        chunks.append(Chunk("same", b"".join(lines[place:]), mine.take(rest), others.take(rest)))
    return Merge(tuple(chunks))


def mark_line(text: bytes, *, yours: str = "yours", base: str = "base", theirs: str = "theirs") -> int | None:
    """The number of the first line that still is a mark made by `Merge.marked` with these labels, or None.

    A bare `=======` does not count: it is a heading in many a text.
    """
    marks = {_mark(YOURS_MARK, yours), _mark(BASE_MARK, base), _mark(THEIRS_MARK, theirs)}
    lines = enumerate(text.split(b"\n"), 1)
    return next((number for number, line in lines if line.rstrip(b"\r") in marks), None)


class _Side:
    """One side's walk along its changes: those still to come (the next one last), and how far its lines are used."""

    def __init__(self, base: list[bytes], text: bytes) -> None:
        self._lines = _lines(text)
        self.pending: list[Change] = changes(base, self._lines)[::-1]
        self._used = 0
        self._shift = 0

    def pass_change(self) -> int:
        """Step over the next change; return the base line at which it ends."""
        change = self.pending.pop()
        self._shift = change.new_end - change.old_end
        return change.old_end

    def take(self, end: int) -> bytes:
        """This side's text that stands for the base lines up to `end` and was not taken before."""
        start, self._used = self._used, end + self._shift
        return b"".join(self._lines[start : self._used])


def _take_touching(start: int, mine: _Side, others: _Side) -> tuple[int, tuple[bool, bool]]:
    """Pass all changes that touch the base line `start`, or one another; return where they end, and who made some."""
    end, changed = start, [False, False]
    moved = True
    while moved:
        moved = False
        for n, side in enumerate((mine, others)):
            while side.pending and side.pending[-1].old_start <= end:
                end = max(end, side.pass_change())
                changed[n] = moved = True
    return end, (changed[0], changed[1])


def _judge(changed: tuple[bool, bool], base: bytes, yours: bytes, theirs: bytes) -> Kind:
    if changed == (True, False):
        return "yours"
    if changed == (False, True):
        return "theirs"
    return "both" if yours == theirs else "conflict"


def _lines(text: bytes) -> list[bytes]:
    """The lines with their ends; only the last may lack one. (bytes.splitlines also breaks at a lone CR.)"""
    lines = [line + b"\n" for line in text.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _mark(mark: bytes, label: str) -> bytes:
    return mark + b" " + label.encode(errors="replace")


def _closed(part: bytes, newline: bytes) -> bytes:
    """The part with its last line ended, so that the mark after it stands on a line of its own."""
    return part + newline if part and not part.endswith(b"\n") else part
