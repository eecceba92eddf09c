"""A journal on an event loop: what a server needs of it, committer, head reads and wake-ups together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.engine import Engine

from rainer import limits
from rainer.journal.committer import Committer
from rainer.journal.dialects.opening import dialect_of, open_session
from rainer.journal.group import HeadKey, Plan, Submission
from rainer.journal.head_memory import Head, HeadMemory
from rainer.journal.head_reads import HeadReads
from rainer.journal.reads import CaughtUp, Reads
from rainer.journal.row import Namespace, Row, State
from rainer.journal.wakeup import Wakeup

log = logging.getLogger("rainer.journal")
T = TypeVar("T")
_POLL_S = 0.1
_POLL_BESIDE_NOTIFICATIONS_S = 2.0


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """Bounds of one process: the commit queue in items and bytes, the memory for head reads in bytes."""

    queue_items_max: int = limits.QUEUE_ITEMS_MAX
    queue_bytes_max: int = limits.QUEUE_BYTES_MAX
    head_memory_bytes: int = limits.HEAD_MEMORY_BYTES


class LiveJournal:
    """Belongs to the event loop it is started on; everything but `in_thread` must be called there."""

    def __init__(self, engine: Engine, reads: Reads, options: JournalOptions) -> None:
        self.reads = reads
        self._engine = engine
        dialect = dialect_of(engine)
        self._threads = ThreadPoolExecutor(1 if dialect.is_memory else 6, "rainer-reads")
        self._listeners: list[Callable[[Plan], None]] = []
        self.committer = Committer(
            open_session(engine), in_thread=dialect.in_thread, on_group=self._on_group,
            queue_items_max=options.queue_items_max, queue_bytes_max=options.queue_bytes_max,
        )  # fmt: skip
        self._closers: list[Any] = []
        heads = self._open_postgresql() if dialect.notifies else self._read_heads
        self.heads = HeadReads(HeadMemory(options.head_memory_bytes), heads, self._catch_up)
        poll_s = _POLL_BESIDE_NOTIFICATIONS_S if dialect.notifies else _POLL_S
        self.wakeup = Wakeup(self._read_state, poll_s)

    def _open_postgresql(self) -> Any:
        from rainer.journal.dialects.postgresql_reads import PostgresqlHeads, PostgresqlListener

        heads = PostgresqlHeads(self._engine.url)
        self._closers = [heads, PostgresqlListener(self._engine.url, lambda: self.wakeup.notify())]
        return heads.read

    async def start(self) -> None:
        """Begin to take submissions."""
        self.committer.start()
        for closer in self._closers:
            start = getattr(closer, "start", None)
            if start is not None:
                start()

    async def close(self) -> None:
        """Finish what was accepted and let go of every connection and thread."""
        await self.committer.close()
        await self.heads.close()
        await self.wakeup.close()
        for closer in self._closers:
            await closer.close()
        self._threads.shutdown()

    def on_group(self, listener: Callable[[Plan], None]) -> None:
        """Call `listener` with every group this process writes, after it is kept and before its callers hear."""
        self._listeners.append(listener)

    def _on_group(self, plan: Plan) -> None:
        self.heads.follow(plan)
        self.wakeup.notify()
        for listener in self._listeners:
            try:
                listener(plan)
            except Exception:  # it concerns neither the commits, which stand, nor the other listeners
                log.exception("a listener failed")

    async def commit(self, submission: Submission) -> tuple[Row, ...]:
        """Commit drafts all or none: their rows, or the error that says why not."""
        return await self.committer.submit(submission)

    async def head(self, namespace: str, key: str) -> tuple[State, Head]:
        """The head of a key, at least as new as this call."""
        return await self.heads.head(namespace, key)

    async def namespace(self, name: str) -> Namespace:
        """The namespace of that name; NamespaceNotFound."""
        return await self.heads.namespace(name)

    async def in_thread(self, read: Callable[..., T], *arguments: Any) -> T:
        """Run a blocking read of `self.reads` in a worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, read, *arguments)

    async def _read_heads(self, keys: Sequence[HeadKey]) -> tuple[State, list[Row]]:
        return await self.in_thread(self.reads.head_rows, keys)

    async def _catch_up(self, since: State | None, keys: Sequence[HeadKey], changed_max: int) -> CaughtUp:
        return await self.in_thread(self.reads.catch_up, since, keys, changed_max)

    async def _read_state(self) -> State:
        return await self.in_thread(self.reads.state)
