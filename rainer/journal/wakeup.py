"""Telling those who wait for the feed that the journal moved, whichever process moved it.

PostgreSQL notifies (LISTEN); elsewhere the journal's state is polled, and only while somebody waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from rainer.journal.row import State

log = logging.getLogger("rainer.journal")
_AWAY_POLL_S = 1.0


class Wakeup:
    """Belongs to one event loop; `poll_s` is how long a change by another process may go unnoticed."""

    def __init__(self, read_state: Callable[[], Awaitable[State]], poll_s: float) -> None:
        self._read_state = read_state
        self._poll_s = poll_s
        self._waiting: dict[asyncio.Future[None], State] = {}
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.is_away = False
        """Whether the journal could not be looked at lately, so that nobody can say whether it moved."""
        self.turn = 0
        """Counts notifications. Take it before you read; `wait` returns at once if it has moved on since."""

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._waiting)

    def notify(self) -> None:
        """Wake all who wait."""
        self.turn += 1
        waiting, self._waiting = self._waiting, {}
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self, turn: int, seen: State, timeout_s: float) -> bool:
        """Wait, at most `timeout_s`, for the journal to move on from `seen`; False if it did not.

        `turn` is `self.turn` as it was before `seen` was read. True may come early: read again.
        """
        if turn != self.turn or self._closed:
            return not self._closed
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = seen
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._poll(), name="rainer-wakeup")
        try:
            await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(future, None)
        return not self._closed

    async def _poll(self) -> None:
        try:
            while self._waiting:
                try:
                    state = await self._read_state()
                except Exception as e:  # whatever it is: those who wait here depend on the next look
                    if not self.is_away:
                        log.warning("the journal cannot be polled, trying again until it can: %s", e)
                    self.is_away = True
                else:
                    if self.is_away:
                        log.warning("the journal can be polled again")
                    self.is_away = False
                    if any(seen[:3] != state[:3] for seen in self._waiting.values()):
                        self.notify()
                await asyncio.sleep(max(self._poll_s, _AWAY_POLL_S) if self.is_away else self._poll_s)
        finally:
            self._task = None

    async def close(self) -> None:
        """Wake all, for good."""
        self._closed = True
        task = self._task
        self.notify()
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
