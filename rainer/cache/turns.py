"""One download among all processes: whoever has the lock of a key fetches it, the others wait while it gets on.

Nothing depends on it but work. So a holder that was stopped is not waited for: when its file has not grown for a while,
those who wait go on to the next lock in line, where again one of them is first. So they do where the lock is in use for
another key: locks are few, since to make its file costs as much as to fetch a small one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from rainer.cache import forks, locking
from rainer.cache.layout import LOCKS, Layout

STALLED_S = 10.0
"""Who has not got on for so long is waited for no more."""
_PAUSE_S: Final = 0.002
_PAUSE_S_MAX: Final = 0.05
_HOPS: Final = 4
_NOTE_BYTES: Final = 128


class _State(NamedTuple):
    """What the holder of a lock fetches, and how far its temporary file has come."""

    key: bytes
    size: int
    mtime_ns: int
    name: bytes = b""


class Turn:
    """The right to fetch something, for what it is worth; without a lock file it is worth nothing, and fine."""

    def __init__(self, number: int | None, key: str) -> None:
        self._number = number
        self._key = key

    def announce(self, temporary: str) -> None:
        """Tell those who wait which file to watch, and what for."""
        if self._number is not None:
            note = f"{os.path.basename(temporary)} {self._key}"  # noqa: PTH119
            os.pwrite(self._number, note.encode().ljust(_NOTE_BYTES), 0)


class Turns:
    """The lock files of one layout."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    @contextmanager
    def take(self, key: str) -> Iterator[Turn]:
        """Wait for the turn of a key (hex digits). Look again then whether there is anything left to do."""
        first = int(key[:2], 16)
        for hop in range(_HOPS):
            number = self._open((first + hop) % LOCKS)
            turn = Turn(number, key)
            try:
                if number is None or self._wait(number, key.encode()):
                    yield turn
                    return
            finally:
                if number is not None:
                    forks.close_file(number)
        yield Turn(None, key)

    def _open(self, at: int) -> int | None:
        try:
            return self._layout.open(f"{self._layout.locks}/{at:02x}", os.O_RDWR | os.O_CREAT)
        except OSError as e:
            if e.errno in locking.NO_LOCK_FILE:
                return None
            raise

    def _wait(self, number: int, key: bytes) -> bool:
        """True with the lock; false when its holder fetches something else, or has stood still for too long."""
        pause_s, seen, since = _PAUSE_S, None, time.monotonic()
        while not locking.try_lock(number, exclusive=True):
            now, state = time.monotonic(), self._state(number)
            if state.key not in (b"", key):
                return False
            if state != seen:
                seen, since = state, now
            elif now - since > STALLED_S:
                return False
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_S_MAX)
        return True

    def _state(self, number: int) -> _State:
        name, _, key = os.pread(number, _NOTE_BYTES, 0).rstrip().partition(b" ")
        try:
            found = os.stat(os.path.join(self._layout.tmp.encode(), name))  # noqa: PTH116, PTH118
        except (OSError, ValueError):
            return _State(b"", -1, -1, name)  # what the last holder wrote: its file is gone from there
        return _State(key, found.st_size, found.st_mtime_ns, name)
