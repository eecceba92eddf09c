"""Reads of the feed that share their work: readers that ask the same get the answer of one query.

A commit wakes every reader at the same place at once. Whoever asks what is asked already joins it as long as the query
has not begun; so every answer is at least as new as its question, and a thousand readers cost one query.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Protocol, TypeVar

from rainer import limits
from rainer.errors import OverloadedError, RainerError

T = TypeVar("T")
_RETRY_S = 5


class InThread(Protocol):
    """Runs a blocking read in a worker thread."""

    def __call__(self, read: Callable[..., T], *arguments: Any) -> Awaitable[T]: ...


class FeedReads:
    """Belongs to one event loop. Counts readers, and the queries that they shared."""

    def __init__(self, in_thread: InThread) -> None:
        self.readers = 0
        """How many have the feed open: those that wait for a change, and those that are being told one."""
        self.queries = 0
        self._in_thread = in_thread
        self._asked: dict[Hashable, asyncio.Task[Any]] = {}

    def enter(self) -> None:
        """Count a reader in, who must `leave`; OverloadedError when there are too many."""
        if self.readers >= limits.FEED_READERS_MAX:
            raise OverloadedError(f"{self.readers} readers wait for the feed already", retry_after_s=_RETRY_S)
        self.readers += 1

    def leave(self) -> None:
        """Count a reader out."""
        self.readers -= 1

    async def read(self, question: Hashable, answer: Callable[[], T]) -> T:
        """What `answer` gives, called in a worker thread after this call; equal questions share one such call."""
        flight = self._asked.get(question)
        if flight is None:
            # It starts with the loop's next turn: all that one commit woke have asked by then.
            flight = asyncio.get_running_loop().create_task(self._ask(question, answer), name="rainer-feed-read")
            flight.add_done_callback(_heed)
            self._asked[question] = flight
        await asyncio.wait([flight])  # a reader that goes away takes nothing from the others
        error = flight.exception()
        if isinstance(error, RainerError):
            # One error raised in many tasks would collect the tracebacks of all of them.
            raise copy.copy(error) from error.__cause__
        found: T = flight.result()
        return found

    async def _ask(self, question: Hashable, answer: Callable[[], T]) -> T:
        self.queries += 1

        def begin() -> T:
            # From here on the database may be looked at: who comes later asks again.
            self._asked.pop(question, None)
            return answer()

        try:
            return await self._in_thread(begin)
        finally:
            if self._asked.get(question) is asyncio.current_task():  # it never began
                self._asked.pop(question, None)


def _heed(flight: asyncio.Task[Any]) -> None:
    """What nobody waits for any more is no error that nobody looked at."""
    if not flight.cancelled():
        flight.exception()
