"""A look at all heads for whoever wants to know which break a rule: one at a time, shared by those who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Final, NamedTuple

from rainer.journal.reads import Reads
from rainer.validation.heads import BrokenHead, broken_heads
from rainer.validation.in_force import InForce

TOLD_MAX: Final = 1_000


class Looked(NamedTuple):
    """What a look found: the rules that were in force, the first heads that break one, and whether there are more."""

    in_force: InForce
    broken: list[BrokenHead]
    has_more: bool


def look(reads: Reads, in_force: InForce) -> Looked:
    """Look at all heads; blocks. TooMany."""
    found = list(islice(broken_heads(reads, in_force, in_force.rules.all), TOLD_MAX + 1))
    return Looked(in_force, found[:TOLD_MAX], len(found) > TOLD_MAX)


class SharedLook:
    """One look, which begins when the one before it has ended; until then anybody may join. Of one event loop."""

    def __init__(self, before: SharedLook | None, work: Callable[[], Awaitable[Looked]]) -> None:
        self.has_begun = False
        # It goes on when those who asked are gone, and ends by the time that a look may take.
        self._task: asyncio.Task[Looked] = asyncio.ensure_future(
            self._run(None if before is None else before._task, work)
        )
        self._task.add_done_callback(_heed)

    async def _run(self, before: asyncio.Task[Looked] | None, work: Callable[[], Awaitable[Looked]]) -> Looked:
        if before is not None:
            await asyncio.wait([before])
        self.has_begun = True
        return await work()

    async def result(self) -> Looked:
        """What it finds."""
        return await asyncio.shield(self._task)


def _heed(task: asyncio.Task[Looked]) -> None:
    """Its error is its askers' affair; nobody may be left."""
    if not task.cancelled():
        task.exception()
