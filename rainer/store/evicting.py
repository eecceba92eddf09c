"""Keeps local copies under a size: what was used least recently goes first.

filetracker 2.3.3 (scripts/cachecleaner.py) goes by modification time, which is the file's version: there an old file
that everybody uses is the first to go.
"""

from __future__ import annotations

from dataclasses import dataclass

from rainer.errors import InvalidError
from rainer.store.client_files import FileEntry, LocalFiles

_SHARE = 10


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What a cleaning did: files removed, bytes freed, and what is left."""

    removed: int
    freed_bytes: int
    kept: int
    kept_bytes: int


class Evictor:
    """Cleans the copies of one client: when told to, and as they grow if `size_bytes_max` is given."""

    def __init__(self, local: LocalFiles | None, size_bytes_max: int | None) -> None:
        self._local = local
        self._size_bytes_max = None if size_bytes_max is None else _check(size_bytes_max)
        self._added_bytes: int | None = None

    def added(self, entry: FileEntry) -> None:
        """A copy was made: clean after the first, and whenever a tenth of the limit has come since."""
        if self._size_bytes_max is None:
            return
        first = self._added_bytes is None
        self._added_bytes = (self._added_bytes or 0) + (entry.size or 0)
        if first or self._added_bytes > self._size_bytes_max // _SHARE:
            self._added_bytes = 0
            self.clean(self._size_bytes_max)

    def clean(self, size_bytes_max: int, keep_percent: float = 100.0) -> Cleaned:
        """Remove what was used least recently, of equals the larger first, if all is larger than the limit."""
        _check(size_bytes_max)
        if not 0 <= keep_percent <= 100:
            raise InvalidError(f"keep_percent {keep_percent!r} is not between 0 and 100")
        if self._local is None:
            return Cleaned(0, 0, 0, 0)
        freed = self._local.sweep()
        found = sorted(self._local.entries(), key=lambda entry: (entry.used_at or 0.0, -(entry.size or 0)))
        total = sum(entry.size or 0 for entry in found)
        goal = size_bytes_max * keep_percent / 100 if total > size_bytes_max else total
        removed = 0
        for entry in found:
            if total <= goal:
                break
            if self._local.remove_unused(entry):
                removed += 1
                total -= entry.size or 0
                freed += entry.size or 0
        return Cleaned(removed, freed, len(found) - removed, total)


def _check(size_bytes_max: int) -> int:
    if size_bytes_max < 0:
        raise InvalidError(f"size_bytes_max {size_bytes_max} is below 0")
    return size_bytes_max
