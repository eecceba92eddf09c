"""A large object in ranges side by side, into one file, hashed in order, with no more memory than a buffer a thread."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from typing import Final

from rainer.errors import StoreUnavailable
from rainer.limits import MiB
from rainer.store.disk import write_at
from rainer.store.source import Source, buffer
from rainer.store.store import Progress, Reading, shown

RANGE_BYTES: Final = 16 * MiB
_HELPERS: Final = 3
"""Threads beside the caller's that fetch for one file …"""
_HELPERS_IN_PROCESS: Final = 6
"""… and for all files of a process together: who fetches many files has threads enough."""

_free_helpers = threading.BoundedSemaphore(_HELPERS_IN_PROCESS)


def _renew() -> None:
    global _free_helpers
    _free_helpers = threading.BoundedSemaphore(_HELPERS_IN_PROCESS)


os.register_at_fork(after_in_child=_renew)


def fetch_ranges(source: Source, first: Reading, fd: int, size: int, tell: Progress) -> str:
    """Fetch all of an object into a file that is open for reading and writing; its SHA-256.

    The caller's thread goes through the file in order. Ranges that nobody has begun it fetches itself and hashes as
    they pass; those that helpers fetched it reads back, fresh from the system's memory. So what waits lies in the file
    and never in ours.
    """
    work = _Work(source, fd, size, tell)
    helpers = [threading.Thread(target=work.help, name=f"fetch-range-{n}", daemon=True) for n in range(_HELPERS)]
    begun: list[threading.Thread] = []
    semaphore = _free_helpers
    try:
        work.begin(first)
        for helper in helpers:
            if not semaphore.acquire(blocking=False):
                break
            try:
                helper.start()
            except RuntimeError:  # no more threads: fewer fetch, or the caller's alone
                semaphore.release()
                break
            begun.append(helper)
        return work.go_through()
    finally:
        work.stop()
        for helper in begun:
            helper.join()
            semaphore.release()


class _StoppedError(Exception):
    """Another range failed: this one is not wanted any more."""


class _Work:
    """The ranges of one object: who has begun which, and how far each has come."""

    def __init__(self, source: Source, fd: int, size: int, tell: Progress) -> None:
        self._source, self._fd, self._size = source, fd, size
        self._tell = tell
        self._moved = threading.Condition()
        self._count = -(-size // RANGE_BYTES)
        self._next = 0
        self._reached: dict[int, int] = {}
        self._error: BaseException | None = None
        self._stopped = False
        self._first: Reading | None = None

    def begin(self, first: Reading) -> None:
        """The caller's thread has the first range, and an answer for it already."""
        self._first, self._next = first, 1

    def stop(self) -> None:
        with self._moved:
            self._stopped = True

    def go_through(self) -> str:
        """Fetch or await every range in order, hashing; on the caller's thread."""
        digest = hashlib.sha256()

        def take(portion: memoryview, at: int) -> None:
            digest.update(portion)
            self._keep(portion, at)

        for number in range(self._count):
            start, end = self._bounds(number)
            if number == 0 or self._claim(number):
                self._source.stream(self._first, start, end, take)
                self._first = None
            else:
                self._read_back(number, start, end, digest.update)
        return digest.hexdigest()

    def help(self) -> None:
        """Fetch whatever is next until nothing is left; on a helper's thread."""
        try:
            while (number := self._claim_next()) is not None:
                start, end = self._bounds(number)

                def take(portion: memoryview, at: int, number: int = number) -> None:
                    self._keep(portion, at)
                    self._reach(number, at + len(portion))

                self._source.stream(None, start, end, take)
        except BaseException as e:
            with self._moved:
                self._error = self._error or e
                self._moved.notify_all()

    def _bounds(self, number: int) -> tuple[int, int]:
        return number * RANGE_BYTES, min(self._size, (number + 1) * RANGE_BYTES)

    def _claim(self, number: int) -> bool:
        """Whether nobody has begun this range, which is then ours."""
        with self._moved:
            if number < self._next:
                return False
            self._next = number + 1
            return True

    def _claim_next(self) -> int | None:
        with self._moved:
            if self._stopped or self._error is not None or self._next >= self._count:
                return None
            number, self._next = self._next, self._next + 1
            self._reached[number] = number * RANGE_BYTES
            return number

    def _keep(self, portion: memoryview, at: int) -> None:
        if self._stopped:
            raise _StoppedError
        write_at(self._fd, portion, at)
        with self._moved:
            self._tell(len(portion))

    def _reach(self, number: int, at: int) -> None:
        with self._moved:
            self._reached[number] = at
            self._moved.notify_all()

    def _read_back(self, number: int, start: int, end: int, update: Callable[[memoryview], None]) -> None:
        """Follow a helper through its range."""
        at, held = start, buffer()
        while at < end:
            with self._moved:
                while self._error is None and self._reached[number] <= at:
                    self._moved.wait()
                if self._error is not None:
                    raise self._error
                reached = self._reached[number]
            while at < reached:
                count = os.preadv(self._fd, [held[: reached - at]], at)
                if not count:
                    raise StoreUnavailable(f"{shown(self._source.uri)}: the local file was cut while it was written")
                update(held[:count])
                at += count
