"""The lock between those who use files of the cache and those who remove them, and the counted size that it guards."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, NamedTuple

from rainer.cache import forks, locking
from rainer.cache.layout import Layout

WAIT_S: Final = 5.0
"""So long a stopped process can keep others waiting; then they go on without the lock, see DESIGN.md."""
LINES_MAX: Final = 256
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
        self._shared = _Shared(self)

    def after_fork_in_child(self) -> None:
        """The parent's lock is the parent's."""
        self._shared = _Shared(self)

    def close(self) -> None:
        """Let go of the open file, which is opened again when it is wanted."""
        self._shared.forget()

    def shared(self) -> _Shared:
        """Held (by `with`) while files are found, leased and added; gives the lock file, or None where there can be
        none."""
        return self._shared

    @contextmanager
    def exclusive(self) -> Iterator[Alone]:
        """Held while files are removed, for some milliseconds at a time."""
        number = self.open()
        try:
            yield Alone(number, number is not None and locking.lock(number, exclusive=True, wait_s=WAIT_S))
        finally:
            if number is not None:
                forks.close_file(number)

    def open(self) -> int | None:
        """The lock file; None where there can be none."""
        try:
            return self._layout.open(self._layout.gate, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        except OSError as e:
            if e.errno in locking.NO_LOCK_FILE:
                return None
            raise

    def is_at_its_place(self, number: int) -> bool:
        """Whether an open lock file is the one that others would open, and was not removed with the whole cache."""
        try:
            there = os.stat(self._layout.gate)  # noqa: PTH116 - on the way of every file
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(number))

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
        number = self.open()
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


class _Shared:
    """The gate as the threads of one process share it: one open file, locked by the first of them who comes and let go
    by the last. To open and close it for each would take as long as all else that is done with it in hand."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._mutex = threading.Lock()
        self._inside = 0
        self._number: int | None = None
        self._closing: weakref.finalize[[int, int], _Shared] | None = None

    def __enter__(self) -> int | None:
        with self._mutex:
            if not self._inside:
                try:
                    self._take()
                except BaseException:  # such as ^C while it waited
                    self._close()
                    raise
            self._inside += 1
            return self._number

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._mutex:
            self._inside -= 1
            if not self._inside and self._number is not None:
                locking.unlock(self._number)

    def forget(self) -> None:
        """Close the file, unless somebody is inside just now."""
        with self._mutex:
            if not self._inside:
                self._close()

    def _take(self) -> None:
        if self._number is not None and not self._gate.is_at_its_place(self._number):
            self._close()
        if self._number is None:
            number = self._number = self._gate.open()
            if number is not None:
                self._closing = weakref.finalize(self, _close, number, os.getpid())
        if self._number is not None:
            locking.lock(self._number, exclusive=False, wait_s=WAIT_S)

    def _close(self) -> None:
        self._number = None
        if self._closing is not None:
            self._closing()


def _close(number: int, pid: int) -> None:
    if os.getpid() == pid:  # else it is the parent's, and closed here already
        forks.close_file(number)
