"""Which elements two sequences have in common, in order: the ground under differences and merges.

Elements that occur once in each sequence are matched first, for they are what a reader recognises ("patience"); what
lies between them goes to difflib while it is small. What is large and repetitive, where difflib takes minutes, is
matched by counting occurrences. So the time is about linear and no input, however odd, makes it quadratic.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

_SMALL: Final = 200_000
"""Pairs of equal elements above which difflib is not asked; it looks at all of them, more than once."""
_ROUNDS_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Change:
    """old[old_start:old_end] became new[new_start:new_end]; one of the two may be nothing."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int


@dataclass(frozen=True, slots=True)
class _Gap:
    """A part of both sequences that is still to be compared."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int
    round: int


def changes(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Change]:
    """What turns `old` into `new`, in order; between two changes at least one element is common to both."""
    found = []
    i = j = 0
    for start, other, size in matches(old, new):
        if start > i or other > j:
            found.append(Change(i, start, j, other))
        i, j = start + size, other + size
    if i < len(old) or j < len(new):
        found.append(Change(i, len(old), j, len(new)))
    return found


def matches(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[tuple[int, int, int]]:
    """Runs (i, j, size), in order and apart, with old[i:i+size] equal to new[j:j+size]."""
    found: list[tuple[int, int, int]] = []
    gaps = [_Gap(0, len(old), 0, len(new), 0)]
    while gaps:
        gap, runs = _trim(old, new, gaps.pop())
        found += runs
        if gap.old_start == gap.old_end or gap.new_start == gap.new_end:
            continue
        anchors, again = _anchors(old, new, gap)
        found += anchors
        if again:
            gaps += _between(gap, anchors)
    found.sort()
    return _joined(found)


def _trim(old: Sequence[Hashable], new: Sequence[Hashable], gap: _Gap) -> tuple[_Gap, list[tuple[int, int, int]]]:
    """Match what both parts begin and end with; return the rest and the runs found."""
    i, j, shorter = gap.old_start, gap.new_start, min(gap.old_end - gap.old_start, gap.new_end - gap.new_start)
    head = 0
    while head < shorter and old[i + head] == new[j + head]:
        head += 1
    tail = 0
    while tail < shorter - head and old[gap.old_end - 1 - tail] == new[gap.new_end - 1 - tail]:
        tail += 1
    runs = [(i, j, head)] if head else []
    if tail:
        runs.append((gap.old_end - tail, gap.new_end - tail, tail))
    return _Gap(i + head, gap.old_end - tail, j + head, gap.new_end - tail, gap.round), runs


def _anchors(old: Sequence[Hashable], new: Sequence[Hashable], gap: _Gap) -> tuple[list[tuple[int, int, int]], bool]:
    """Some matches inside the gap, and whether what lies between them is worth another look."""
    ours = Counter(old[gap.old_start : gap.old_end])
    theirs = Counter(new[gap.new_start : gap.new_end])
    common = ours.keys() & theirs.keys()
    if not common:
        return [], False
    unique = {element for element in common if ours[element] == theirs[element] == 1}
    if unique and gap.round < _ROUNDS_MAX:
        pairs = _pair_occurrences(old, new, gap, unique)
        return [(i, j, 1) for i, j in _longest_rising(pairs)], True
    if sum(ours[element] * theirs[element] for element in common) <= _SMALL:
        matcher = SequenceMatcher(
            None, old[gap.old_start : gap.old_end], new[gap.new_start : gap.new_end], autojunk=False
        )
        return [(gap.old_start + i, gap.new_start + j, n) for i, j, n in matcher.get_matching_blocks() if n], False
    pairs = _pair_occurrences(old, new, gap, common)
    return [(i, j, 1) for i, j in _longest_rising(pairs)], gap.round < _ROUNDS_MAX


def _pair_occurrences(
    old: Sequence[Hashable], new: Sequence[Hashable], gap: _Gap, wanted: set[Hashable]
) -> list[tuple[int, int]]:
    """The n-th occurrence of each wanted element in `old` with the n-th in `new`, in the order of `old`."""
    places: defaultdict[Hashable, list[int]] = defaultdict(list)
    for j in range(gap.new_end - 1, gap.new_start - 1, -1):
        if new[j] in wanted:
            places[new[j]].append(j)
    return [(i, places[old[i]].pop()) for i in range(gap.old_start, gap.old_end) if old[i] in wanted and places[old[i]]]


def _longest_rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest part of `pairs` (rising in its first member) that rises in its second member too."""
    last: list[int] = []
    at: list[int] = []
    before: list[int] = []
    for n, (_, j) in enumerate(pairs):
        length = bisect_left(last, j)
        if length == len(last):
            last.append(j)
            at.append(n)
        else:
            last[length], at[length] = j, n
        before.append(at[length - 1] if length else -1)
    chain = []
    n = at[-1] if at else -1
    while n >= 0:
        chain.append(pairs[n])
        n = before[n]
    chain.reverse()
    return chain


def _between(gap: _Gap, anchors: list[tuple[int, int, int]]) -> Iterator[_Gap]:
    i, j = gap.old_start, gap.new_start
    for start, other, size in anchors:
        yield _Gap(i, start, j, other, gap.round + 1)
        i, j = start + size, other + size
    yield _Gap(i, gap.old_end, j, gap.new_end, gap.round + 1)


def _joined(runs: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    joined: list[tuple[int, int, int]] = []
    for i, j, size in runs:
        if joined and joined[-1][0] + joined[-1][2] == i and joined[-1][1] + joined[-1][2] == j:
            joined[-1] = (joined[-1][0], joined[-1][1], joined[-1][2] + size)
        else:
            joined.append((i, j, size))
    return joined
