"""Heads in memory, bounded in bytes, valid exactly at one state of the journal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rainer import limits
from rainer.journal.group import HeadKey, Plan
from rainer.journal.row import Namespace, Row, State

_ENTRY_BYTES = 600
"""What an entry costs beside its texts and payload: row, dict slot and the answer made from it."""


class Head:
    """A head as remembered; `row` is None for a key that never was; `answer` holds what a server made of it."""

    __slots__ = ("answer", "row", "size")

    def __init__(self, row: Row | None) -> None:
        self.row = row
        self.answer: Any = None
        self.size = _ENTRY_BYTES
        if row is not None:
            self.size += 2 * len(row.payload or b"") + 2 * (len(row.author) + len(row.comment) + len(row.key))


class HeadMemory:
    """Belongs to one event loop. When full, what came first goes first."""

    def __init__(self, bytes_max: int = limits.HEAD_MEMORY_BYTES) -> None:
        self.state: State | None = None
        self.namespaces: dict[str, Namespace] = {}
        self.size = 0
        self._bytes_max = bytes_max
        self._heads: dict[HeadKey, Head] = {}

    def __len__(self) -> int:
        return len(self._heads)

    def get(self, key: HeadKey) -> Head | None:
        """The remembered head, or None if it must be read."""
        return self._heads.get(key)

    def put(self, key: HeadKey, row: Row | None) -> Head:
        """Remember a head that holds at `state`, and return it; one larger than a quarter of the bound is not kept."""
        self._drop(key)
        head = Head(row)
        if head.size * 4 <= self._bytes_max:
            self._heads[key] = head
            self.size += head.size
        while self.size > self._bytes_max:
            self._drop(next(iter(self._heads)))
        return head

    def _drop(self, key: HeadKey) -> None:
        old = self._heads.pop(key, None)
        if old is not None:
            self.size -= old.size

    def move(self, state: State, changed: Iterable[HeadKey]) -> None:
        """Go on to a later state of the same history, forgetting what changed on the way."""
        for key in changed:
            self._drop(key)
        self.state = state

    def clear(self, state: State | None) -> None:
        """Forget every head: the history is another one, or too much changed."""
        self._heads.clear()
        self.size = 0
        self.state = state

    def follow(self, plan: Plan) -> bool:
        """Take over a group written by our own committer; False, and nothing done, if others wrote in between."""
        if self.state is None or self.state != plan.before:
            return False
        for key, row in plan.heads.items():
            self.put(key, row)
        self.state = plan.after
        return True
