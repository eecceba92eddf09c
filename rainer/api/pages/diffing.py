"""A difference as rows of a page: inline, or side by side, with colours under the marks of changed words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final

from markupsafe import Markup

from rainer.api.pages.colouring import COLOUR_BYTES_MAX, FOLD_CHARS, Line, Piece, language_of, line_markup, lines_of
from rainer.model.difference import Difference, Hunk, common_start, difference
from rainer.model.difference import Line as DiffLine

_ROWS_MAX: Final = 4_000
_MARKUP_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Side:
    """A line of one of the two texts; `number` is None where that text has no such line."""

    kind: str = "none"
    number: int | None = None
    markup: Markup = field(default_factory=Markup)
    ends: bool = True


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that stand together; `skipped` unchanged lines lie before them."""

    skipped: int
    rows: tuple[tuple[Side, ...], ...]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A difference made ready: inline each row is one side, side by side two."""

    found: Difference
    blocks: tuple[Block, ...]
    is_cut: bool = False


def draw(old: bytes | None, new: bytes | None, key: str, form: str, *, split: bool, context: int) -> Drawn:
    """Compare two payloads and make rows of what differs; some seconds for some MiB, so it runs in a thread."""
    found = difference(old, new, context=context)
    colours = _colours(old, key, form), _colours(new, key, form)
    blocks: list[Block] = []
    total = last = size = 0
    for hunk in found.hunks:
        rows: list[tuple[Side, ...]] = []
        begin = hunk.old_start if hunk.old_count else hunk.old_start + 1
        skipped, last = max(0, begin - 1 - last), begin - 1 + hunk.old_count
        for row in _split(hunk, colours) if split else _inline(hunk, colours):
            if total + len(rows) == _ROWS_MAX or size > _MARKUP_MAX:
                return Drawn(found, (*blocks, Block(skipped, tuple(rows))), True)
            rows.append(row)
            size += sum(len(side.markup) for side in row)
        blocks.append(Block(skipped, tuple(rows)))
        total += len(rows)
    return Drawn(found, tuple(blocks))


_Colours = tuple[list[Line], list[Line]]


def _colours(payload: bytes | None, key: str, form: str) -> list[Line]:
    try:
        text = (payload or b"").decode()
    except UnicodeDecodeError:
        return []
    language = language_of(key, form, text)
    return lines_of(text, language) if language and len(text) <= COLOUR_BYTES_MAX else []


def _side(line: DiffLine, colours: _Colours, partner: DiffLine | None = None) -> Side:
    number = line.old if line.kind == "removed" else line.new
    known = colours[0] if line.kind == "removed" else colours[1]
    pieces: Line = [Piece("", line.text)]
    if number is not None and number <= len(known):
        pieces = known[number - 1]
    marks, at = [], 0
    for span in line.spans:
        if span.changed:
            marks.append((at, at + len(span.text)))
        at += len(span.text)
    if partner is not None and not marks:
        marks = [_between(line.text, partner.text)]
    mark = {"removed": "del", "added": "ins"}.get(line.kind, "")
    return Side(line.kind, number, line_markup(pieces, marks, mark), line.ends)


def _between(text: str, other: str) -> tuple[int, int]:
    """What of a text lies between the beginning and the end that it shares with another."""
    start = common_start(text, other)
    return start, len(text) - common_start(text[start:][::-1], other[start:][::-1])


def _partners(hunk: Hunk) -> dict[int, DiffLine]:
    """Of endless lines, which are too unlike word by word, the one that took the other's place, by where they stand."""
    found: dict[int, DiffLine] = {}
    gone: list[int] = []
    come: list[int] = []
    for place, line in enumerate((*hunk.lines, None)):
        if line is None or line.kind == "same" or (line.kind == "removed" and come):
            for one, two in zip(gone, come, strict=False) if len(gone) == len(come) else ():
                if min(len(hunk.lines[one].text), len(hunk.lines[two].text)) > FOLD_CHARS:
                    found[one], found[two] = hunk.lines[two], hunk.lines[one]
            gone, come = [], []
        if line is not None and line.kind != "same":
            (gone if line.kind == "removed" else come).append(place)
    return found


def _inline(hunk: Hunk, colours: _Colours) -> Iterator[tuple[Side, ...]]:
    partners = _partners(hunk)
    for place, line in enumerate(hunk.lines):
        side = _side(line, colours, partners.get(place))
        other = Side(number=line.old) if line.kind != "removed" else Side()
        yield side, other


def _split(hunk: Hunk, colours: _Colours) -> Iterator[tuple[Side, ...]]:
    """Removed lines stand beside the added ones that took their place."""
    partners = _partners(hunk)
    gone: list[int] = []
    come: list[int] = []

    def paired() -> Iterator[tuple[Side, ...]]:
        for pair in zip_longest(gone, come):
            yield tuple(
                Side() if place is None else _side(hunk.lines[place], colours, partners.get(place)) for place in pair
            )
        gone.clear()
        come.clear()

    for place, line in enumerate(hunk.lines):
        if line.kind == "removed":
            gone.append(place)
        elif line.kind == "added":
            come.append(place)
        else:
            yield from paired()
            side = _side(line, colours)
            yield Side("same", line.old, side.markup, line.ends), side
    yield from paired()
