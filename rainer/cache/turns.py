"""One download among all processes: whoever has the lock of a key fetches it, the others wait while it gets on.

Nothing depends on it but work. So a holder that was stopped is not waited for: when its file has not grown for a while,
those who wait go on to the next lock in line, where again one of them is first.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from rainer.cache import forks, locking
from rainer.cache.layout import LOCKS, Layout

STALLED_S = 10.0
"""Who has not got on for so long is waited for no more."""
_PAUSE_S: Final = 0.002
_PAUSE_S_MAX: Final = 0.05
_HOPS: Final = 4
_NAME_BYTES: Final = 100
_State: TypeAlias = tuple[bytes, int, int]


class Turn:
    """The right to fetch something, for what it is worth; without a lock file it is worth nothing, and fine."""

    def __init__(self, number: int | None) -> None:
        self._number = number

    def announce(self, temporary: str) -> None:
        """Tell those who wait which file to watch."""
        if self._number is not None:
            name = os.path.basename(temporary).encode()  # noqa: PTH119
            os.pwrite(self._number, name.ljust(_NAME_BYTES), 0)


class Turns:
    """The lock files of one layout."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    @contextmanager
    def take(self, key: str) -> Iterator[Turn]:
        """Wait for the turn of a key (hex digits). Look again then whether there is anything left to do."""
        first = int(key[:3], 16)
        for hop in range(_HOPS):
            number = self._open((first + hop) % LOCKS)
            try:
                if number is None or self._wait(number):
                    yield Turn(number)
                    return
            finally:
                if number is not None:
                    forks.close_file(number)
        yield Turn(None)

    def _open(self, at: int) -> int | None:
        try:
            return self._layout.open(f"{self._layout.locks}/{at:03x}", os.O_RDWR | os.O_CREAT)
        except OSError as e:
            if e.errno in locking.NO_LOCK_FILE:
                return None
            raise

    def _wait(self, number: int) -> bool:
        """True with the lock; false when its holder has stood still for too long."""
        pause_s, seen, since = _PAUSE_S, self._state(number), time.monotonic()
        while not locking.try_lock(number, exclusive=True):
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_S_MAX)
            now, state = time.monotonic(), self._state(number)
            if state != seen:
                seen, since = state, now
            elif now - since > STALLED_S:
                return False
        return True

    def _state(self, number: int) -> _State:
        name = os.pread(number, _NAME_BYTES, 0).rstrip()
        try:
            found = os.stat(os.path.join(self._layout.tmp.encode(), name))  # noqa: PTH116, PTH118
        except (OSError, ValueError):
            return name, -1, -1
        return name, found.st_size, found.st_mtime_ns
