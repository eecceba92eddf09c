"""One download among all processes: whoever has the temporary file of a key fetches it, the others wait while it grows.

The file that is filled is itself the lock, so that a file on its way costs one file and no more. Nothing depends on
the lock but work: only who has made a temporary file ever writes to it. So a holder that was stopped is not waited for:
when its file has not grown for a while, those who wait go on to the next name in line, where again one of them is
first.
"""

from __future__ import annotations

import contextlib
import os
import time
from types import TracebackType
from typing import Final

from rainer.cache import forks, locking
from rainer.cache.failures import told
from rainer.cache.layout import Layout

STALLED_S = 10.0
"""Who has not got on for so long is waited for no more."""
_PAUSE_S: Final = 0.002
_PAUSE_S_MAX: Final = 0.05
_HOPS: Final = 4
_ROUNDS: Final = 1_000
"""Each waiter looks for himself once; more often than there are waiters it only fails where files have no lasting
numbers."""
_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL


class Turn:
    """The right to fetch something, and the file to fetch it into: open, empty, locked, and no other's to write to."""

    def __init__(self, layout: Layout, path: str, number: int) -> None:
        self._layout = layout
        self.path = path
        self.number = number
        self.is_moved = False

    def empty(self) -> None:
        """Begin anew."""
        os.ftruncate(self.number, 0)
        os.lseek(self.number, 0, os.SEEK_SET)

    def renew(self) -> None:
        """Take another file, for this one was removed, by somebody to whom locks mean nothing."""
        path = self._layout.temporary("arriving")
        number = self._layout.open(path, _NEW)
        forks.close_file(self.number)
        self.path, self.number = path, number
        locking.try_lock(number, exclusive=True)

    def __enter__(self) -> Turn:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Remove the file unless it has been moved into its place, and let others have their turn."""
        if not self.is_moved:
            with contextlib.suppress(OSError):
                os.unlink(self.path)  # noqa: PTH108
        forks.close_file(self.number)


class Turns:
    """The temporary files of one layout, by what is fetched into them."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._locks_work = False

    def take(self, key: str | None) -> Turn:
        """Wait for the turn of a key (hex digits; None: nobody else wants the same), to be ended by `with`. Look again
        then whether there is anything left to do. Raises NoSpace, DeniedError and the like for what the folder's disk
        does."""
        with told(self._layout.root):
            return self._first(key)

    def take_now(self, key: str) -> Turn | None:
        """The turn of a key if nobody has it; None also where nobody can tell. Raises OSError."""
        self._locks_work = self._locks_work or self._layout.locks_work()
        return self._make(f"{self._layout.tmp}/{key}.0") if self._locks_work else None

    def _first(self, key: str | None) -> Turn:
        self._locks_work = self._locks_work or (key is not None and self._layout.locks_work())
        for hop in range(_HOPS if key is not None and self._locks_work else 0):
            path = f"{self._layout.tmp}/{key}.{hop}"
            for _ in range(_ROUNDS):
                turn = self._make(path)
                if turn is not None:
                    return turn
                if not self._wait(path):
                    break
        path = self._layout.temporary("arriving")
        number = self._layout.open(path, _NEW)
        locking.try_lock(number, exclusive=True)
        return Turn(self._layout, path, number)

    def _make(self, path: str) -> Turn | None:
        """The turn that a path stands for; None if another has it.

        Between the making and the locking it looks like a dead one's: who takes it for that has it locked, or has
        removed it.
        """
        try:
            number = self._layout.open(path, _NEW)
        except FileExistsError:
            return None
        try:
            if locking.try_lock(number, exclusive=True) and _is_still(path, number):
                return Turn(self._layout, path, number)
        except BaseException:
            forks.close_file(number)
            raise
        forks.close_file(number)
        return None

    def _wait(self, path: str) -> bool:
        """Wait until a path's holder is done; false when it has stood still for too long.

        Of one that died the file is removed by who sees that first.
        """
        try:
            number = self._layout.open(path, os.O_RDWR)
        except FileNotFoundError:
            return True
        except PermissionError:  # it was finished when its holder died, or is of another user
            return False
        try:
            pause_s, seen, since = _PAUSE_S, None, time.monotonic()
            while not locking.try_lock(number, exclusive=True):
                found, now = os.fstat(number), time.monotonic()
                if (found.st_size, found.st_mtime_ns) != seen:
                    seen, since = (found.st_size, found.st_mtime_ns), now
                elif now - since > STALLED_S:
                    return False
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_S_MAX)
            if _is_still(path, number):
                os.unlink(path)  # noqa: PTH108
            return True
        finally:
            forks.close_file(number)


def _is_still(path: str, number: int) -> bool:
    """Whether a path leads to this open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(number))  # noqa: PTH116
    except FileNotFoundError:
        return False
