"""Commits, head reads and the latency of one writer, under wrk."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial

from tests.benchmarks import load
from tests.benchmarks.load import Load, Pace, Peer
from tests.benchmarks.peers import EtcdPeer, OneTransaction, Rainer, check_durable, read_keys
from tests.benchmarks.report import Results
from tests.benchmarks.rounds import interleave
from tests.services.mariadb import MariaDB
from tests.services.postgresql import PostgreSQL

_READ_PREFIX = "read-"


def on_postgresql(pace: Pace, results: Results) -> None:
    """64 writers, then 64 readers, on PostgreSQL; etcd beside it where there is one."""
    no_etcd = EtcdPeer.available()
    with ExitStack() as stack:
        database = stack.enter_context(PostgreSQL())
        check_durable(database)
        ours = stack.enter_context(Rainer(database.create_database()))
        one = stack.enter_context(OneTransaction(database.create_database()))
        etcd = None if no_etcd else stack.enter_context(EtcdPeer())
        peers: dict[str, tuple[Peer, str]] = {"ours": (ours, "commit"), "one": (one, "commit")}
        if etcd is not None:
            peers["etcd"] = (etcd, "put")
        found = _write_in_turns(peers, pace)
        results.record("commits/postgresql/one", *_rates(found, "ours", "one"))
        _record_groups(results, "groups/postgresql", ours)
        if etcd is not None:
            results.record("commits/postgresql/etcd", *_rates(found, "ours", "etcd"))
            one.stop()
            _read_heads(ours, etcd, pace, results)
    results.excuse(("commits/postgresql/etcd", "reads/postgresql/etcd"), no_etcd or "")


def _read_heads(ours: Rainer, etcd: EtcdPeer, pace: Pace, results: Results) -> None:
    keys = read_keys(_READ_PREFIX)
    ours.fill(keys)
    etcd.fill(keys)
    measures = {
        "ours": partial(load.read, ours, "get", pace, _READ_PREFIX),
        "etcd": partial(load.read, etcd, "range", pace, _READ_PREFIX),
    }
    found = interleave(measures, pace.rounds)
    results.record("reads/postgresql/etcd", *_rates(found, "ours", "etcd"))


def on_sqlite(pace: Pace, results: Results) -> None:
    """64 writers on SQLite."""
    with Rainer() as ours, OneTransaction() as one:
        _compare_with_one(ours, one, pace, results, "sqlite")


def on_mariadb(pace: Pace, results: Results) -> None:
    """64 writers on MariaDB."""
    with (
        MariaDB() as database,
        Rainer(database.create_database()) as ours,
        OneTransaction(database.create_database()) as one,
    ):
        _compare_with_one(ours, one, pace.without_target(), results, "mariadb")


def _compare_with_one(ours: Rainer, one: OneTransaction, pace: Pace, results: Results, name: str) -> None:
    found = _write_in_turns({"ours": (ours, "commit"), "one": (one, "commit")}, pace)
    results.record(f"commits/{name}/one", *_rates(found, "ours", "one"))
    _record_groups(results, f"groups/{name}", ours)


def with_one_writer(pace: Pace, results: Results) -> None:
    """The latency that a writer sees who is alone: nobody to share a group, or its fsync, with."""
    with (
        PostgreSQL() as database,
        Rainer(database.create_database()) as postgresql,
        Rainer() as sqlite,
        EtcdPeer() as etcd,
    ):
        peers: dict[str, tuple[Peer, str]] = {
            "postgresql": (postgresql, "commit"),
            "sqlite": (sqlite, "commit"),
            "etcd": (etcd, "put"),
        }
        found = _write_in_turns(peers, pace.without_target(), connections=1)
        for name in ("postgresql", "sqlite"):
            for quantile in ("p50", "p99"):
                ours, theirs = ([getattr(one, f"{quantile}_ms") for one in found[who]] for who in (name, "etcd"))
                results.record(f"single/{name}/{quantile}", ours, theirs)


def _write_in_turns(
    peers: Mapping[str, tuple[Peer, str]], pace: Pace, connections: int = load.CONNECTIONS
) -> dict[str, list[Load]]:
    measures = {name: partial(load.write, peer, kind, pace, connections) for name, (peer, kind) in peers.items()}
    return interleave(measures, pace.rounds)


def _rates(found: Mapping[str, list[Load]], ours: str, other: str) -> tuple[list[float], list[float]]:
    return [one.rate for one in found[ours]], [one.rate for one in found[other]]


def _record_groups(results: Results, name: str, ours: Rainer) -> None:
    commits, groups = ours.groups()
    if groups:
        results.record(name, [commits / groups])
