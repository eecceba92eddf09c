"""SQLite's write lock: waited for with patience, but not for ever from a process that somebody has stopped.

No server stands between two processes on one SQLite file. One that is stopped (Ctrl-Z, SIGSTOP, a debugger's hand, a
scheduler's) in the middle of its transaction keeps the lock, and everybody else out, until somebody continues it. So we
do, and it goes on. It is not stopped again: nobody can tell whether somebody else has continued it meanwhile, and a
server that was meant to run and is stopped does more harm than one that was meant to stand and runs.
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
_TURNING_S: Final = 0.02
_WRITER_BYTE: Final = 120
"""The byte of the `-shm` file that a writer locks, as SQLite's file format has it (section 2.3.2)."""
_LOCKS: Final = Path("/proc/locks")


def begin_immediate(connection: sqlite3.Connection, path: str, wait_s: int) -> None:
    """Begin a transaction that holds the write lock; UnavailableError, naming who has it, after `wait_s`."""
    begun = time.monotonic()
    with _waiting_at_most(connection, _PORTION_MS):
        while not _try_to(connection, "BEGIN IMMEDIATE"):
            waited_s = time.monotonic() - begun
            if waited_s >= wait_s:
                raise _locked(path, waited_s)
            if waited_s >= limits.STALLED_WRITER_S:
                continue_holder(path)


def turn_on_wal(connection: sqlite3.Connection, wait_s: int) -> None:
    """Turn to WAL mode; where another does so at the same moment, when it has.

    SQLite itself does not wait here: who finds the file being turned is told at once that it is locked.
    """
    deadline = time.monotonic() + wait_s
    while not _try_to(connection, "PRAGMA journal_mode=WAL"):
        if time.monotonic() >= deadline:
            raise UnavailableError(f"another process has locked the journal's file for {wait_s} s", hint="try again")
        time.sleep(_TURNING_S)


@contextlib.contextmanager
def _waiting_at_most(connection: sqlite3.Connection, wait_ms: int) -> Iterator[None]:
    usual_ms = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute(f"PRAGMA busy_timeout={wait_ms}")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA busy_timeout={usual_ms}")


def _try_to(connection: sqlite3.Connection, statement: str) -> bool:
    """Whether a statement was done; false where another process is at it."""
    try:
        connection.execute(statement)
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


def continue_holder(path: str) -> None:
    """Continue the process that holds the lock, if it is one that is stopped and that we may signal."""
    pid = lock_holder(path)
    if pid is None or not _is_stopped(pid):
        return
    try:
        handle = os.pidfd_open(pid)
        try:
            if lock_holder(path) != pid:  # it has gone, and its number may be somebody else's
                return
            signal.pidfd_send_signal(handle, signal.SIGCONT)
        finally:
            os.close(handle)
    except OSError as e:
        log.warning("process %d is stopped and holds the lock of %s, and cannot be continued: %s", pid, path, e)
    else:
        log.warning("process %d was stopped and held the lock of %s: continued, and not stopped again", pid, path)


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
