"""Work of seconds that a page asks for: few at a time, so that the threads that read are left for everybody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, TypeVar

from rainer.errors import OverloadedError

AT_ONCE: Final = 2
LITTLE_BYTES: Final = 100_000
"""Less text than that takes no time to speak of, and waits for nobody."""
_PATIENCE_S: Final = 20.0
T = TypeVar("T")
InThread: TypeAlias = Callable[[Callable[[], T]], Awaitable[T]]


class SlowWork:
    """Turns for comparing, merging and colouring large texts.

    A difference of two megabytes keeps a core busy for seconds, whoever may read them may ask for it, and there are
    six threads for all reads of the server. Belongs to one event loop.
    """

    def __init__(self, patience_s: float = _PATIENCE_S) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._patience_s = patience_s

    async def run(self, in_thread: InThread[T], work: Callable[[], T]) -> T:
        """Do `work` by `in_thread` when it is its turn; OverloadedError if that does not come in time."""
        try:
            async with asyncio.timeout(self._patience_s):
                await self._turns.acquire()
        except TimeoutError:
            raise OverloadedError(
                "others have large texts compared just now", hint="try again in a moment", retry_after_s=5
            ) from None
        try:
            return await in_thread(work)
        finally:
            self._turns.release()
