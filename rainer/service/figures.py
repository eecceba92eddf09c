"""Prometheus figures. Hot calls pay nothing: they are counted a group or a round of reads at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from rainer.journal.group import Plan
from rainer.journal.live import LiveJournal

_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Figures:
    """The counters of one process; with `directory`, shared among the workers of one server."""

    content_type: Final = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, directory: str | None = None) -> None:
        # Imported here: a worker must say where figures are shared before the library is loaded.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._directory = directory
        self._registry = registry = CollectorRegistry()
        live: dict[str, Any] = {"registry": registry, "multiprocess_mode": "livesum"}
        newest: dict[str, Any] = {"registry": registry, "multiprocess_mode": "livemax"}
        self.commits = Counter("rainer_commits", "Commits kept", registry=registry)
        self.groups = Counter("rainer_groups", "Transactions that kept commits", registry=registry)
        self.group_size = Histogram("rainer_group_commits", "Commits a group", buckets=_SIZES, registry=registry)
        self.group_seconds = Histogram("rainer_group_seconds", "A group's time", buckets=_SECONDS, registry=registry)
        self.refused = Counter("rainer_commits_refused", "Submissions refused", ["why"], registry=registry)
        self.head_reads = Counter("rainer_head_reads", "Head reads answered", registry=registry)
        self.head_rounds = Counter("rainer_head_rounds", "Database reads that head reads shared", registry=registry)
        self.requests = Counter("rainer_requests", "Requests answered", ["route", "status"], registry=registry)
        self.request_seconds = Histogram(
            "rainer_request_seconds",
            "The time of all but the two hot calls",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.revision = Gauge("rainer_revision", "The journal's revision as last seen", **newest)
        self.queued = Gauge("rainer_queue_items", "Submissions that wait for a group", **live)
        self.feeds = Gauge("rainer_feeds_waiting", "Feed readers that wait", **live)
        self.open_feeds = Gauge("rainer_feeds_open", "Feed readers that wait or are being sent to", **live)
        self.feed_queries = Counter("rainer_feed_queries", "Database reads that feed readers shared", registry=registry)
        self.memory = Gauge("rainer_head_memory_bytes", "Heads held in memory", **live)
        of = ["namespace"]
        self.published = Gauge("rainer_published_revision", "The revision that ZooKeeper shows", of, **newest)
        self.unpublished = Gauge(
            "rainer_unpublished_seconds", "How old the oldest commit is that ZooKeeper lacks", of, **newest
        )
        self.leading = Gauge("rainer_publisher_leading", "1 where this server publishes", of, **live)
        self.unpublishable = Gauge("rainer_unpublishable_keys", "Keys that ZooKeeper does not take", of, **newest)
        self.repaired = Counter("rainer_publisher_repairs", "Keys repaired in ZooKeeper", of, registry=registry)
        self.publishing_errors = Counter("rainer_publisher_errors", "Failures of publishing", of, registry=registry)
        self.store_bytes = Counter(
            "rainer_store_bytes", "Bytes of files that came and went", ["way"], registry=registry
        )
        self.store_files = Gauge("rainer_store_files", "Files in the server store, at the last sweep", **newest)
        self.store_contents = Gauge("rainer_store_contents", "Contents that these files share", **newest)
        self.store_size = Gauge("rainer_store_contents_bytes", "Room that these contents take", **newest)
        self.open_proposals = Gauge("rainer_proposals_open", "Proposals that wait for approval", **newest)
        self._seen_publishing: dict[tuple[str, str], int] = {}
        self._seen = [0.0] * 8
        self.answered: dict[tuple[str, int], int] = {}
        """The hot calls' answers since the last sample, by route and status."""

    def answer(self, route: str, status: int) -> None:
        """Count an answer of a hot call, for next to nothing."""
        self.answered[route, status] = self.answered.get((route, status), 0) + 1

    def follow(self, live: LiveJournal) -> Callable[[Plan], None]:
        """A listener that counts a journal's groups."""

        def count(plan: Plan) -> None:
            self.commits.inc(len(plan.rows))
            self.groups.inc()
            self.group_size.observe(len(plan.rows))
            self.group_seconds.observe(plan.seconds)
            self.sample(live)

        return count

    def sample(self, live: LiveJournal) -> None:
        """Bring what is kept as plain numbers up to date."""
        counters, heads = live.committer.counters, live.heads
        now = [live.feed.queries, heads.reads, heads.rounds, counters.conflicts, counters.refused, counters.unknown]
        steps = [n - seen for n, seen in zip(now, self._seen, strict=False)]
        self._seen[: len(now)] = now
        self.feed_queries.inc(steps[0])
        self.head_reads.inc(steps[1])
        self.head_rounds.inc(steps[2])
        for why, step in zip(("conflict", "refused", "outcome-unknown"), steps[3:], strict=True):
            self.refused.labels(why).inc(step)
        answered, self.answered = self.answered, {}
        for (route, status), count in answered.items():
            self.requests.labels(route, str(status)).inc(count)
        if heads.memory.state is not None:
            self.revision.set(heads.memory.state.revision)
        self.queued.set(live.committer.queued)
        self.feeds.set(live.wakeup.waiting)
        self.open_feeds.set(live.feed.readers)
        self.memory.set(heads.memory.size)

    def sample_publishing(self, trees: Sequence[dict[str, Any]]) -> None:
        """Bring up to date how far each namespace is published."""
        for tree in trees:
            name = tree["namespace"]
            self.published.labels(name).set(tree["revision"] or 0)
            self.unpublished.labels(name).set(tree["oldest_unpublished_s"])
            self.leading.labels(name).set(tree["is_leader"])
            self.unpublishable.labels(name).set(len(tree["unpublishable"]))
            for counter, what in ((self.repaired, "repaired"), (self.publishing_errors, "errors")):
                seen = self._seen_publishing.get((name, what), 0)
                counter.labels(name).inc(tree[what] - seen)
                self._seen_publishing[name, what] = tree[what]

    def sample_store(self, files: int, contents: int, stored_bytes: int) -> None:
        """Bring up to date what the server store holds."""
        self.store_files.set(files)
        self.store_contents.set(contents)
        self.store_size.set(stored_bytes)

    def text(self) -> bytes:
        """The figures in Prometheus' text form, of all workers."""
        from prometheus_client import CollectorRegistry, generate_latest, multiprocess

        if self._directory is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry, path=self._directory)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
