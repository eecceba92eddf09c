"""Commits on their way into a tree: the journal's rows as packed heads, and how many of them one write may carry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Final, Protocol

from rainer.model.packed import RECORD_BYTES, Kind, PackedHead
from rainer.model.position import Position
from rainer.model.serialization import pack

WRITE_BYTES: Final = 250_000
"""What one multi is filled to. A server keeps its last 500 writes in memory: of 700 kB each, a heap of 512 MB dies."""
LARGE_BYTES: Final = 950_000
"""A commit of more bytes is kept in pieces; up to here its data node carries it, and every JVM reader sees it."""
_OPERATION_BYTES: Final = 120
"""What an operation takes beside its path and data: headers, lengths, the ACL of what is created."""


class HeadLike(Protocol):
    """What a row of the journal and a row of a list have in common."""

    @property
    def key(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def author(self) -> str: ...
    @property
    def comment(self) -> str: ...
    @property
    def mtime_ms(self) -> int: ...
    @property
    def is_empty(self) -> bool: ...
    @property
    def revision(self) -> int: ...
    @property
    def payload(self) -> bytes | None: ...


class ChangeLike(HeadLike, Protocol):
    """A row of the journal."""

    @property
    def changeset(self) -> int: ...
    @property
    def hash(self) -> bytes: ...


def packed(row: HeadLike) -> PackedHead:
    """A commit as a head; never PARTS, however large."""
    is_empty = bool(row.is_empty)
    data = pack(row.key, row.version, row.author, row.comment, row.mtime_ms, is_empty, row.payload or b"")
    return PackedHead(row.key, row.version, row.revision, Kind.REMOVED if is_empty else Kind.HEAD, data)


def invented(key: str) -> PackedHead:
    """What is said of a key that somebody made by hand and the journal never had."""
    return PackedHead(key, 0, 0, Kind.REMOVED, b"")


@dataclass(slots=True)
class Bundle:
    """Whole changesets that become visible at once, the newest commit of each key, and the journal's position after."""

    heads: dict[str, PackedHead]
    position: Position
    size: int
    repair: bool = False

    @property
    def records(self) -> list[PackedHead]:
        return list(self.heads.values())


class Sizes:
    """What heads take in requests; paths count, so a tree has its own."""

    def __init__(self, root: str) -> None:
        self._path = len(root.encode()) + len("/large//") + _OPERATION_BYTES

    def record(self, head: PackedHead) -> int:
        """In a batch."""
        return RECORD_BYTES + len(head.data) + 4 * len(head.key)

    def node(self, head: PackedHead) -> int:
        """As a data node that is written."""
        return self._path + len(head.data) + 4 * len(head.key)

    def both(self, head: PackedHead) -> int:
        return self.record(head) + self.node(head)


def bundles(
    rows: Iterable[ChangeLike], end: Position, ready: Callable[[PackedHead], PackedHead | None], sizes: Sizes
) -> Iterator[Bundle]:
    """Changesets in journal order, as many together as one write carries, and a larger one alone.

    `ready` puts a large commit's pieces in place, or returns None for what cannot be published. The last bundle stands
    at `end`, the ones before it at their last commit.
    """
    bundle = Bundle({}, end, 0)
    for _, group in groupby(rows, attrgetter("changeset")):
        changeset = list(group)
        heads = [head for head in map(ready, map(packed, changeset)) if head is not None]
        size = sum(map(sizes.both, heads))
        if bundle.heads and bundle.size + size > WRITE_BYTES:
            yield bundle
            bundle = Bundle({}, end, 0)
        for head in heads:
            bundle.heads.pop(head.key, None)  # so that the order is that of the newest commits
            bundle.heads[head.key] = head
        bundle.size += size
        bundle.position = Position(end.lineage, changeset[-1].revision, changeset[-1].hash)
    if bundle.heads:
        bundle.position = end
        yield bundle


def pieces(heads: Sequence[PackedHead], size_of: Callable[[PackedHead], int]) -> list[list[PackedHead]]:
    """The heads in order, in runs that a write carries; at least one head each."""
    runs: list[list[PackedHead]] = []
    room = 0
    for head in heads:
        size = size_of(head)
        if not runs or size > room:
            runs.append([])
            room = WRITE_BYTES
        runs[-1].append(head)
        room -= size
    return runs
