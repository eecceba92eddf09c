"""Shared and exclusive locks between processes and threads, on a fixed set of files that are never removed.

A lock cannot hang for ever: its holder gives signs of life while it works (the lock file's mtime), and whoever waits
gives up when there has been none for so long. Which of the files a name takes is decided by its hash, so two names may
share one; nobody ever holds two. filetracker 2.3.3 (client/lock_manager.py) has a lock file of each name's own, which
it removes under a lock of the whole tree, and waits without end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from rainer.errors import UnavailableError

STRIPES: Final = 4_096
_PAUSE_S: Final = 0.002
_PAUSE_S_MAX: Final = 0.05
_BEAT_S: Final = 1.0


class Locks:
    """The lock files of one folder; `timeout_s` is the longest wait without a sign of life from the holder."""

    def __init__(self, folder: Path, timeout_s: float) -> None:
        self._folder = folder
        self._timeout_s = timeout_s

    @contextlib.contextmanager
    def hold(self, digest: str, what: str, *, exclusive: bool) -> Iterator[Callable[[], None]]:
        """Hold the lock for a digest (hex); the function gives a sign of life. Raises UnavailableError."""
        fd = self._open(digest)
        try:
            self._wait(fd, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, what)
            try:
                # Written for whoever waits too long; of several sharers the last one stands there.
                os.pwrite(fd, f"{os.getpid():<20}".encode(), 0)
                yield _beating(fd)
            finally:
                # A child forked meanwhile has the same open file: closing ours alone would leave it locked.
                fcntl.flock(fd, fcntl.LOCK_UN)
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def try_exclusive(self, digest: str) -> Iterator[bool]:
        """Hold the lock alone, or be told at once that somebody else has it."""
        fd = self._open(digest)
        try:
            taken = _try(fd, fcntl.LOCK_EX)
            try:
                yield taken
            finally:
                if taken:
                    fcntl.flock(fd, fcntl.LOCK_UN)
        finally:
            os.close(fd)

    def _open(self, digest: str) -> int:
        path = self._folder / f"{int(digest[:8], 16) % STRIPES:03x}"
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True)
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def _wait(self, fd: int, how: int, what: str) -> None:
        pause_s, seen, deadline = _PAUSE_S, os.fstat(fd).st_mtime_ns, time.monotonic() + self._timeout_s
        while not _try(fd, how):
            now, changed = time.monotonic(), os.fstat(fd).st_mtime_ns
            if changed != seen:  # compared with what it was, never with a clock
                seen, deadline = changed, now + self._timeout_s
            if now >= deadline:
                raise self._too_long(fd, what)
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, _PAUSE_S_MAX)

    def _too_long(self, fd: int, what: str) -> UnavailableError:
        holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
        return UnavailableError(
            f"{what} has been locked for {self._timeout_s:g} s without a sign of life, by process {holder}",
            hint="look whether that process is stopped or hangs; its end frees the lock",
        )


def _try(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _beating(fd: int) -> Callable[[], None]:
    last_s = time.monotonic()

    def beat() -> None:
        nonlocal last_s
        now = time.monotonic()
        if now - last_s >= _BEAT_S:
            last_s = now
            os.utime(fd)

    return beat
