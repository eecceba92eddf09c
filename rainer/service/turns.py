"""Wakes who waits on an event loop, from any thread."""

from __future__ import annotations

import asyncio
import contextlib


class Turns:
    """Counts news. `ring` may come from any thread, before `open` and after `close` too; the rest is for the loop."""

    def __init__(self) -> None:
        self.turn = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._is_rung = False

    def open(self) -> None:
        """Belong to the running loop."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Wake everybody; from now on nobody is."""
        self._tell()
        self._loop = None

    def ring(self) -> None:
        """There are news."""
        loop = self._loop
        if loop is None:
            self.turn += 1
        elif not self._is_rung:
            self._is_rung = True
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                loop.call_soon_threadsafe(self._tell)

    async def wait(self, turn: int, timeout_s: float) -> bool:
        """Wait for news after a turn; False if there were none in time."""
        if self.turn != turn:
            return True
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await asyncio.wait_for(waiting, timeout_s)
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(waiting)
        return True

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def _tell(self) -> None:
        self._is_rung = False
        self.turn += 1
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
