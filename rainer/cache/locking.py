"""Kernel locks that only save work: waited for with a bound, and no error where a file system has none."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from typing import Final

from rainer.cache import forks

_NO_LOCKS: Final = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.EIO}
NO_LOCK_FILE: Final = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT,
}  # fmt: skip
"""Why there may be no lock file to open: then there is no lock, and all goes on."""
_PAUSE_S: Final = 0.0005
_PAUSE_S_MAX: Final = 0.02


def try_lock(number: int, *, exclusive: bool) -> bool:
    """Take the lock if nobody else has it; true as well where the file system cannot lock at all."""
    try:
        fcntl.flock(number, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as e:
        if e.errno not in _NO_LOCKS:
            raise
    return True


def unlock(number: int) -> None:
    """Let go of a lock whose file stays open."""
    with contextlib.suppress(OSError):  # where there are no locks
        fcntl.flock(number, fcntl.LOCK_UN)


def is_unlocked(number: int) -> bool:
    """Whether nobody has the file locked for himself; also of one that is only open for reading, for which a network
    file system grants no exclusive lock. What can lock nothing says yes."""
    return try_lock(number, exclusive=False)


def lock(number: int, *, exclusive: bool, wait_s: float) -> bool:
    """Take the lock within `wait_s` seconds, or tell that somebody has kept it so long."""
    if try_lock(number, exclusive=exclusive):
        return True
    deadline, pause_s = time.monotonic() + wait_s, _PAUSE_S
    while time.monotonic() < deadline:
        time.sleep(pause_s)
        if try_lock(number, exclusive=exclusive):
            return True
        pause_s = min(2 * pause_s, _PAUSE_S_MAX)
    return False


def locks_work(path: str) -> bool:
    """Whether a lock keeps others out here, tried on `path`, a file of the caller's own.

    Where it does not (some network file systems), an unlocked file says nothing about whether its maker lives.
    """
    first = second = -1
    try:
        first = forks.open_file(path, os.O_RDWR)
        if not try_lock(first, exclusive=True):
            return True  # a sweeper has it just now, and keeps us out
        second = forks.open_file(path, os.O_RDWR)
        return not try_lock(second, exclusive=True)
    except OSError:
        return False
    finally:
        for number in (first, second):
            forks.close_file(number)
