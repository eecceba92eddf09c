"""Every mirror that this server knows of, through ZooKeeper and over HTTP, and how far each is behind."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from rainer.errors import RainerError
from rainer.journal.journal import Journal
from rainer.journal.lags import Standings, standings
from rainer.model import times
from rainer.model.mirror_report import newest
from rainer.model.published import Report
from rainer.service.mirrors import MirrorReports
from rainer.service.publishing import PublishOptions


class Lag(NamedTuple):
    """How far a mirror is behind: in revisions, and for how many seconds what it lacks has been there.

    None where that cannot be told: of another lineage, or of a tree that tells no revisions.
    """

    revisions: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One mirror of the list."""

    report: Report
    lag: Lag

    def as_dict(self) -> dict[str, Any]:
        r = self.report
        return {
            "id": r.id, "namespace": r.namespace, "host": r.host, "pid": r.pid, "via": r.via, "lineage": r.lineage,
            "revision": r.revision, "lag_revisions": self.lag.revisions, "lag_s": self.lag.seconds, "state": r.state,
            "rejected": r.rejected, "error": r.error, "time": times.format_iso(r.time_ms),
        }  # fmt: skip


class Tree(Protocol):
    """Where the reports of ZooKeeper's mirrors come from."""

    def read(self, namespaces: Iterable[str]) -> list[Report]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class MirrorList:
    """What a server with a journal can say of mirrors. Thread-safe."""

    journal: Journal
    reports: MirrorReports
    tree: Tree | None = None

    def reported(self, namespaces: Iterable[str]) -> tuple[list[Report], str]:
        """What all mirrors of these namespaces say; and why those of ZooKeeper are missing, where they are.

        Waits for ZooKeeper, if there is one, for as long as its calls take.
        """
        found, missing = self.reports.all(), ""
        if self.tree is not None:
            try:
                found += self.tree.read(sorted(namespaces))
            except RainerError as e:
                missing = str(e)
        return newest(iter(found)), missing

    def close(self) -> None:
        """Let go of ZooKeeper."""
        if self.tree is not None:
            self.tree.close()

    def judged(self, reports: list[Report]) -> list[Listed]:
        """How far each is behind; waits for the database, unless there is none to judge."""
        if not reports:
            return []
        told = standings(self.journal.engine, [(r.namespace, r.revision) for r in reports if r.lineage])
        now_ms = time.time_ns() // 1_000_000
        return [Listed(r, lag_of(r, told, now_ms)) for r in reports]


def reports_in_tree(options: PublishOptions | None) -> Tree | None:
    """Where mirrors of the trees that are published report; None where nothing is published."""
    if options is None:
        return None
    from rainer.service.tree_reports import TreeReports

    return TreeReports(options.zookeeper, options.path)


def lag_of(report: Report, told: Standings, now_ms: int) -> Lag:
    """How far one is behind the namespace's newest commit. A quiet namespace has no lag, wherever the journal is."""
    standing = told.namespaces.get(report.namespace)
    if standing is None or report.lineage != told.lineage:
        return Lag()
    if report.revision >= standing.newest:
        return Lag(0, 0.0)
    waiting_ms = max(0, now_ms - standing.next_ms[report.revision])
    return Lag(standing.newest - report.revision, round(waiting_ms / 1000, 3))
