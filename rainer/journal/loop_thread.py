"""An event loop in a thread of its own, for the appends of a program that has none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from rainer.journal.live import LiveJournal

T = TypeVar("T")


class LoopThread:
    """Runs a LiveJournal. The caller sees to it that nothing is called after `close` has begun."""

    def __init__(self, make: Callable[[], LiveJournal]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rainer-journal", daemon=True)
        self._thread.start()
        try:
            self._live = make()
            self._run(self._live.start()).result()
        except BaseException:
            self._end()
            raise

    def call(self, call: Callable[[LiveJournal], Coroutine[Any, Any, T]]) -> Future[T]:
        """Begin a call on the loop; its answer can be waited for from any thread."""
        return self._run(call(self._live))

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """Finish what was begun, then end the loop and its thread."""
        self._run(self._finish()).result()
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _finish(self) -> None:
        await self._live.close()
        begun = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*begun, return_exceptions=True)  # their callers still wait for the answers
