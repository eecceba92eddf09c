"""Service: a journal being served. It starts with the loop that it serves on and ends with what it accepted done."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Any, Final

from rainer import limits
from rainer.errors import UnavailableError
from rainer.journal import Journal, LiveJournal, Namespace
from rainer.journal.group import Plan, Submission
from rainer.journal.journal import check_payload
from rainer.journal.reads import Reads
from rainer.journal.row import Row, open_namespace
from rainer.model import names
from rainer.model.commit import Draft
from rainer.service.commit_log import CommitLog
from rainer.service.figures import Figures

log = logging.getLogger("rainer.service")
_PARSE_BYTES_MAX: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """`log_format` text or json; `metrics_directory` where workers of one server share their figures.

    With `owns_journal` the service closes the journal when it ends.
    """

    log_format: str = "text"
    body_timeout_s: float = limits.BODY_TIMEOUT_S
    beat_s: float = limits.FEED_BEAT_S
    metrics_directory: str | None = None
    workers: int = 1
    owns_journal: bool = False


@dataclass(slots=True)
class Service:
    """Belongs to the event loop that first calls `start`."""

    journal: Journal
    options: ServiceOptions = field(default_factory=ServiceOptions)
    is_closing: bool = False
    _live: LiveJournal | None = None
    _starting: asyncio.Lock | None = None
    _begun: float = field(default_factory=time.monotonic)
    figures: Figures = field(init=False)
    commit_log: CommitLog = field(init=False)

    def __post_init__(self) -> None:
        self.figures = Figures(self.options.metrics_directory)
        self.commit_log = CommitLog(self.options.log_format, {})

    @property
    def live(self) -> LiveJournal:
        assert self._live is not None, "start comes first"
        return self._live

    @property
    def reads(self) -> Reads:
        return self.journal.reads

    @property
    def is_started(self) -> bool:
        return self._live is not None

    async def start(self) -> None:
        """Begin on the running loop; may be called again and again. UnavailableError once a shutdown has begun."""
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if self._live is not None:
                return
            self._refuse_closing()
            live = self.journal.live()
            live.on_group(self.figures.follow(live))
            live.on_group(self._log)
            await live.start()
            self._live = live

    def _refuse_closing(self) -> None:
        if self.is_closing:
            raise UnavailableError("the server is shutting down", hint="try another server")

    def _log(self, plan: Plan) -> None:
        known = self.commit_log.namespace_names
        if any(row.namespace_id not in known for row in plan.rows):
            known.update({n.id: n.name for n in self.live.committer.known.namespaces.values()})
        self.commit_log.write(plan)

    def begin_shutdown(self) -> None:
        """Let every waiting feed end, so that the server can; accepted commits go on."""
        self.is_closing = True
        if self._live is not None:
            self._live.wakeup.notify()

    async def close(self) -> None:
        """Finish what was accepted."""
        self.is_closing = True
        if self._starting is not None:
            async with self._starting:  # what is starting is closed, too
                pass
        live, self._live = self._live, None
        if live is not None:
            await live.close()
        if self.options.owns_journal:
            self.journal.close()

    async def namespace_for_writing(self, name: str) -> Namespace:
        """The namespace of that name, as far as this process knows; NamespaceNotFound or NamespaceClosed."""
        known = self.live.heads.memory.namespaces
        if name not in known:
            await self.live.namespace(names.check_namespace(name))
            known = self.live.heads.memory.namespaces
        return open_namespace(known, name)

    async def check(self, d: Draft) -> None:
        """Hold a draft to its namespace's rules; a long payload is parsed beside the loop, which goes on meanwhile."""
        space = await self.namespace_for_writing(d.namespace)
        if space.format != "any" and len(d.payload or b"") > _PARSE_BYTES_MAX:
            await self.live.in_thread(check_payload, space, d.key, d.payload)
        else:
            check_payload(space, d.key, d.payload)

    async def commit(self, submission: Submission) -> tuple[Row, ...]:
        """Check a submission and commit it."""
        for d in submission.drafts:
            await self.check(d)
        return await self.live.commit(submission)

    @property
    def lineage(self) -> str:
        """The lineage that a commit just made belongs to; never asks the database, for the commit stands by now."""
        state = self.live.committer.known.state or self.live.heads.memory.state
        return "" if state is None else state.lineage

    async def status(self) -> dict[str, Any]:
        """Where the journal stands and what serves it."""
        from rainer import __version__

        state = await self.live.heads.state()
        return {
            "version": __version__,
            "lineage": state.lineage,
            "revision": state.revision,
            "chain": state.chain.hex(),
            "database": self.journal.address,
            "durability_faults": await self.live.in_thread(self.journal.durability_faults),
            "workers": self.options.workers,
            "uptime_s": round(time.monotonic() - self._begun, 1),
        }

    async def check_ready(self) -> None:
        """Raise UnavailableError unless the database answers and no shutdown has begun."""
        self._refuse_closing()
        try:
            async with asyncio.timeout(limits.READY_TIMEOUT_S):
                await self.live.heads.state()
        except TimeoutError:
            raise UnavailableError(f"the database did not answer within {limits.READY_TIMEOUT_S:g} s") from None
