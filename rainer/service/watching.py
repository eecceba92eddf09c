"""How everything stands that a server depends on, and that depends on it: looked at together, and kept for an hour."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from rainer import limits
from rainer.errors import RainerError, UnavailableError
from rainer.journal import Journal, LiveJournal
from rainer.model import times
from rainer.service.last_hour import SAMPLE_S, LastHour, Sample
from rainer.service.mirror_list import Listed
from rainer.service.publishing import Publishing

log = logging.getLogger("rainer.service")
_KEPT_S: Final = 1.0
_MIRRORS_S: Final = 1.5


@dataclass(frozen=True, slots=True)
class Database:
    """How the database answers: `answered_ms` to a small read, or why not, and since when.

    `refusal` says why no commit is taken although it answers; `faults` how commits could be lost all the same.
    """

    address: str = ""
    kind: str = ""
    answered_ms: float = 0.0
    revision: int | None = None
    recorded_ms: int = 0
    error: str = ""
    since_ms: int = 0
    refusal: str = ""
    faults: tuple[str, ...] = ()
    queued: int = 0


@dataclass(frozen=True, slots=True)
class ZooKeeperSign:
    """Whether ZooKeeper answers; since when not. `session` is hexadecimal, empty where there is none."""

    hosts: str
    path: str
    is_connected: bool
    session: str
    error: str
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """All of it at a moment; `missing` says why mirrors that report through ZooKeeper are not among the listed."""

    at_ms: int = 0
    database: Database = field(default_factory=Database)
    zookeeper: ZooKeeperSign | None = None
    trees: Sequence[Mapping[str, Any]] = ()
    mirrors: Sequence[Listed] = ()
    missing: str = ""
    memory: dict[Any, Any] = field(default_factory=dict, compare=False)
    """What was made of it for whom; goes with it."""


class Watched(Protocol):
    """What this needs of the service."""

    journal: Journal
    publishing: Publishing

    @property
    def live(self) -> LiveJournal: ...

    async def list_mirrors(self, namespace: str | None) -> tuple[list[Listed], str]: ...


@dataclass(slots=True)
class Watching:
    """Belongs to the service's event loop. Whoever asks within a second of somebody else gets what that one got.

    Nothing waits for long: neither for a database that hangs nor for ZooKeeper; what they were asked goes on alone.
    """

    service: Watched
    hour: LastHour = field(default_factory=LastHour)
    last: Seen = field(default_factory=Seen)
    _looked_at: float = 0.0
    _sampled_at: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _listing: asyncio.Task[tuple[list[Listed], str]] | None = None
    _faults: tuple[str, ...] | None = None

    async def look(self) -> Seen:
        """How things stand now, or did a second ago, whatever answers; the hour keeps it every ten seconds."""
        async with self._lock:
            if not self._looked_at or time.monotonic() - self._looked_at > _KEPT_S:
                database, (mirrors, missing) = await asyncio.gather(self._database(), self._mirrors())
                trees = self.service.publishing.status()
                self.last = Seen(times.now_ms(), database, self._zookeeper(), trees, mirrors, missing)
                self._looked_at = time.monotonic()
                if not self._sampled_at or self._looked_at - self._sampled_at >= SAMPLE_S - _KEPT_S:
                    self.hour.add(sample_of(self.last))
                    self._sampled_at = self._looked_at
            return self.last

    async def watch(self) -> None:
        """Look every ten seconds, for the hour that is kept; until it is cancelled."""
        while True:
            await asyncio.sleep(SAMPLE_S)
            try:
                await self.look()
            except Exception:
                log.exception("how things stand could not be looked at")

    async def close(self) -> None:
        """Ask nobody any more."""
        if self._listing is not None:
            self._listing.cancel()
            await asyncio.wait([self._listing])

    async def _database(self) -> Database:
        service = self.service
        live = service.live
        found = Database(service.journal.address, service.journal.dialect, queued=live.committer.queued)
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(limits.READY_TIMEOUT_S):
                state = await live.heads.state()
                took_ms = 1000 * (time.perf_counter() - begun)
                if self._faults is None:
                    self._faults = tuple(await live.in_thread(service.journal.durability_faults))
        except (RainerError, TimeoutError) as e:
            why = str(e) or f"no answer within {limits.READY_TIMEOUT_S:g} s"
            return replace(found, error=why, since_ms=self.last.database.since_ms or times.now_ms())
        refusal = ""
        try:
            live.committer.check_alive()
        except UnavailableError as e:
            refusal = str(e)
        return replace(
            found, answered_ms=took_ms, revision=state.revision, recorded_ms=state.recorded_ms, refusal=refusal,
            faults=self._faults,
        )  # fmt: skip

    def _zookeeper(self) -> ZooKeeperSign | None:
        told = self.service.publishing.connection()
        if told is None:
            return None
        before = self.last.zookeeper
        since_ms = 0
        if not told["connected"]:
            since_ms = before.since_ms if before is not None and before.since_ms else times.now_ms()
        return ZooKeeperSign(
            told["hosts"], told["path"], told["connected"], told["session"], told["error"], since_ms
        )  # fmt: skip

    async def _mirrors(self) -> tuple[Sequence[Listed], str]:
        """The mirrors; where nobody answers in time those of last time, and the question is not asked twice."""
        if self._listing is None:
            self._listing = asyncio.create_task(self.service.list_mirrors(None), name="rainer-mirror-list")
        done, _ = await asyncio.wait([self._listing], timeout=_MIRRORS_S)
        if not done:
            return self.last.mirrors, "ZooKeeper, or the database, does not answer: these are the mirrors of before"
        listing, self._listing = self._listing, None
        with contextlib.suppress(asyncio.CancelledError):
            try:
                return listing.result()
            except RainerError as e:
                return self.last.mirrors, str(e)
        return (), "the server is shutting down"


def sample_of(seen: Seen) -> Sample:
    """What the hour keeps of it."""
    lags: dict[str, float] = {}
    for one in seen.mirrors:
        name, lag = one.report.namespace, one.lag.seconds or 0.0
        if lag > lags.get(name, 0.0):
            lags[name] = lag
    unpublished = {t["namespace"]: t["oldest_unpublished_s"] for t in seen.trees if t["oldest_unpublished_s"]}
    repaired = {t["namespace"]: t["repaired"] for t in seen.trees if t["repaired"]}
    return Sample(seen.at_ms, seen.database.revision, lags, unpublished, repaired)
