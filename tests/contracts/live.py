"""A journal on the test's own event loop, and submissions that are sure to share a group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from rainer.journal import Journal, LiveJournal
from rainer.journal.group import Plan, Submission
from rainer.journal.row import Row
from rainer.model.commit import Draft

T = TypeVar("T")
PATIENCE_S = 180


@asynccontextmanager
async def living(journal: Journal) -> AsyncIterator[LiveJournal]:
    """A LiveJournal that is started, and closed at the end."""
    live = journal.live()
    await live.start()
    try:
        yield live
    finally:
        await live.close()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine, with an end to its patience."""
    return asyncio.run(asyncio.wait_for(coroutine, PATIENCE_S))


def submission(
    key: str, version: int = 1, *, payload: bytes | None = b"", author: str = "me", commit_id: str | None = None
) -> Submission:
    """One commit as a submission."""
    return Submission((Draft("diary", key, version, payload, author),), commit_id)


async def together(live: LiveJournal, submissions: Sequence[Submission]) -> list[tuple[Row, ...] | BaseException]:
    """What becomes of submissions that are all in the queue before the committer looks at it."""
    futures = [live.committer.submit(s) for s in submissions]
    return await asyncio.gather(*futures, return_exceptions=True)


class Gate:
    """Holds the committer in mid-group until it is opened."""

    def __init__(self, live: LiveJournal) -> None:
        self.reached, self._opened = asyncio.Event(), asyncio.Event()
        self._live, self._transact = live, live.committer._transact_once
        live.committer._transact_once = self._pass  # type: ignore[method-assign]

    async def _pass(self, group: list[Submission]) -> Plan:
        plan = await self._transact(group)
        self.reached.set()
        await self._opened.wait()
        return plan

    def open(self) -> None:
        """Let this group and all later ones pass."""
        self._live.committer._transact_once = self._transact  # type: ignore[method-assign]
        self._opened.set()
