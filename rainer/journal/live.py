"""A journal on an event loop: what a server needs of it, committer, head reads and wake-ups together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.engine import Engine

from rainer import limits
from rainer.database.engine import STATEMENT_TIMEOUT_S, break_off
from rainer.errors import UnavailableError
from rainer.journal.committer import Committer
from rainer.journal.dialects.opening import dialect_of, open_session
from rainer.journal.feed_reads import FeedReads
from rainer.journal.group import HeadKey, Kept, Plan, Submission
from rainer.journal.head_memory import Head, HeadMemory
from rainer.journal.head_reads import HeadReads
from rainer.journal.reads import CaughtUp, Reads
from rainer.journal.row import Namespace, Row, State
from rainer.journal.wakeup import Wakeup

log = logging.getLogger("rainer.journal")
T = TypeVar("T")
_READ_TIMEOUT_S = STATEMENT_TIMEOUT_S + 10
"""The database ends a statement before; this is for one that is stopped, or gone with nobody to say so."""
_GRACE_S = 5
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
        # Readers of the feed, however many and however far behind, keep nobody waiting who reads a head.
        self._feed_threads = ThreadPoolExecutor(1 if dialect.is_memory else 2, "rainer-feed")
        self._reading: set[Future[Any]] = set()
        self._is_closed = False
        self._listeners: list[Callable[[Plan], None]] = []
        self.committer = Committer(
            open_session(engine), in_thread=dialect.in_thread, on_group=self._on_group,
            queue_items_max=options.queue_items_max, queue_bytes_max=options.queue_bytes_max,
        )  # fmt: skip
        self._closers: list[Any] = []
        heads = self._open_postgresql() if dialect.notifies else self._read_heads
        self.heads = HeadReads(HeadMemory(options.head_memory_bytes), heads, self._catch_up)
        self.feed = FeedReads(partial(self._in, self._feed_threads))
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
        await self._end_threads()

    async def _end_threads(self) -> None:
        """Let reads end for a moment; then break off the connections they hang on, so that their threads end too."""
        self._is_closed = True
        hanging = await self._still_reading()
        if hanging:
            log.warning("%d reads of the database hang and are broken off", len(hanging))
            for threads in (self._threads, self._feed_threads):
                threads.shutdown(wait=False, cancel_futures=True)
            break_off(self._engine)
            hanging = await self._still_reading()
        for threads in (self._threads, self._feed_threads):
            threads.shutdown(wait=not hanging, cancel_futures=True)

    async def _still_reading(self) -> set[Future[Any]]:
        end = time.monotonic() + _GRACE_S
        while self._reading and time.monotonic() < end:  # noqa: ASYNC110 - threads end the reads, not the loop
            await asyncio.sleep(0.01)
        return set(self._reading)

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

    async def commit(self, submission: Submission) -> Kept:
        """Commit drafts all or none: their rows, or the error that says why not."""
        return await self.committer.submit(submission)

    async def head(self, namespace: str, key: str) -> tuple[State, Head]:
        """The head of a key, at least as new as this call."""
        return await self.heads.head(namespace, key)

    async def namespace(self, name: str) -> Namespace:
        """The namespace of that name; NamespaceNotFound."""
        return await self.heads.namespace(name)

    async def in_thread(self, read: Callable[..., T], *arguments: Any) -> T:
        """Run a blocking read of `self.reads` in a worker thread; UnavailableError if it takes far too long."""
        return await self._in(self._threads, read, *arguments)

    async def _in(self, threads: ThreadPoolExecutor, read: Callable[..., T], *arguments: Any) -> T:
        if self._is_closed:
            raise UnavailableError("the server is shutting down", hint="try another server")
        begun = threads.submit(read, *arguments)
        self._reading.add(begun)
        begun.add_done_callback(self._reading.discard)
        try:
            async with asyncio.timeout(_READ_TIMEOUT_S) as bound:
                return await asyncio.wrap_future(begun)
        except TimeoutError as e:
            if not bound.expired():
                raise
            raise UnavailableError(
                f"the database does not answer within {_READ_TIMEOUT_S} s", hint="is it running, or overloaded?"
            ) from e

    async def _read_heads(self, keys: Sequence[HeadKey]) -> tuple[State, list[Row]]:
        return await self.in_thread(self.reads.head_rows, keys)

    async def _catch_up(self, since: State | None, keys: Sequence[HeadKey], changed_max: int) -> CaughtUp:
        return await self.in_thread(self.reads.catch_up, since, keys, changed_max)

    async def _read_state(self) -> State:
        return await self.in_thread(self.reads.state)
