"""Mirrors and their publisher on ZooKeeper, side by side with what kazoo alone does on the same server."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import rainer
from rainer.journal import Journal
from rainer.model.commit import draft
from tests.benchmarks.load import Pace, WrongMeasure
from tests.benchmarks.mirror_process import mirrored
from tests.benchmarks.peers import Rainer
from tests.benchmarks.plain_kazoo import pace_until, set_watch_get_ms, tree_cache_s
from tests.benchmarks.report import Results
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper

PAYLOAD_BYTES: Final = 200
_COMMITS_A_SECOND: Final = 100
_KEYS: Final = 1_000
_CHANGESET: Final = 10_000
_ROOT: Final = "/rainer"
_TREE: Final = f"{_ROOT}/diary"
_PATIENCE_S: Final = 120.0
_HEAP_MB: Final = 2048
_RECONCILES: Final = 50


# From a commit's answer until a mirror shows it


def latency(pace: Pace, results: Results) -> None:
    """100 commits a second to a server that publishes; and 100 sets a second of one node, watched and got."""
    ours, others, p99 = [], [], []
    with ExitStack() as stack:
        zookeeper = stack.enter_context(ZooKeeper())
        server = stack.enter_context(Rainer(arguments=["--zookeeper", zookeeper.hosts]))
        client = stack.enter_context(closing(rainer.Client(f"{server.url}/diary")))
        mirror = stack.enter_context(_mirror(zookeeper.hosts))
        versions = dict.fromkeys((f"key-{n:04d}" for n in range(_KEYS)), 0)
        _commit_at_a_rate(client, mirror, versions, _COMMITS_A_SECOND)  # as warm as it will ever be
        for number in range(pace.rounds):
            count, path = pace.seconds * _COMMITS_A_SECOND, f"/raw-{number}"
            seen = _commit_at_a_rate(client, mirror, versions, count)
            raw = set_watch_get_ms(zookeeper.hosts, path, b"x" * PAYLOAD_BYTES, count, 1 / _COMMITS_A_SECOND)
            ours.append(statistics.median(seen))
            others.append(statistics.median(raw))
            p99.append(statistics.quantiles(seen, n=100)[98])
    note = f"p99 {statistics.median(p99):.1f} ms; client and mirror in one process, the server in another, on SQLite"
    results.record("mirrors/zookeeper/latency", ours, others, note)


@contextmanager
def _mirror(hosts: str) -> Iterator[rainer.Mirror]:
    mirror = rainer.Mirror.zookeeper(hosts, _TREE)
    mirror.start(timeout_s=_PATIENCE_S)
    try:
        yield mirror
    finally:
        mirror.close()


def _commit_at_a_rate(
    client: rainer.Client, mirror: rainer.Mirror, versions: dict[str, int], count: int
) -> list[float]:
    """Milliseconds from the answer to a commit until the mirror's callback for it, 0 where that came before."""
    seen: dict[tuple[str, int], float] = {}
    answered: dict[tuple[str, int], float] = {}
    remove = mirror.on_change(lambda key, _old, new: seen.setdefault((key, new.version), time.perf_counter()))  # type: ignore[union-attr]
    keys = list(versions)
    begun = time.perf_counter()
    for number in range(count):
        pace_until(begun + number / _COMMITS_A_SECOND)
        key = keys[number % len(keys)]
        versions[key] += 1
        client.commit(key, b"x" * PAYLOAD_BYTES, version=versions[key], author="bench")
        answered[key, versions[key]] = time.perf_counter()
    wait_until(lambda: len(seen) >= count, _PATIENCE_S, lambda: f"{count} changes in the mirror, it saw {len(seen)}")
    remove()
    return [max(0.0, seen[one] - at) * 1000 for one, at in answered.items()]


# Many keys


class _Round(NamedTuple):
    """What one round on many keys brought."""

    published: float
    reconcile_ms: float
    ready_ms: float
    fresh_bytes: float
    read_bytes: float
    mirror_ns: float
    dict_ns: float
    watches: float


def many_keys(pace: Pace, results: Results) -> None:
    """Publishing all heads of a journal to an empty tree, and one mirror of it, in a process of its own."""
    with _journal(pace.heads) as journal:
        rounds = [_many_keys_once(journal, pace.heads) for _ in range(pace.rounds)]
    told = {name: [getattr(one, name) for one in rounds] for name in _Round._fields}
    size = f"{pace.heads:,} keys of {PAYLOAD_BYTES} bytes"
    results.record("mirrors/publishing", told["published"], note=f"{size}, to a ZooKeeper that was just started")
    results.record(
        "mirrors/reconcile", told["reconcile_ms"], note=f"{size}: a publisher that knows of nothing any more"
    )
    results.record("mirrors/ready", told["ready_ms"], note=size)
    results.record("mirrors/memory/fresh", told["fresh_bytes"], note=f"{size}, resident, beyond the payload")
    results.record("mirrors/memory/read", told["read_bytes"], note="once every key was read")
    results.record("mirrors/read", told["mirror_ns"], told["dict_ns"])
    results.record("mirrors/watches", told["watches"], note="zk_watch_count with it, less that without it")


@contextmanager
def _journal(heads: int) -> Iterator[Journal]:
    with tempfile.TemporaryDirectory() as folder, Journal(f"sqlite:///{Path(folder) / 'journal.db'}") as journal:
        keys = _keys(heads)
        for start in range(0, heads, _CHANGESET):
            some = keys[start : start + _CHANGESET]
            journal.append_many([draft(key, b"x" * PAYLOAD_BYTES, version=1, author="bench") for key in some])
        yield journal


def _keys(count: int) -> list[str]:
    return [f"service-{n % 997:03d}.setting-{n:06d}" for n in range(count)]


def _many_keys_once(journal: Journal, heads: int) -> _Round:
    with ZooKeeper(heap_mb=_HEAP_MB) as zookeeper:
        with _published(journal, zookeeper.hosts) as took_s:
            before = _watches(zookeeper)
            with mirrored(zookeeper.hosts, _TREE) as found:
                watches = _watches(zookeeper) - before
        reconcile_ms = _reconcile_ms(journal, zookeeper.hosts)
        if found.keys != heads:
            raise WrongMeasure(f"the mirror holds {found.keys} of {heads} keys")
        return _Round(
            heads / took_s, reconcile_ms, found.ready_ms, found.fresh_bytes, found.read_bytes, found.mirror_ns,
            found.dict_ns, watches,
        )  # fmt: skip


@contextmanager
def _published(journal: Journal, hosts: str) -> Iterator[float]:
    """A publisher that runs while the block does; how long it took, in seconds, from its start until all was there."""
    from rainer.publish import Publisher
    from rainer.zk import ZooKeeperOptions

    publisher = Publisher(journal, ZooKeeperOptions(hosts), _ROOT)
    end = journal.position().revision
    begun = time.perf_counter()

    def is_done() -> bool:
        return any(one["revision"] == end for one in publisher.status())

    with publisher:
        wait_until(is_done, _PATIENCE_S, lambda: f"all heads published: {publisher.status()}")
        yield time.perf_counter() - begun


def _reconcile_ms(journal: Journal, hosts: str) -> float:
    """How long a publisher takes to find out that a tree is as the journal says, after its connection broke off."""
    from rainer.publish.feed import JournalFeed
    from rainer.publish.tree_publisher import TreePublisher
    from rainer.zk import Tree, ZooKeeperOptions
    from rainer.zk import ZooKeeper as Connection

    connection = Connection(ZooKeeperOptions(hosts))
    connection.start()
    try:
        feed = JournalFeed(journal.reads, _Ignored())  # type: ignore[arg-type]
        feed.restart()
        tree = TreePublisher(
            connection, feed, journal.namespace("diary"), Tree(_TREE), "bench", adopt=False, wake=lambda: None
        )
        found = [_level_ms(tree) for _ in range(_RECONCILES + 1)]
        return statistics.median(found[1:])
    finally:
        connection.close()


def _level_ms(tree: Any) -> float:
    tree.suspend(is_lost=False)
    begun = time.perf_counter()
    while not tree.is_level:
        tree.turn(time.monotonic())
        if time.perf_counter() - begun > _PATIENCE_S:
            raise WrongMeasure(f"the publisher does not come to rest: {tree.status()}")
    return (time.perf_counter() - begun) * 1000


class _Ignored:
    """An event that nobody waits for."""

    def set(self) -> None:
        pass


def _watches(zookeeper: ZooKeeper) -> int:
    """How many watches the server keeps, once those of sessions that ended are gone."""
    return int(zookeeper.figures()["zk_watch_count"])


# Beside kazoo's own mirror


def tree_cache(pace: Pace, results: Results) -> None:
    """A tenth of the keys, until all are held: ours and kazoo's TreeCache, in turn."""
    count = pace.heads // 10
    ours: list[float] = []
    others: list[float] = []
    with ExitStack() as stack:
        journal = stack.enter_context(_journal(count))
        zookeeper = stack.enter_context(ZooKeeper(heap_mb=_HEAP_MB))
        stack.enter_context(_published(journal, zookeeper.hosts))
        for _ in range(pace.rounds):
            ours.append(count / _ready_s(zookeeper.hosts, count))
            others.append(count / tree_cache_s(zookeeper.hosts, f"{_TREE}/data", _keys(count)))
    results.record("mirrors/treecache", ours, others, f"{count:,} keys, from the start until all are held")


def _ready_s(hosts: str, count: int) -> float:
    """Until our mirror holds them; its end is not counted, nor is that of the other."""
    begun = time.perf_counter()
    with _mirror(hosts) as mirror:
        took = time.perf_counter() - begun
        if len(mirror) != count:
            raise WrongMeasure(f"the mirror holds {len(mirror)} of {count} keys")
        return took
