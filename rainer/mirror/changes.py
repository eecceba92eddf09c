"""The asyncio face of a mirror: `async for change in mirror.changes()`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rainer.mirror.backlog import Backlog, Change, Step, change_of


class Changes:
    """Changes from the call of `mirror.changes()` on, for one task; ends when the mirror is closed, or by `aclose`.

    Nothing is lost while nobody asks, but a reader that is 10,000 changes behind gets them merged, one a key.
    """

    def __init__(self, namespace: str, leave: Callable[[Changes], None]) -> None:
        self._namespace = namespace
        self._leave = leave
        self._backlog = Backlog(self._wake)
        self._steps: list[Step] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived: asyncio.Event | None = None

    def put(self, steps: Sequence[Step]) -> None:
        """Hand over changes; from any thread."""
        self._backlog.put(steps)

    def end(self) -> None:
        """Let the iteration end with what is there; from any thread."""
        self._backlog.close()

    def _wake(self) -> None:
        loop, arrived = self._loop, self._arrived
        if loop is not None and arrived is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads on
                loop.call_soon_threadsafe(arrived.set)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        if self._arrived is None:
            self._arrived, self._loop = asyncio.Event(), asyncio.get_running_loop()
        while not self._steps:
            self._arrived.clear()
            is_closed = self._backlog.is_closed
            self._steps = self._backlog.take(wait=False)[::-1]
            if self._steps:
                break
            if is_closed:
                raise StopAsyncIteration
            await self._arrived.wait()
        return change_of(self._steps.pop(), self._namespace)

    async def aclose(self) -> None:
        """Take no further changes."""
        self._leave(self)
        self._steps = []
        self._backlog.close(drop=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
