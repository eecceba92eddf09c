"""The pool of a database in memory: its one connection goes from thread to thread in the order in which they asked.

An ordinary pool wakes whoever waits, but whoever asks again at once is quicker: one thread that reads in a loop would
keep the committer waiting for minutes.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from sqlalchemy.exc import TimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool


class Turns:
    """A lock that is handed over to whoever has waited longest."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._is_taken = False

    def take(self, timeout_s: float) -> bool:
        """Wait for one's turn; False if it did not come in time."""
        with self._mutex:
            if not self._is_taken:
                self._is_taken = True
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        if mine.acquire(timeout=timeout_s):
            return True
        with self._mutex:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return False
        return True  # handed over in the very moment in which patience ended

    def give(self) -> None:
        """End one's turn."""
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False


class TurnsPool(QueuePool):
    """A pool of one connection that is never closed before the pool is."""

    def __init__(self, creator: Any, **options: Any) -> None:
        super().__init__(creator, **options | {"pool_size": 1, "max_overflow": 0})
        self._turns = Turns()
        self._patience_s = self.timeout()

    def _do_get(self) -> ConnectionPoolEntry:
        if not self._turns.take(self._patience_s):
            raise TimeoutError(f"the journal in memory is busy since {self._patience_s:g} s")
        try:
            return super()._do_get()
        except BaseException:
            self._turns.give()
            raise

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        try:
            super()._do_return_conn(record)
        finally:
            self._turns.give()
