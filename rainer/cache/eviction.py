"""Making room: the least recently used go first, in short batches, and never one that is held, pinned or young."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Final, NamedTuple

from rainer.cache.blobs import Blobs, Contents
from rainer.cache.claims import Claims
from rainer.cache.gate import Gate, Usage
from rainer.cache.layout import Layout

YOUNG_S: Final = 60.0
"""What was used so short a time ago stays: somebody was given its path and may not have opened it yet."""
AHEAD_S: Final = 60.0
"""What was used later than this from now was used under a clock that has been set back: nobody knows when."""
_BATCH: Final = 100
_THREADS: Final = 4
_FEW: Final = 12
_WRONG_BY: Final = 0.01
_WRONG_FILES: Final = 16


class Used(NamedTuple):
    """A blob and when it was last used, sorted as they are to go."""

    is_known: bool
    used_at: float
    sha256: str


class Freed(NamedTuple):
    """What an eviction brought: blobs and bytes removed, and what is left."""

    removed: int
    size: int
    left: Usage


class Eviction:
    """One run over a cache; `dry_run` only finds out what would go."""

    def __init__(self, layout: Layout, gate: Gate, blobs: Blobs, *, dry_run: bool = False) -> None:
        self._layout = layout
        self._gate = gate
        self._blobs = blobs
        self._dry_run = dry_run
        self._removed = self._freed = 0
        self.claims: Final = Claims(layout)

    def run(self, size_max: int, *, recount: bool = False) -> Freed:
        """Remove until at most `size_max` bytes are left, or nothing more may go.

        First what no living process was given, then what one was; of each the least recently used. Raises OSError.
        """
        now = time.time()
        used = sorted(self._used(now))
        usage = self._usage(used, recount)
        handed: list[Used] = []
        self._remove(used, usage.size - size_max, now, aside=handed)
        self._remove(handed, usage.size - size_max, now, aside=None)
        return Freed(self._removed, self._freed, Usage(usage.files - self._removed, usage.size - self._freed))

    def _used(self, now: float) -> Iterable[Used]:
        for entry in self._layout.blob_folders():
            try:
                at = entry.stat(follow_symlinks=False).st_mtime
            except FileNotFoundError:
                continue
            yield Used(at <= now + AHEAD_S, at, entry.name)

    def _usage(self, used: list[Used], recount: bool) -> Usage:
        """What is there: as counted, if the number of files proves the count, else by looking at each."""
        counted = self._gate.usage()
        if counted is not None and not recount:
            wrong = abs(counted.files - len(used))
            if wrong <= _WRONG_FILES or wrong <= _WRONG_BY * len(used):
                return counted
        usage = Usage(len(used), sum(self._blobs.contents(one.sha256).size for one in used))
        if not self._dry_run:
            with self._gate.exclusive() as gate:
                if gate.number is not None:
                    self._gate.recount(gate.number, usage)
        return usage

    def _remove(self, used: list[Used], surplus: int, now: float, *, aside: list[Used] | None) -> None:
        for start in range(0, len(used), _BATCH):
            if self._freed >= surplus:
                return
            with self._gate.exclusive() as gate:
                self.claims.refresh(sweep=not self._dry_run)
                chosen = []
                for one in used[start : start + _BATCH]:
                    if self._freed >= surplus:
                        break
                    if self._may_go(one, now, aside):
                        chosen.append(self._blobs.contents(one.sha256))
                        self._removed += 1
                        self._freed += chosen[-1].size
                if not self._dry_run:
                    self._discard(chosen)
                    self._gate.count(gate.number, b"".join(b"-%d\n" % contents.size for contents in chosen))

    def _discard(self, chosen: list[Contents]) -> None:
        """Remove some blobs, by several threads: most of the time goes into waiting for the file system's journal."""
        if len(chosen) < _FEW:
            self._discard_some(chosen)
            return
        from concurrent.futures import ThreadPoolExecutor  # few evict

        shares = [chosen[n::_THREADS] for n in range(_THREADS)]
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="rainer-cache-evict") as pool:
            for done in [pool.submit(self._discard_some, share) for share in shares]:
                done.result()

    def _discard_some(self, chosen: list[Contents]) -> None:
        for contents in chosen:
            self._blobs.discard(contents)

    def _may_go(self, one: Used, now: float, aside: list[Used] | None) -> bool:
        if one.is_known and now - one.used_at < YOUNG_S:
            return False
        if self.claims.is_held(one.sha256) or self._used_since(one):
            return False
        if aside is not None and self.claims.is_handed(one.sha256):
            aside.append(one)
            return False
        return True

    def _used_since(self, one: Used) -> bool:
        try:
            return os.stat(self._layout.blob_folder(one.sha256)).st_mtime != one.used_at  # noqa: PTH116
        except FileNotFoundError:
            return True
