"""Group commit: one committer drains a bounded queue into one transaction at a time.

Whoever commits waits on a future of its own. A caller that went away, a future that was cancelled, a delivery that
fails: none of it can reach the committer's loop.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rainer import limits
from rainer.errors import (
    CorruptError,
    InvalidError,
    OutcomeUnknown,
    OverloadedError,
    RainerError,
    UnavailableError,
)
from rainer.journal.group import Kept, Known, Outcome, Plan, RulesMoved, Submission
from rainer.journal.transact import Session, commit_group, drive

log = logging.getLogger("rainer.journal")
_QUICK_S = 1.0
_CLOSE_S = 5.0
"""How long the end waits for a thread that may hang in a database that is stopped."""
_LOOK = "look at the key before you commit again, or repeat it with the same commit id"


@dataclass(slots=True)
class Counters:
    """What the committer did since it started; read by metrics, written only here."""

    groups: int = 0
    commits: int = 0
    conflicts: int = 0
    refused: int = 0
    unknown: int = 0


class _Waiting:
    __slots__ = ("future", "size", "submission")

    def __init__(self, submission: Submission, future: asyncio.Future[Kept], size: int) -> None:
        self.submission, self.future, self.size = submission, future, size


class Committer:
    """Belongs to one event loop; `submit` only from it. `on_group` hears of each written group before its callers."""

    def __init__(
        self,
        session: Session,
        *,
        in_thread: bool,
        on_group: Callable[[Plan], None],
        queue_items_max: int = limits.QUEUE_ITEMS_MAX,
        queue_bytes_max: int = limits.QUEUE_BYTES_MAX,
    ) -> None:
        self.counters = Counters()
        self.known = Known()
        self._session = session
        self._thread = ThreadPoolExecutor(1, "rainer-committer") if in_thread else None
        self._on_group = on_group
        self._items_max, self._bytes_max = queue_items_max, queue_bytes_max
        self._queue: deque[_Waiting] = deque()
        self._group: list[_Waiting] = []
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._died: str | None = None

    @property
    def queued(self) -> int:
        """How many submissions wait for their group."""
        return len(self._queue)

    def start(self) -> None:
        """Begin to work on the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="rainer-committer")

    async def close(self) -> None:
        """Finish what was accepted, then stop; later submissions are refused."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._thread is None:
            await self._session.close()
        else:
            await self._end_thread(self._thread)

    async def _end_thread(self, thread: ThreadPoolExecutor) -> None:
        """Close the session behind the last group, in the thread that uses it; the loop goes on meanwhile.

        A thread that hangs in the database is left to end by itself: the driver has a bound on every answer.
        """
        closing = asyncio.get_running_loop().run_in_executor(thread, lambda: drive(self._session.close()))
        done, _ = await asyncio.wait([closing], timeout=_CLOSE_S)
        thread.shutdown(wait=bool(done))
        if not done:
            log.warning("the committer's connection hangs and is left behind")
            closing.add_done_callback(_note_failure)
        else:
            _note_failure(closing)

    def check_alive(self) -> None:
        """Raise UnavailableError if a bug ended the committer, so that nothing is committed here any more."""
        if self._died is not None:
            raise UnavailableError(f"the committer ended: {self._died}", hint="start the server anew; its log says why")

    def submit(self, submission: Submission) -> asyncio.Future[Kept]:
        """Queue a submission; the future brings its rows or its RainerError. OverloadedError when the queue is full."""
        size = submission.size
        self.check_alive()
        if self._closing:
            raise UnavailableError("the server is shutting down", hint="try another server")
        full = len(self._queue) >= self._items_max or (self._queue and self._queued_bytes + size > self._bytes_max)
        if full:
            self.counters.refused += 1
            raise OverloadedError(
                f"{len(self._queue)} commits ({self._queued_bytes} bytes) wait already", hint="come back in a second",
                retry_after_s=1,
            )  # fmt: skip
        future: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(submission, future, size))
        self._queued_bytes += size
        self._wake.set()
        return future

    async def _run(self) -> None:
        try:
            while self._queue or not self._closing:
                if self._queue:
                    self._take_group()
                    await self._commit(self._group)
                else:
                    self._wake.clear()
                    await self._wake.wait()
        except asyncio.CancelledError:
            # The loop is being torn down. Nobody may wait for ever for what nobody does any more.
            self._closing = True
            self._refuse_all("the server was ended")
            raise
        except BaseException as e:
            self._died = type(e).__name__
            log.critical("the committer ended, nothing is committed any more", exc_info=e)
            self._refuse_all("the committer ended")
            if not isinstance(e, Exception):
                raise

    def _refuse_all(self, why: str) -> None:
        """Whoever is in the group may have been kept, whoever is in the queue was not."""
        self._refuse(self._group, OutcomeUnknown(f"{why} in the middle of the commit", hint=_LOOK))
        self._refuse(list(self._queue), UnavailableError(f"{why} before the commit"))
        self._queue.clear()
        self._queued_bytes = 0

    def _take_group(self) -> None:
        """Move what fits one transaction from the queue to the group; at every moment each is in one of them."""
        group: list[_Waiting] = []
        self._group = group
        commits = size = 0
        while self._queue:
            first = self._queue[0]
            commits += len(first.submission.drafts)
            size += first.size
            if group and (commits > limits.GROUP_COMMITS_MAX or size > limits.GROUP_BYTES_MAX):
                break
            self._queue.popleft()
            self._queued_bytes -= first.size
            if not first.future.done():  # the caller went away while it waited: nothing was promised
                group.append(first)

    async def _commit(self, group: list[_Waiting]) -> None:
        """Commit a group; where its rows are at fault, in halves, until only the faulty submission is refused."""
        if not group:
            return
        try:
            plan = await self._transact([w.submission for w in group])
        except (OutcomeUnknown, UnavailableError) as e:
            self._refuse(group, e)
        except RainerError as e:
            await self._commit_halves(group, e)
        except Exception as e:
            log.exception("a group of %d could not be committed", len(group))
            await self._commit_halves(group, RainerError(f"the commit failed inside the server: {type(e).__name__}"))
        else:
            self._deliver(group, plan)

    async def _commit_halves(self, group: list[_Waiting], error: RainerError) -> None:
        if len(group) == 1:
            self._refuse(group, error)
            return
        middle = len(group) // 2
        await self._commit(group[:middle])
        await self._commit(group[middle:])

    async def _transact(self, group: list[Submission]) -> Plan:
        """One transaction, begun afresh once if a connection that had lain idle turns out dead."""
        begun = time.monotonic()
        try:
            plan = await self._transact_once(group)
        except UnavailableError:
            if time.monotonic() - begun > _QUICK_S:
                raise
            plan = await self._transact_once(group)
        plan.seconds = time.monotonic() - begun
        return plan

    async def _transact_once(self, group: list[Submission]) -> Plan:
        steps = commit_group(self._session, self.known, group)
        if self._thread is None:
            return await steps
        return await asyncio.get_running_loop().run_in_executor(self._thread, drive, steps)

    def _deliver(self, group: list[_Waiting], plan: Plan) -> None:
        counters = self.counters
        counters.groups += 1
        counters.commits += len(plan.rows)
        if plan.rows:
            self._notify(plan)
        for waiting, outcome in zip(group, plan.outcomes, strict=True):
            if isinstance(outcome, RainerError) and not isinstance(outcome, RulesMoved):
                counters.conflicts += 1
            _settle(waiting, outcome)

    def _notify(self, plan: Plan) -> None:
        try:
            self._on_group(plan)
        except Exception:
            log.exception("a listener failed; the commits stand")

    def _refuse(self, group: list[_Waiting], error: RainerError) -> None:
        group = [waiting for waiting in group if not waiting.future.done()]
        if not group:
            return
        if isinstance(error, OutcomeUnknown):
            self.counters.unknown += len(group)
        else:
            self.counters.refused += len(group)
        level = logging.WARNING if isinstance(error, InvalidError) else logging.ERROR
        log.log(level, "%d submissions not committed: %s", len(group), error)
        if isinstance(error, CorruptError):
            log.critical("the journal contradicts itself; run `rainer verify`")
        for waiting in group:
            # One error raised in many tasks would collect the tracebacks of all of them.
            own = copy.copy(error)
            own.__cause__ = error.__cause__
            _settle(waiting, own)


def _settle(waiting: _Waiting, outcome: Outcome) -> None:
    if waiting.future.done():
        return
    if isinstance(outcome, RainerError):
        waiting.future.set_exception(outcome)
    else:
        waiting.future.set_result(outcome)


def _note_failure(closing: asyncio.Future[None]) -> None:
    if not closing.cancelled() and closing.exception() is not None:
        log.warning("the committer's connection did not close properly: %s", closing.exception())
