"""Lists as they were sent, remembered in pieces, so that a list that is asked for again is not read again.

A remembered list divides all keys into ranges. Of each range there is a compressed piece of JSON, or nothing until
somebody has read it. What it holds is right at one state of the journal; going on to a later one leaves nothing of the
ranges in which keys changed, and all the others as they are.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

import zstandard

from rainer import limits
from rainer.api.answers import MetaForm
from rainer.journal.reads import PORTION
from rainer.journal.row import State

ListKey: TypeAlias = tuple[str, bool, MetaForm]
"""A list without prefix, page or past moment: its namespace, whether removed keys are in it, and its form."""
Part: TypeAlias = tuple[bytes, str | None]
"""The inside of a JSON object, and the key after which the list goes on: None at its end."""

_LIST_BYTES: Final = 1_000
_PIECE_BYTES: Final = 500
"""What a list and each of its pieces cost beside what is compressed."""
_LEVEL: Final = 1
"""Of zstd: at its quickest it leaves a tenth of real lists, and takes less time than the sending."""


def compress(raw: bytes) -> bytes:
    """What `decompress` takes; runs without Python's lock."""
    if not raw:
        return b""
    # The copy is in as much memory as it needs; the compressor's result keeps its buffer of the size of `raw` apart.
    return bytes(memoryview(zstandard.ZstdCompressor(level=_LEVEL).compress(raw)))


def decompress(data: bytes) -> bytes:
    """What was compressed; runs without Python's lock."""
    return zstandard.ZstdDecompressor().decompress(data) if data else b""


class Piece(NamedTuple):
    """Compressed JSON of the heads of a range, right from revision `since` up to its list's state."""

    data: bytes
    since: int

    @property
    def size(self) -> int:
        return len(self.data) + _PIECE_BYTES


class RememberedList:
    """Belongs to one event loop. `flights` are the reads under way, by where they begin and at which revision.

    Its state only moves along one history, by who holds `lock`. Once forgotten it holds nothing any more, and readers
    who are in the middle of it read on from the database.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.size = _LIST_BYTES
        self.is_forgotten = False
        self.lock = asyncio.Lock()
        self.flights: dict[tuple[str, int], asyncio.Task[Part]] = {}
        # Range i is of the keys after starts[i] up to and with starts[i + 1]; the last one has no end.
        self._starts = [""]
        self._pieces: list[Piece | None] = [None]

    def __len__(self) -> int:
        """How many ranges there are."""
        return len(self._starts)

    def find(self, after: str, revision: int) -> tuple[Piece, str | None] | None:
        """The piece that begins after a key and was right at a revision of this list's past, and where it ends."""
        place = bisect_left(self._starts, after)
        piece = self._pieces[place] if self._begins(place, after) else None
        if piece is None or piece.since > revision:
            return None
        return piece, self._end(place)

    def upto(self, after: str) -> str | None:
        """Where the range ends in which the keys after this one are: None for the last."""
        return self._end(bisect_right(self._starts, after) - 1)

    def move(self, state: State, changed: Iterable[str]) -> None:
        """Go on to a later state of the same history, leaving nothing of ranges with changed keys."""
        for key in changed:
            self._set(bisect_left(self._starts, key) - 1, None)
        self.state = state

    def keep(self, state: State, after: str, end: str | None, data: bytes) -> None:
        """Take over what was read of the keys after one up to another, unless the ranges have changed meanwhile."""
        place = bisect_left(self._starts, after)
        if self.is_forgotten or state != self.state or not self._begins(place, after) or self._pieces[place]:
            return
        old_end = self._end(place)
        if end != old_end:
            if end is None or (old_end is not None and end > old_end):
                return
            self._starts.insert(place + 1, end)
            self._pieces.insert(place + 1, None)
        if data or not self._merge_into_neighbour(place):
            self._set(place, Piece(data, state.revision))

    def forget(self) -> None:
        """Hold nothing from now on."""
        self.is_forgotten = True
        self._starts, self._pieces, self.size = [""], [None], 0

    def _begins(self, place: int, after: str) -> bool:
        return place < len(self._starts) and self._starts[place] == after

    def _end(self, place: int) -> str | None:
        return self._starts[place + 1] if place + 1 < len(self._starts) else None

    def _set(self, place: int, piece: Piece | None) -> None:
        old = self._pieces[place]
        self.size += (piece.size if piece else 0) - (old.size if old else 0)
        self._pieces[place] = piece

    def _merge_into_neighbour(self, empty: int) -> bool:
        """Let the piece beside an empty range stand for both; False where there is none."""
        neighbour = empty - 1 if empty else 1
        piece = self._pieces[neighbour] if neighbour < len(self._pieces) else None
        if piece is None:
            return False
        self._set(neighbour, piece._replace(since=self.state.revision))
        del self._pieces[empty], self._starts[max(empty, 1)]
        return True


class ListMemory:
    """Belongs to one event loop. When full, the list goes that was not asked for the longest.

    A list takes at most half of the bound; of a larger one the beginning is remembered. `portion` is how many heads are
    read at once.
    """

    def __init__(self, bytes_max: int = limits.LIST_MEMORY_BYTES, portion: int = PORTION) -> None:
        self.portion = portion
        self.size = 0
        self._bytes_max = bytes_max
        self._lists: dict[ListKey, RememberedList] = {}

    def get(self, key: ListKey) -> RememberedList | None:
        """The list, which from now on is the one asked for last."""
        found = self._lists.pop(key, None)
        if found is not None:
            self._lists[key] = found
        return found

    def begin(self, key: ListKey, state: State) -> RememberedList:
        """A list of which nothing is known at this state yet, in place of any other."""
        self._forget(key)
        self._lists[key] = begun = RememberedList(state)
        self.size += begun.size
        self._shrink(begun)
        return begun

    def move(self, moved: RememberedList, state: State, changed: Iterable[str]) -> None:
        """Let a list go on to a later state of the same history."""
        before = moved.size
        moved.move(state, changed)
        self.size += moved.size - before

    def keep(self, kept: RememberedList, state: State, after: str, end: str | None, data: bytes) -> None:
        """Remember a piece of a list if there is room, at the cost of lists that were not asked for so long."""
        before = kept.size
        if before + len(data) + _PIECE_BYTES <= self._bytes_max // 2:
            kept.keep(state, after, end, data)
            self.size += kept.size - before
            self._shrink(kept)

    def _shrink(self, spared: RememberedList) -> None:
        """Forget others, beginning with who was not asked for the longest, until the rest is within the bound."""
        while self.size > self._bytes_max:
            key = next((key for key, found in self._lists.items() if found is not spared), None)
            if key is None:
                return
            self._forget(key)

    def _forget(self, key: ListKey) -> None:
        old = self._lists.pop(key, None)
        if old is not None:
            self.size -= old.size
            old.forget()
