"""SQLite's write lock: waited for with patience, but not for ever from a process that somebody has stopped.

No server stands between two processes on one SQLite file. One that is stopped (Ctrl-Z, SIGSTOP, a debugger's hand, a
scheduler's) in the middle of its transaction keeps the lock, and everybody else out, until somebody continues it. So we
do: it finishes what is left of its group, and once the lock is ours it is stopped again, as whoever stopped it wanted.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rainer import limits
from rainer.errors import UnavailableError

log = logging.getLogger("rainer.database")

_PORTION_MS: Final = 1_000
_WRITER_BYTE: Final = 120
"""The byte of the `-shm` file that a writer locks, as SQLite's file format has it (section 2.3.2)."""
_LOCKS: Final = Path("/proc/locks")


def begin_immediate(connection: sqlite3.Connection, path: str, wait_s: int) -> None:
    """Begin a transaction that holds the write lock; UnavailableError, naming who has it, after `wait_s`."""
    begun = time.monotonic()
    stopped: Continued | None = None
    try:
        with _waiting_at_most(connection, _PORTION_MS):
            while not _try_begin(connection):
                waited_s = time.monotonic() - begun
                if waited_s >= wait_s:
                    raise _locked(path, waited_s)
                if waited_s >= limits.STALLED_WRITER_S and stopped is None:
                    stopped = continue_holder(path)
        if stopped is not None:
            stopped.stop()
    finally:
        if stopped is not None:
            stopped.close()


@contextlib.contextmanager
def _waiting_at_most(connection: sqlite3.Connection, wait_ms: int) -> Iterator[None]:
    usual_ms = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute(f"PRAGMA busy_timeout={wait_ms}")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA busy_timeout={usual_ms}")


def _try_begin(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as e:
        if e.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


def _locked(path: str, waited_s: float) -> UnavailableError:
    pid = lock_holder(path)
    who = "another process" if pid is None else "this process" if pid == os.getpid() else f"process {pid}"
    stopped = pid is not None and _is_stopped(pid)
    return UnavailableError(
        f"another writer holds the journal: {who}{', which is stopped,' if stopped else ''} has the lock of {path},"
        f" for {waited_s:.0f} s now",
        hint=f"continue it (kill -CONT {pid}) or end it" if stopped else "try again",
    )


class Continued:
    """A stopped process that was continued. What is signalled is it, not whoever has its number later."""

    def __init__(self, pid: int, path: str) -> None:
        self._pid, self._path = pid, path
        self._handle = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(self._handle, signal.SIGCONT)
        except BaseException:
            self.close()
            raise
        log.warning("process %d is stopped and holds the lock of %s: continued until it gives it up", pid, path)

    def stop(self) -> None:
        """Stop it again. Only for who holds the lock now: then it cannot be stopped with it a second time."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGSTOP)
            log.warning("process %d has given up the lock of %s: stopped again", self._pid, self._path)

    def close(self) -> None:
        """Let go of it as it is."""
        os.close(self._handle)


def continue_holder(path: str) -> Continued | None:
    """Continue the process that holds the lock, if it is one that is stopped and that we may signal."""
    pid = lock_holder(path)
    if pid is None or not _is_stopped(pid):
        return None
    try:
        return Continued(pid, path)
    except OSError as e:
        log.warning("process %d is stopped and holds the lock of %s, and cannot be continued: %s", pid, path, e)
        return None


def lock_holder(path: str) -> int | None:
    """The process that holds the write lock of a SQLite file in WAL mode, where the system tells (Linux).

    The `-shm` file is never opened for this: closing it would drop the locks that SQLite itself has in this process.
    """
    if sys.platform != "linux":
        return None
    try:
        index = os.stat(f"{path}-shm")  # noqa: PTH116 - it is the result of os.stat that is compared below
        lines = _LOCKS.read_text("ascii").splitlines()
    except OSError:
        return None
    return next((pid for pid in _writers(lines, index.st_ino) if _has_open(pid, index)), None)


def _writers(lines: list[str], inode: int) -> Iterator[int]:
    """Who locks the writer's byte, from lines like `1: POSIX  ADVISORY  WRITE 4711 08:01:99 120 120`."""
    for line in lines:
        words = line.split()
        if len(words) != 8:  # those who wait for a lock have one word more
            continue
        _, kind, _, mode, pid, file, first, last = words
        is_ours = kind == "POSIX" and mode == "WRITE" and file.rpartition(":")[2] == str(inode)
        if is_ours and int(first) <= _WRITER_BYTE <= (_WRITER_BYTE if last == "EOF" else int(last)):
            yield int(pid)


def _has_open(pid: int, wanted: os.stat_result) -> bool:
    """Whether a process has this file open: inode numbers repeat on other devices, and devices have two numbers."""
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - names suffice
            with contextlib.suppress(OSError):
                if os.path.samestat(os.stat(f"/proc/{pid}/fd/{name}"), wanted):  # noqa: PTH116 - for samestat
                    return True
    return False


def _is_stopped(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state == "T"  # and not t: whoever traces it decides
