"""A mirror server without its HTTP: mirrors of some namespaces, and the reports of those who follow them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rainer import limits
from rainer.access import Access, AccessOptions
from rainer.access.hosts import Hosts
from rainer.access.permissions import Permissions
from rainer.access.upstream import UpstreamAccess
from rainer.errors import DeniedError, NamespaceNotFound, UnavailableError
from rainer.journal.feed_reads import FeedReads
from rainer.model import names
from rainer.model.published import Report
from rainer.service.mirror_figures import MirrorFigures
from rainer.service.mirror_list import Lag, Listed
from rainer.service.mirrored import Mirrored, Upstream
from rainer.service.mirrored_policy import MirroredPolicy
from rainer.service.mirrors import MirrorReports

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MirrorOptions:
    """`folder` holds a snapshot of each namespace, from which they start when what they follow is away.

    With `access` on, who asks must say who he is, and may read what the policy of what is mirrored lets him.
    """

    namespaces: tuple[str, ...] = (names.DEFAULT_NAMESPACE,)
    folder: Path | None = None
    body_timeout_s: float = limits.BODY_TIMEOUT_S
    beat_s: float = limits.FEED_BEAT_S
    access: AccessOptions = field(default_factory=AccessOptions)
    hosts: Hosts = field(default_factory=Hosts)


@dataclass(slots=True)
class MirrorService:
    """Belongs to the event loop that calls `start`."""

    upstream: Upstream
    options: MirrorOptions = field(default_factory=MirrorOptions)
    is_closing: bool = False
    reports: MirrorReports = field(default_factory=MirrorReports)
    figures: MirrorFigures = field(default_factory=MirrorFigures)
    access: Access = field(init=False)
    permissions: Permissions = field(init=False)
    _begun: float = field(default_factory=time.monotonic)
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "rainer-reads"))
    feed: FeedReads = field(init=False)
    _mirrored: dict[str, Mirrored] = field(init=False)
    _held: list[Mirrored] = field(init=False)
    """Those that are served, and the one that the policy is of."""

    def __post_init__(self) -> None:
        self.feed = FeedReads(self.in_thread)
        if self.options.folder is not None:
            self.options.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._mirrored = {
            name: Mirrored(name, self.upstream, self.options.folder, lambda name=name: self._followers_of(name))  # type: ignore[misc]
            for name in self.options.namespaces
        }
        self._held = list(self._mirrored.values())
        self.access = UpstreamAccess(self.upstream.who_is, self.options.access)
        if self.access.is_open:
            self.permissions = Permissions(True, lambda: None)
            return
        system = self._mirrored.get(names.SYSTEM_NAMESPACE)
        if system is None:
            system = Mirrored(names.SYSTEM_NAMESPACE, self.upstream, self.options.folder, list)
            self._held.append(system)
        self.permissions = Permissions(False, MirroredPolicy(system).in_force, self.access.identify_again)

    @property
    def body_timeout_s(self) -> float:
        return self.options.body_timeout_s

    def all(self) -> list[Mirrored]:
        """The mirrored namespaces, in the order they were asked for."""
        return list(self._mirrored.values())

    def namespace(self, name: str) -> Mirrored:
        """A mirrored namespace that can be read; NamespaceNotFound, and UnavailableError before it is loaded."""
        found = self._mirrored.get(name)
        if found is None:
            names.check_namespace(name)
            raise NamespaceNotFound(
                f"namespace {names.shorten(name)} is not mirrored here",
                hint=f"{', '.join(self._mirrored)} are: `rainer mirror --namespaces`",
            )
        found.check_loaded()
        return found

    def refusal(self) -> DeniedError:
        """The answer to who wants to write here."""
        return DeniedError("this server is a mirror and takes no commits", hint=self.upstream.where_to_write)

    async def start(self) -> None:
        """Begin to load, without waiting for it."""
        self.access.start(self.in_thread)
        for mirrored in self._held:
            mirrored.start()

    def begin_shutdown(self) -> None:
        """Let every waiting feed end, so that the server can."""
        self.is_closing = True
        for mirrored in self._mirrored.values():
            mirrored.turns.ring()

    async def close(self) -> None:
        """End the mirrors, which saves their snapshots."""
        self.is_closing = True
        loop = asyncio.get_running_loop()
        await self.access.close()
        closing = [loop.run_in_executor(self._threads, mirrored.close) for mirrored in self._held]
        await asyncio.gather(*closing)
        for mirrored in self._held:
            mirrored.turns.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def in_thread(self, read: Callable[..., T], *arguments: Any) -> T:
        """Run what takes a while beside the loop."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, read, *arguments)
        except RuntimeError:
            if not self.is_closing:
                raise
            raise UnavailableError("the server is shutting down", hint="try another server") from None

    async def list_mirrors(self, namespace: str | None) -> tuple[list[Listed], str]:
        """Those who follow this server, and who follow them; their lag is behind this mirror, not the journal."""
        found = [report for report in self.reports.all() if namespace in (None, report.namespace)]
        return [Listed(report, self._lag(report)) for report in found], ""

    def check_ready(self) -> None:
        """UnavailableError while a namespace has nothing to read, and once a shutdown has begun."""
        if self.is_closing:
            raise UnavailableError("the server is shutting down", hint="try another server")
        for mirrored in self._held:
            mirrored.check_loaded()

    def status(self) -> dict[str, Any]:
        """Where every namespace stands, and what serves it; the position is that of the first one."""
        from rainer import __version__

        mirrored = [one.status() for one in self._mirrored.values()]
        first = {name: mirrored[0][name] for name in ("lineage", "revision", "chain")}
        return {
            "version": __version__, **first, "mirror_of": self.upstream.describe(), "mirrored": mirrored,
            "followers": self.feed.readers, "uptime_s": round(time.monotonic() - self._begun, 1),
        }  # fmt: skip

    def _lag(self, report: Report) -> Lag:
        held = self._mirrored.get(report.namespace)
        position = None if held is None else held.mirror.position
        if position is None or position.lineage != report.lineage:
            return Lag()
        behind = max(0, position.revision - report.revision)
        return Lag(behind, None if behind else 0.0)

    def _followers_of(self, namespace: str) -> list[dict[str, Any]]:
        return [asdict(report) for report in self.reports.all() if report.namespace == namespace]
