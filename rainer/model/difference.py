"""The difference of two payloads as data: hunks of lines, and inside changed lines the words that changed.

What draws it (the command line, a web page) decides on colours and layout; `unified` is the plain form patch reads.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from rainer.model.sequences import Change, changes, matches

LineKind = Literal["same", "removed", "added"]

_TOKEN: Final = re.compile(r"\w+|[^\S\n]+|[^\w\s]")
_ALIKE: Final = 0.4
"""Two lines with less than this share of their text in common are shown as one gone and one new."""
_PAIRS_MAX: Final = 2_500
"""Blocks of more removed × added lines are paired line by line, if at all, instead of by likeness."""
_TOKENS_MAX: Final = 200_000
_CHARS_MAX: Final = 2_000_000
"""Longer blocks are not searched for likeness; a minified payload of one line still has its changed words marked."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line; `changed` marks the words that differ from the line it was made from."""

    text: str
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a hunk, without its newline; `ends` is false where the text ends without one.

    `old` and `new` are its line numbers, counted from 1, in the texts that hold it.
    """

    kind: LineKind
    old: int | None
    new: int | None
    spans: tuple[Span, ...]
    ends: bool = True

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)


@dataclass(frozen=True, slots=True)
class Hunk:
    """Changed lines with some unchanged ones around them; starts count from 1, as patch wants them."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    lines: tuple[Line, ...]

    @property
    def header(self) -> str:
        return f"@@ -{_span(self.old_start, self.old_count)} +{_span(self.new_start, self.new_count)} @@"


@dataclass(frozen=True, slots=True)
class Difference:
    """What lies between two payloads; None stands for an absent or empty one.

    Payloads that are not UTF-8, or hold a NUL, have no hunks: `is_binary` and the sizes tell all there is.
    """

    old_bytes: int | None
    new_bytes: int | None
    is_same: bool
    is_binary: bool = False
    hunks: tuple[Hunk, ...] = ()

    @property
    def added(self) -> int:
        """How many lines are new."""
        return sum(line.kind == "added" for hunk in self.hunks for line in hunk.lines)

    @property
    def removed(self) -> int:
        """How many lines are gone."""
        return sum(line.kind == "removed" for hunk in self.hunks for line in hunk.lines)

    def unified(self, old_label: str, new_label: str) -> Iterator[str]:
        """The lines of a unified diff, without their newlines; nothing where there are no hunks."""
        if self.hunks:
            yield f"--- {old_label}"
            yield f"+++ {new_label}"
        for hunk in self.hunks:
            yield hunk.header
            for line in hunk.lines:
                yield SIGNS[line.kind] + line.text
                if not line.ends:
                    yield NO_NEWLINE


SIGNS: Final[dict[LineKind, str]] = {"same": " ", "removed": "-", "added": "+"}
NO_NEWLINE: Final = "\\ No newline at end of file"


def decode(payload: bytes | None) -> str | None:
    """The payload as text; None if it is binary, that is not UTF-8 or with a NUL. An absent payload is no text: ""."""
    if not payload:
        return ""
    if b"\0" in payload:
        return None
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def difference(old: bytes | None, new: bytes | None, *, context: int = 3, words: bool = True) -> Difference:
    """Compare two payloads line by line, and changed lines word by word unless `words` is false."""
    sizes = (None if old is None else len(old)), (None if new is None else len(new))
    if old == new:
        return Difference(*sizes, is_same=True)
    old_text, new_text = decode(old), decode(new)
    if old_text is None or new_text is None:
        return Difference(*sizes, is_same=False, is_binary=True)
    before, after = _lines(old_text), _lines(new_text)
    found = changes(before, after)
    hunks = tuple(_hunk(group, before, after, context, words) for group in _grouped(found, context))
    return Difference(*sizes, is_same=False, hunks=hunks)


def _lines(text: str) -> list[str]:
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _span(start: int, count: int) -> str:
    return str(start) if count == 1 else f"{start},{count}"


def _grouped(found: list[Change], context: int) -> Iterator[list[Change]]:
    """Changes whose contexts meet stand in one hunk."""
    group: list[Change] = []
    for change in found:
        if group and change.old_start - group[-1].old_end > 2 * context:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _hunk(group: list[Change], before: list[str], after: list[str], context: int, words: bool) -> Hunk:
    lines: list[Line] = []
    first, last = group[0], group[-1]
    lead = min(context, first.old_start)
    i, j = first.old_start - lead, first.new_start - lead
    old_start, new_start = i, j
    trail = min(context, len(before) - last.old_end)
    for change in group:
        lines += _unchanged(before, i, change.old_start, j)
        lines += _changed(change, before, after, words)
        i, j = change.old_end, change.new_end
    lines += _unchanged(before, i, i + trail, j)
    old_count, new_count = i + trail - old_start, j + trail - new_start
    return Hunk(old_start + bool(old_count), old_count, new_start + bool(new_count), new_count, tuple(lines))


def _unchanged(before: list[str], start: int, end: int, new_start: int) -> Iterator[Line]:
    for n, i in enumerate(range(start, end)):
        yield Line("same", i + 1, new_start + n + 1, *_plain(before[i]))


def _plain(line: str) -> tuple[tuple[Span, ...], bool]:
    return (Span(line.removesuffix("\n")),), line.endswith("\n")


def _changed(change: Change, before: list[str], after: list[str], words: bool) -> Iterator[Line]:
    gone = [_plain(line) for line in before[change.old_start : change.old_end]]
    come = [_plain(line) for line in after[change.new_start : change.new_end]]
    if words:
        for i, j in _pairs([spans[0].text for spans, _ in gone], [spans[0].text for spans, _ in come]):
            old_spans, new_spans = changed_words(gone[i][0][0].text, come[j][0][0].text)
            gone[i], come[j] = (old_spans, gone[i][1]), (new_spans, come[j][1])
    for n, (spans, ends) in enumerate(gone):
        yield Line("removed", change.old_start + n + 1, None, spans, ends)
    for n, (spans, ends) in enumerate(come):
        yield Line("added", None, change.new_start + n + 1, spans, ends)


def _pairs(gone: list[str], come: list[str]) -> list[tuple[int, int]]:
    """Which removed line became which added line, in order; lines that are not alike have no partner."""
    if not gone or not come:
        return []
    in_step = [(n, n) for n in range(len(gone))] if len(gone) == len(come) else []
    if sum(map(len, gone)) + sum(map(len, come)) > _CHARS_MAX:
        return in_step
    is_much = len(gone) * len(come) > _PAIRS_MAX
    if is_much and not in_step:
        return []
    ours, theirs = [_weights(line) for line in gone], [_weights(line) for line in come]
    if is_much:
        return [(i, j) for i, j in in_step if _likeness(ours[i], theirs[j]) >= _ALIKE]
    return _best_pairs([[_likeness(a, b) for b in theirs] for a in ours])


def _best_pairs(likeness: list[list[float]]) -> list[tuple[int, int]]:
    """The pairing, rising in both, with the greatest sum of likeness among pairs that are alike enough."""
    rows, columns = len(likeness), len(likeness[0])
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            paired = best[i + 1][j + 1] + likeness[i][j] if likeness[i][j] >= _ALIKE else 0.0
            best[i][j] = max(paired, best[i + 1][j], best[i][j + 1])
    pairs, i, j = [], 0, 0
    while i < rows and j < columns:
        if best[i][j] == best[i + 1][j]:
            i += 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            pairs.append((i, j))
            i, j = i + 1, j + 1
    return pairs


def _weights(line: str) -> Counter[str]:
    """How many characters of the line each of its tokens makes up; blanks count for nothing."""
    weights: Counter[str] = Counter()
    for token in _TOKEN.findall(line):
        if not token.isspace():
            weights[token] += len(token)
    return weights


def _likeness(a: Counter[str], b: Counter[str]) -> float:
    whole = a.total() + b.total()
    return 2 * (a & b).total() / whole if whole else 0.0


def changed_words(old: str, new: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Both lines cut into spans, those marked that the other line does not have."""
    head = common_start(old, new)
    while head and (_inside_word(old, head) or _inside_word(new, head)):
        head -= 1
    tail = common_start(old[head:][::-1], new[head:][::-1])
    while tail and (_inside_word(old, len(old) - tail) or _inside_word(new, len(new) - tail)):
        tail -= 1
    ours = _TOKEN.findall(old[head : len(old) - tail])
    theirs = _TOKEN.findall(new[head : len(new) - tail])
    runs = matches(ours, theirs) if len(ours) + len(theirs) <= _TOKENS_MAX else []
    start, end = [old[:head]], [old[len(old) - tail :]]
    return (
        _marked(start + ours + end, [(0, 1), *((i + 1, n) for i, _, n in runs), (len(ours) + 1, 1)]),
        _marked(start + theirs + end, [(0, 1), *((j + 1, n) for _, j, n in runs), (len(theirs) + 1, 1)]),
    )


def common_start(a: str, b: str) -> int:
    """How many characters both begin with; by halves, for slices compare far faster than characters one by one."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _inside_word(text: str, place: int) -> bool:
    """Whether a cut at `place` would part two characters that belong to one token."""
    return place < len(text) and len(_TOKEN.findall(text[place - 1 : place + 1])) == 1


def _marked(tokens: list[str], common: list[tuple[int, int]]) -> tuple[Span, ...]:
    spans: list[Span] = []
    place = 0
    for start, size in [*common, (len(tokens), 0)]:
        spans += _joined(spans, "".join(tokens[place:start]), changed=True)
        spans += _joined(spans, "".join(tokens[start : start + size]), changed=False)
        place = start + size
    return tuple(spans)


def _joined(spans: list[Span], text: str, *, changed: bool) -> list[Span]:
    """What to append next. Two marks with only blanks between them become one: the last two spans are taken back."""
    if not text:
        return []
    if changed and len(spans) > 1 and spans[-2].changed and spans[-1].text.isspace():
        blank, before = spans.pop(), spans.pop()
        return [Span(before.text + blank.text + text, changed=True)]
    return [Span(text, changed=changed)]
