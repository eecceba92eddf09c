"""The size limit: before a file comes in, the least used ones go."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rainer.cache import forks, locking
from rainer.cache.blobs import Blobs
from rainer.cache.eviction import Eviction
from rainer.cache.failures import log
from rainer.cache.gate import Gate, Usage
from rainer.cache.layout import Layout
from rainer.cache.refs import Refs
from rainer.cache.sweeping import sweep_refs, sweep_temporaries
from rainer.errors import NoSpace

_LOW_WATER: Final = 0.9
"""An eviction goes on to this part of the limit, so that the next one is not due at once."""
_AGAIN_S: Final = 5.0
"""When nothing more could go, so long nobody looks again: what is young lets the limit be passed meanwhile."""
_TURN_S: Final = 2.0
_SPARE: Final = 32
_SPARE_S: Final = 0.1
"""A process that finds much room does not look again for so long, or until it has taken a 32nd of it: to read the count
takes as long as to make a small file."""


class Room:
    """Keeps one cache below its limit. For any number of threads and processes; one of them evicts at a time."""

    def __init__(self, layout: Layout, gate: Gate, blobs: Blobs, refs: Refs, size_bytes_max: int) -> None:
        self._layout = layout
        self._gate = gate
        self._blobs = blobs
        self._refs = refs
        self.size_bytes_max: Final = size_bytes_max
        self._tried_at = float("-inf")
        self._kept = 0
        self._spare, self._spare_until = 0, 0.0

    def make(self, size: int) -> None:
        """See to it that a file of so many bytes finds room. Raises NoSpace, OSError.

        What is young may let the limit be passed for a minute; what is held and pinned may not.
        """
        if self._has(size):
            return
        if size > self.size_bytes_max:
            raise self._no_space(size, "more than the cache may hold in all")
        if self._fits(self._seen(), size):
            return
        if time.monotonic() - self._tried_at < _AGAIN_S and self._kept + size <= self.size_bytes_max:
            return
        with self._one_at_a_time():
            if not self._fits(self._gate.usage(), size):
                self._evict(size)

    def _has(self, size: int) -> bool:
        """Whether there is room without looking: of what was free a moment ago, each process may take a little."""
        if size > self._spare or time.monotonic() > self._spare_until:
            return False
        self._spare -= size  # of two threads at once one may go uncounted, for a moment
        return True

    def _seen(self) -> Usage | None:
        """What is counted now."""
        usage = self._gate.usage()
        self._spare = 0 if usage is None else (self.size_bytes_max - usage.size) // _SPARE
        self._spare_until = time.monotonic() + _SPARE_S
        return usage

    def _fits(self, usage: Usage | None, size: int) -> bool:
        return usage is not None and usage.size + size <= self.size_bytes_max

    def _evict(self, size: int) -> None:
        sweep_temporaries(self._layout, self._gate)
        eviction = Eviction(self._layout, self._gate, self._blobs)
        freed = eviction.run(max(0, int(self.size_bytes_max * _LOW_WATER) - size))
        if freed.removed:
            sweep_refs(self._layout, self._gate, self._refs)
            log().info("evicted %d files of %d bytes from %s", freed.removed, freed.size, self._layout.root)
        if self._fits(freed.left, size):
            self._tried_at = float("-inf")
            return
        eviction.claims.refresh(sweep=False)
        self._tried_at = time.monotonic()
        self._kept = sum(self._blobs.contents(digest).size for digest in eviction.claims.held())
        if self._kept + size > self.size_bytes_max:
            raise self._no_space(size, f"and {self._kept} of them are held or pinned")

    def relieve(self, size: int) -> bool:
        """The disk is full before the limit is reached: let some of the least used go; false if none could."""
        usage = self._gate.usage() or Usage(0, 0)
        wanted = max(size, int(usage.size * (1 - _LOW_WATER)))
        swept, _ = sweep_temporaries(self._layout, self._gate)
        with self._one_at_a_time():
            freed = Eviction(self._layout, self._gate, self._blobs).run(max(0, usage.size - wanted))
        return freed.removed > 0 or swept > 0

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        try:
            number = self._layout.open(f"{self._layout.locks}/evict", os.O_RDWR | os.O_CREAT)
        except OSError as e:
            if e.errno not in locking.NO_LOCK_FILE:
                raise
            yield
            return
        try:
            locking.lock(number, exclusive=True, wait_s=_TURN_S)  # one that is stopped is not waited for
            yield
        finally:
            forks.close_file(number)

    def _no_space(self, size: int, why: str) -> NoSpace:
        return NoSpace(
            f"a file of {size} bytes does not fit into the cache {self._layout.root}, which may hold"
            f" {self.size_bytes_max}: {why}",
            hint="raise the limit (RAINER_CACHE_BYTES_MAX, cache_bytes_max), or let go of what is held",
            limit_bytes=self.size_bytes_max,
        )
