"""The heads of a mirror at a few moments, in the order of lists, so that a list in pages is of one moment."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from rainer.model.commit import Commit
from rainer.model.key_set import KeySet
from rainer.model.position import Position
from rainer.service.recent import Recent

_KEPT: Final = 3
_TRIES: Final = 3


class Heads(Protocol):
    """What is needed of a mirror."""

    @property
    def position(self) -> Position | None: ...

    def snapshot(self) -> Mapping[str, Commit]: ...


@dataclass(frozen=True, slots=True)
class Pinned:
    """Non-empty heads in byte order of their keys, and where the mirror stood; None where that is not told."""

    position: Position | None
    load: int
    keys: list[str]
    commits: list[Commit]

    def only(self, readable: KeySet) -> Pinned:
        """The same, of the keys that somebody may read."""
        if readable.is_all:
            return self
        commits = [commit for commit in self.commits if commit.key in readable]
        return Pinned(self.position, self.load, [commit.key for commit in commits], commits)

    def portion(self, prefix: str, after: str, count: int) -> list[Commit]:
        """The next heads whose keys begin so and come after another."""
        begin = max(bisect_left(self.keys, prefix), bisect_right(self.keys, after) if after else 0)
        some = self.commits[begin : begin + count]
        return [commit for commit in some if commit.key.startswith(prefix)] if prefix else some


class Pins:
    """Thread-safe. Remembers the last three moments that were asked for."""

    def __init__(self, heads: Heads, recent: Recent) -> None:
        self._heads, self._recent = heads, recent
        self._lock = threading.Lock()
        self._kept: deque[Pinned] = deque(maxlen=_KEPT)

    def now(self) -> Pinned:
        """The heads of this moment; waits while they are put in order."""
        with self._lock:
            now = self._heads.position, self._recent.loads
            if now[0] is not None and self._kept and (self._kept[-1].position, self._kept[-1].load) == now:
                return self._kept[-1]
            pinned = self._take()
            if pinned.position is not None:
                self._kept.append(pinned)
            return pinned

    def at(self, revision: int) -> Pinned | None:
        """The heads of a moment that is remembered, or is now; None for any other."""
        now = self._heads.position
        if now is not None and now.revision == revision:
            return self.now()
        return next((p for p in reversed(self._kept) if p.position and p.position.revision == revision), None)

    def _take(self) -> Pinned:
        position, load = self._heads.position, self._recent.loads
        for _ in range(_TRIES):
            heads = self._heads.snapshot()
            then, position = position, self._heads.position
            if then == position:
                break
        else:
            # Under constant change the heads may be a little newer than what is said of them: whole changesets all the
            # same, which who goes on from here is told once more.
            position = then
        keys = sorted(heads)  # of the BMP and without surrogates: as text and as UTF-8 their order is the same
        return Pinned(position, load, keys, [heads[key] for key in keys])
