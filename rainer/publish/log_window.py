"""The batches that a tree's log keeps, and which of them go."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

KEEP_BATCHES: Final = 1_000
KEEP_BYTES: Final = 32 * 1024 * 1024
KEEP_YOUNG_BYTES: Final = 128 * 1024 * 1024
"""Within this, what mirrors may be about to read is kept, however much it is."""
_YOUNG_S: Final = 30.0
_TRIMMED_AT_ONCE: Final = 8


class _Kept(NamedTuple):
    n: int
    size: int
    written: float


class LogWindow:
    """Numbers and sizes of the log's nodes, oldest first; 0 bytes for those that somebody else wrote."""

    def __init__(self) -> None:
        self._batches: deque[_Kept] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._batches)

    def add(self, n: int, size: int) -> None:
        """A batch was written."""
        self._batches.append(_Kept(n, size, time.monotonic()))
        self._bytes += size

    def keep(self, numbers: Iterable[int]) -> None:
        """These are the batches that there are."""
        known = {kept.n: kept for kept in self._batches}
        self._take(known.get(n, _Kept(n, 0, 0.0)) for n in numbers)

    def unmeasured(self) -> list[int]:
        """Batches whose size is not known."""
        return [kept.n for kept in self._batches if not kept.size]

    def measure(self, sizes: dict[int, int]) -> None:
        """Take note of how large batches are that somebody else wrote."""
        self._take([kept._replace(size=kept.size or sizes.get(kept.n, 0)) for kept in self._batches])

    def _take(self, batches: Iterable[_Kept]) -> None:
        self._batches = deque(batches)
        self._bytes = sum(kept.size for kept in self._batches)

    def surplus(self, upto: int) -> list[int]:
        """The oldest batches, none above `upto`, that are more than the log keeps; some at a time, gone at once."""
        found: list[int] = []
        now = time.monotonic()
        while self._batches and len(found) < _TRIMMED_AT_ONCE and self._batches[0].n <= upto:
            room = KEEP_YOUNG_BYTES if now - self._batches[0].written < _YOUNG_S else KEEP_BYTES
            if len(self._batches) <= KEEP_BATCHES and self._bytes <= room:
                break
            oldest = self._batches.popleft()
            self._bytes -= oldest.size
            found.append(oldest.n)
        return found
