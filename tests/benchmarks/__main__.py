"""`python -m tests.benchmarks [--quick] [--strict] [--only TEXT] [--json FILE] [--folder DIR]`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks import (
    caching,
    fan_out,
    fetching,
    holding,
    java_mirrors,
    listing,
    load,
    machine,
    mirrors,
    opening,
    pages,
    resolving,
    throughput,
)
from tests.benchmarks.load import Pace, WrongMeasure
from tests.benchmarks.peers import EtcdPeer
from tests.benchmarks.report import Results, table
from tests.services.machine import new_folder, unprivileged_user
from tests.services.mariadb import MariaDB
from tests.services.postgresql import PostgreSQL
from tests.services.process_service import ServiceError
from tests.services.seaweedfs import SeaweedFS
from tests.services.zookeeper import ZooKeeper

_FULL = Pace(rounds=5, seconds=3, warm_up_s=1, heads=100_000)
_QUICK = Pace(rounds=1, seconds=1, warm_up_s=0, heads=2_000, http_mirrors=50, objects_share=0.02)


class Stage(NamedTuple):
    """Some rows that are measured together, and who must be there for it."""

    name: str
    run: Callable[[Pace, Results], None]
    needs: tuple[Callable[[], str | None], ...]
    rows: tuple[str, ...]


_STAGES = (
    Stage(
        "64 writers and 64 readers on PostgreSQL", throughput.on_postgresql, (load.missing_wrk, PostgreSQL.available),
        ("commits/postgresql/etcd", "commits/postgresql/one", "reads/postgresql/etcd", "groups/postgresql"),
    ),
    Stage(
        "64 writers on SQLite", throughput.on_sqlite, (load.missing_wrk,), ("commits/sqlite/one", "groups/sqlite")
    ),
    Stage(
        "64 writers on MariaDB", throughput.on_mariadb, (load.missing_wrk, MariaDB.available),
        ("commits/mariadb/one", "groups/mariadb"),
    ),
    Stage("identity and a schema, 64 writers on SQLite", holding.on_sqlite, (load.missing_wrk,), holding.ROWS),
    Stage(
        "1 writer", throughput.with_one_writer, (load.missing_wrk, PostgreSQL.available, EtcdPeer.available),
        ("single/postgresql/p50", "single/postgresql/p99", "single/sqlite/p50", "single/sqlite/p99"),
    ),
    Stage(
        "lists on PostgreSQL", listing.on_postgresql, (PostgreSQL.available,),
        (*listing.rows("postgresql"), "memory/postgresql"),
    ),
    Stage(
        "lists on SQLite", listing.on_sqlite, (), (*listing.rows("sqlite"), "memory/sqlite")
    ),
    Stage(
        "ZooKeeper mirrors: how soon", mirrors.latency, (ZooKeeper.available,), ("mirrors/zookeeper/latency",)
    ),
    Stage(
        "ZooKeeper mirrors: many keys", mirrors.many_keys, (ZooKeeper.available,),
        (
            "mirrors/ready", "mirrors/memory/fresh", "mirrors/memory/read", "mirrors/watches", "mirrors/read",
            "mirrors/publishing", "mirrors/reconcile",
        ),
    ),
    Stage(
        "ZooKeeper mirrors: beside kazoo's", mirrors.tree_cache, (ZooKeeper.available,), ("mirrors/treecache",)
    ),
    Stage("the web page: many keys", pages.many_keys, (), pages.ROWS),
    Stage(
        "Java mirrors on ZooKeeper", java_mirrors.measure, (ZooKeeper.available, java_mirrors.missing),
        java_mirrors.ROWS,
    ),
    Stage("cache hits", caching.hits, (caching.missing_peers,), caching.HIT_ROWS),
    Stage("fetch from S3", fetching.fetching, (SeaweedFS.available, fetching.missing_s5cmd), fetching.ROWS),
    Stage("resolve assets", resolving.resolving, (), resolving.ROWS),
    Stage("fsspec open", opening.warm, (opening.missing,), opening.ROWS),
    Stage("cache eviction", caching.eviction, (), caching.EVICTION_ROWS),
    Stage("HTTP mirrors on one server", fan_out.on_one_server, (), ("mirrors/http/spread",)),
)  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Measure everything; 0, or 1 where a stage failed or, with --strict, a target was not met."""
    given = _parse(arguments)
    if given.folder is not None:
        tempfile.tempdir = str(given.folder.resolve())
    folder = new_folder("benchmarks", unprivileged_user())
    facts, warnings = machine.facts(folder), machine.warnings(folder)
    folder.rmdir()
    pace = _QUICK if given.quick else _FULL
    _introduce(facts, warnings, pace)

    bystanders, begun, results = machine.Bystanders(), time.monotonic(), Results()
    for stage in _STAGES:
        if given.only.lower() in stage.name.lower():
            _run(stage, pace, results)
        else:
            results.excuse(stage.rows, "not asked for")
    closing = f"{bystanders.verdict()} The run took {time.monotonic() - begun:.0f} s."

    print(f"\n{table(results.rows.values())}\n\n{closing}")
    for failure in results.failures:
        print(f"FAILED: {failure}")
    if given.json is not None:
        rows = {name: row.as_dict() for name, row in results.rows.items()}
        found = {"machine": facts, "warnings": warnings, "pace": asdict(pace), "rows": rows, "closing": closing}
        given.json.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return 1 if results.failures or (given.strict and not results.all_met) else 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Rainer's promises about speed.")
    parser.add_argument("--quick", action="store_true", help="a minute's run to see that it works; no figures to quote")
    parser.add_argument("--strict", action="store_true", help="exit code 1 unless every target was measured and met")
    parser.add_argument("--only", metavar="TEXT", default="", help="only the stages with TEXT in their name")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured to FILE as well")
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="where the databases go, if not the temporary folder"
    )
    return parser.parse_args(arguments)


def _introduce(facts: Mapping[str, str], warnings: Sequence[str], pace: Pace) -> None:
    width = max(map(len, facts)) + 2
    for name, text in facts.items():
        print(f"{name:{width}}{text}")
    for warning in warnings:
        print(f"WARNING: {warning}")
    print(
        f"\nRounds: {pace.rounds}, everyone in turn ({pace.without_target().rounds} where nothing is promised);"
        f" {pace.seconds} s a measure after {pace.warm_up_s} s of warm-up."
        f"\nLoad: wrk, one thread, on the same processors as server and database; {load.KEYS:,} keys,"
        f" payloads of {load.PAYLOAD_BYTES} bytes."
        "\nEvery write that is counted was found to be kept, under settings that sync it before the answer."
        "\nShown are medians, with the least and the most in brackets; a ratio is the median of the rounds' ratios.\n",
        flush=True,
    )


def _run(stage: Stage, pace: Pace, results: Results) -> None:
    reasons = [reason for reason in (need() for need in stage.needs) if reason]
    if reasons:
        results.excuse(stage.rows, "; ".join(reasons))
        return
    print(f"Measuring {stage.name} ...", flush=True)
    try:
        stage.run(pace, results)
    except (WrongMeasure, ServiceError, TimeoutError) as e:
        results.failures.append(f"{stage.name}: {e}")
        results.excuse(stage.rows, "failed, see below")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
