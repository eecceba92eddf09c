"""Service: a journal being served. It starts with the loop that it serves on and ends with what it accepted done."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from rainer import limits
from rainer.access import Access, AccessOptions
from rainer.access.hosts import Hosts
from rainer.access.permissions import Permissions
from rainer.errors import UnavailableError
from rainer.journal import Journal, LiveJournal
from rainer.journal.group import Plan
from rainer.journal.reads import Reads
from rainer.proposals import ProposalTable
from rainer.service.commit_log import CommitLog
from rainer.service.committing import Committing
from rainer.service.figures import Figures
from rainer.service.file_store import FileStore, StoreOptions
from rainer.service.governing import Governing
from rainer.service.mirror_list import Listed, MirrorList, reports_in_tree
from rainer.service.mirrors import MirrorReports
from rainer.service.pages_options import PagesOptions
from rainer.service.proposing import Proposing
from rainer.service.publishing import Publishing, PublishOptions
from rainer.service.refusals import RefusedDraft as RefusedDraft
from rainer.service.search_memory import SearchMemory
from rainer.service.slow_work import LITTLE_BYTES, SlowWork
from rainer.service.watching import Watching
from rainer.validation import Validation

log = logging.getLogger("rainer.service")
_SAMPLE_S: Final = 1.0
_SHARE_S: Final = 0.2
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """`log_format` text or json; `metrics_directory` where workers of one server share their figures.

    With `owns_journal` the service closes the journal when it ends; with `publishing` it publishes to ZooKeeper.
    With `store` it keeps files, with `pages` it has web pages. `access` says who may ask at all; by default nobody is
    asked who he is. `hosts` are the names that it is called by.
    """

    log_format: str = "text"
    body_timeout_s: float = limits.BODY_TIMEOUT_S
    beat_s: float = limits.FEED_BEAT_S
    metrics_directory: str | None = None
    workers: int = 1
    owns_journal: bool = False
    publishing: PublishOptions | None = None
    store: StoreOptions | None = None
    access: AccessOptions = field(default_factory=AccessOptions)
    pages: PagesOptions | None = None
    hosts: Hosts = field(default_factory=Hosts)


@dataclass(slots=True)
class Service(Committing):
    """Belongs to the event loop that first calls `start`."""

    journal: Journal
    options: ServiceOptions = field(default_factory=ServiceOptions)
    is_closing: bool = False
    _live: LiveJournal | None = None
    _starting: asyncio.Lock | None = None
    _logged_tag: str = ""
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _begun: float = field(default_factory=time.monotonic)
    _parsing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "rainer-formats"))
    # Whoever waits for ZooKeeper waits alone.
    _asking: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "rainer-mirrors"))
    figures: Figures = field(init=False)
    commit_log: CommitLog = field(init=False)
    reports: MirrorReports = field(init=False)
    mirrors: MirrorList = field(init=False)
    publishing: Publishing = field(init=False)
    store: FileStore = field(init=False)
    access: Access = field(init=False)
    governing: Governing = field(init=False)
    proposals: Proposing = field(init=False)
    validation: Validation = field(default_factory=Validation)
    searching: SearchMemory = field(init=False)
    slow_work: SlowWork = field(default_factory=SlowWork)
    watching: Watching = field(init=False)

    def __post_init__(self) -> None:
        self.figures = Figures(self.options.metrics_directory)
        self.commit_log = CommitLog(self.options.log_format, {})
        self.reports = MirrorReports(self.options.metrics_directory)
        self.mirrors = MirrorList(self.journal, self.reports, reports_in_tree(self.options.publishing))
        self.publishing = Publishing(self.options.publishing)
        self.store = FileStore(self.journal, self.options.store, self.figures)
        self.access = Access(self.journal.engine, self.options.access)
        self.governing = Governing(self.access, self.options.publishing)
        self.searching = SearchMemory(self.options.pages.memory_bytes if self.options.pages else 0)
        self.watching = Watching(self)
        self.proposals = Proposing(ProposalTable(self.journal.engine), self)

    @property
    def live(self) -> LiveJournal:
        assert self._live is not None, "start comes first"
        return self._live

    async def in_turn(self, work: Callable[[], T], *payloads: bytes | None) -> T:
        """Do in a thread what takes long for texts as large as these, or without any may take long whatever it is."""
        if payloads and sum(len(one or b"") for one in payloads) < LITTLE_BYTES:
            return await self.live.in_thread(work)
        return await self.slow_work.run(self.live.in_thread, work)

    @property
    def permissions(self) -> Permissions:
        return self.governing.permissions

    @property
    def reads(self) -> Reads:
        return self.journal.reads

    @property
    def body_timeout_s(self) -> float:
        return self.options.body_timeout_s

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
            self.publishing.start(self.journal, live)
            self.store.start()
            self.access.start(live.in_thread)
            await self.governing.start(live)
            self._live = live
            loop = asyncio.get_running_loop()
            self._tasks = [
                loop.create_task(self._sample(), name="rainer-figures"),
                loop.create_task(self._share_reports(live), name="rainer-mirrors"),
            ]
            if self.options.pages is not None:  # which show the last hour
                self._tasks.append(loop.create_task(self.watching.watch(), name="rainer-watching"))

    def sample(self) -> None:
        """Bring the figures up to date."""
        self.figures.sample(self.live)
        self.figures.sample_publishing(self.publishing.status())

    async def _sample(self) -> None:
        """Keep the figures of a worker fresh that commits nothing and whose figures nobody asks for itself."""
        while True:
            await asyncio.sleep(_SAMPLE_S)
            self.sample()

    async def _share_reports(self, live: LiveJournal) -> None:
        """Tell the other workers of one server what mirrors reported to this one."""
        while self.options.metrics_directory is not None:
            await asyncio.sleep(_SHARE_S)
            try:
                await live.in_thread(self.reports.share)
            except (OSError, UnavailableError) as e:
                log.warning("reports of mirrors are not shared among the workers: %s", e)

    async def list_mirrors(self, namespace: str | None) -> tuple[list[Listed], str]:
        """All mirrors that are known, or those of a namespace; and why those of ZooKeeper are missing, if they are."""
        spaces = await self.live.in_thread(self.reads.namespaces)
        call = asyncio.get_running_loop().run_in_executor(self._asking, self.mirrors.reported, spaces)
        found, missing = await call
        wanted = [report for report in found if namespace in (None, report.namespace)]
        return await self.live.in_thread(self.mirrors.judged, wanted), missing

    def _refuse_closing(self) -> None:
        if self.is_closing:
            raise UnavailableError("the server is shutting down", hint="try another server")

    def _log(self, plan: Plan) -> None:
        if plan.after.namespaces_tag != self._logged_tag:
            self._logged_tag = plan.after.namespaces_tag
            known = self.live.committer.known.namespaces.values()
            self.commit_log.namespace_names = {n.id: n.name for n in known}
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
        for task in self._tasks:
            task.cancel()
        await self.watching.close()
        await self.searching.close()
        await self.governing.close()
        self.validation.close()
        await self.access.close()
        if live is not None:
            await live.close()
        await self.publishing.close()
        await self.store.close()
        await asyncio.to_thread(self.mirrors.close)
        for threads in (self._parsing, self._asking):
            threads.shutdown(wait=False, cancel_futures=True)
        if self.options.owns_journal:
            self.journal.close()

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
            "publishing": self.publishing.status(),
            "store": self.store.describe(),
        }

    async def check_ready(self) -> None:
        """Raise UnavailableError unless the database answers, commits are taken, and no shutdown has begun."""
        self._refuse_closing()
        self.live.committer.check_alive()
        try:
            async with asyncio.timeout(limits.READY_TIMEOUT_S):
                await self.live.heads.state()
        except TimeoutError:
            raise UnavailableError(f"the database did not answer within {limits.READY_TIMEOUT_S:g} s") from None
