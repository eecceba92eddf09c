"""The lock between those who use files of the cache and those who remove them, and the counted size that it guards."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from rainer.cache import forks, locking
from rainer.cache.layout import Layout

WAIT_S: Final = 5.0
"""So long a stopped process can keep others waiting; then they go on without the lock, see DESIGN.md."""
LINES_MAX: Final = 64
"""So many changes are noted before their sum is."""


class Usage(NamedTuple):
    """How many blobs there are and how many bytes they take, by the count of those who added and removed them."""

    files: int
    size: int


class Alone(NamedTuple):
    """The gate, to oneself unless somebody has kept it for too long; `number` is None where it cannot be opened."""

    number: int | None
    is_alone: bool


class Gate:
    """gc.lock: taken by many at once to use and add files, by one alone to remove them. For any number of threads.

    The file holds `files bytes` and a line `+bytes` or `-bytes` for each blob added or removed since, so that no
    scan is needed to know when to evict. It is a guess: a scan that finds another number of files sets it right.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    @contextmanager
    def shared(self) -> Iterator[int | None]:
        """Held while files are found, leased and added; yields the lock file, or None where there can be none."""
        number = self._open()
        try:
            if number is not None:
                locking.lock(number, exclusive=False, wait_s=WAIT_S)
            yield number
        finally:
            if number is not None:
                forks.close_file(number)

    @contextmanager
    def exclusive(self) -> Iterator[Alone]:
        """Held while files are removed, for some milliseconds at a time."""
        number = self._open()
        try:
            yield Alone(number, number is not None and locking.lock(number, exclusive=True, wait_s=WAIT_S))
        finally:
            if number is not None:
                forks.close_file(number)

    def _open(self) -> int | None:
        try:
            return self._layout.open(self._layout.gate, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        except OSError as e:
            if e.errno in locking.NO_LOCK_FILE:
                return None
            raise

    def usage(self) -> Usage | None:
        """What is counted; None if nobody has counted yet, or the count is damaged. Not to be called with it held."""
        with self.shared() as number:
            usage, records = self.read(number)
        if records >= LINES_MAX:
            self._shorten()
        return usage

    def read(self, number: int | None) -> tuple[Usage | None, int]:
        """What is counted, with the gate held, and by how many lines."""
        data = b"" if number is None else os.pread(number, 1 << 20, 0)
        head, _, tail = data.partition(b"\n")
        try:
            files, size = map(int, head.split())
            changes = [int(line) for line in tail.split()]
        except ValueError:
            return None, 0
        return Usage(files + tail.count(b"+") - tail.count(b"-"), size + sum(changes)), len(changes)

    def _shorten(self) -> None:
        """Write the sum in the place of the lines, unless the gate is in use just now."""
        number = self._open()
        if number is None:
            return
        try:
            if locking.try_lock(number, exclusive=True):
                usage, _ = self.read(number)
                if usage is not None:
                    self.recount(number, usage)
        finally:
            forks.close_file(number)

    def count(self, number: int | None, line: bytes) -> None:
        """Note what was added or removed, such as `+123`; one write, which others' do not mix with."""
        if number is not None:
            os.write(number, line)

    def recount(self, number: int, usage: Usage) -> None:
        """Set what is counted. To be called with the gate held alone. On a full disk it may be lost, and is made anew
        by the next who wants it: who makes room must not fail at that."""
        os.ftruncate(number, 0)
        with contextlib.suppress(OSError):
            os.write(number, b"%d %d\n" % usage)
