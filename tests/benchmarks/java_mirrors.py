"""The Java mirror on ZooKeeper: how soon it is ready, and how soon it sees a commit, beside Python's in the same run."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, Final

import rainer
from tests.benchmarks import mirrors
from tests.benchmarks.load import Pace, WrongMeasure
from tests.benchmarks.peers import Rainer
from tests.benchmarks.plain_kazoo import pace_until
from tests.benchmarks.report import Results
from tests.services import java_build
from tests.services.machine import find_binary
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper

ROWS: Final = ("mirrors/java/ready", "mirrors/java/latency")
_TREE: Final = "/rainer/diary"
_KEYS: Final = 1_000
_COMMITS_A_SECOND: Final = 100
_PATIENCE_S: Final = 120.0
_DRIVER: Final = "io.rainer.zookeeper.MirrorDriver"


def missing() -> str | None:
    """Why this machine cannot run it, or None when it can."""
    return java_build.missing()


def measure(pace: Pace, results: Results) -> None:
    """Both rows, each on a ZooKeeper of its own."""
    _ready(pace, results)
    _latency(pace, results)


@contextmanager
def _java_mirror(hosts: str) -> Iterator[tuple[dict[str, Any], Iterator[dict[str, Any]]]]:
    """A JVM with a mirror, as a service starts it: what it says when it is ready, and what it says from then on."""
    command = [
        *(str(find_binary("java")), "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off"),
        *("-cp", java_build.class_path("rainer-zookeeper"), _DRIVER, "zookeeper", hosts, _TREE, "times"),
    ]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    told = (json.loads(line) for line in process.stdout)
    try:
        ready = next((one for one in told if one["event"] == "ready"), None)
        if ready is None:
            raise WrongMeasure("the Java mirror's process ended")
        yield ready, told
    finally:
        process.stdin.close()
        for _ in told:
            pass
        process.stdout.close()
        process.wait(60)


# Until all keys are held


def _ready(pace: Pace, results: Results) -> None:
    found: list[float] = []
    with ExitStack() as stack:
        journal = stack.enter_context(mirrors._journal(pace.heads))
        zookeeper = stack.enter_context(ZooKeeper(heap_mb=mirrors._HEAP_MB))
        stack.enter_context(mirrors._published(journal, zookeeper.hosts))
        for _ in range(pace.rounds):
            with _java_mirror(zookeeper.hosts) as (ready, _):
                if ready["keys"] != pace.heads:
                    raise WrongMeasure(f"the Java mirror holds {ready['keys']} of {pace.heads} keys")
                found.append(float(ready["ms"]))
    note = f"{pace.heads:,} keys of {mirrors.PAYLOAD_BYTES} bytes, from its start in a JVM that has done nothing yet"
    results.record("mirrors/java/ready", found, note=note)


# From a commit's answer until a listener hears of it


def _latency(pace: Pace, results: Results) -> None:
    """The same commits, seen by a Java mirror and a Python mirror of the same tree, each in a process of its own."""
    java, python = [], []
    with ExitStack() as stack:
        zookeeper = stack.enter_context(ZooKeeper())
        server = stack.enter_context(Rainer(arguments=["--zookeeper", zookeeper.hosts]))
        client = stack.enter_context(closing(rainer.Client(f"{server.url}/diary")))
        mirror = stack.enter_context(mirrors._mirror(zookeeper.hosts))
        versions = dict.fromkeys((f"key-{n:04d}" for n in range(_KEYS)), 0)
        seen: dict[tuple[str, int], int] = {}
        mirror.on_change(lambda key, _old, new: seen.setdefault((key, new.version), time.time_ns() // 1000))  # type: ignore[union-attr]
        _, told = stack.enter_context(_java_mirror(zookeeper.hosts))
        _commit(client, versions, 10 * _COMMITS_A_SECOND)  # as warm as it will ever be
        answered: list[dict[tuple[str, int], int]] = []
        for _ in range(pace.rounds):
            answered.append(_commit(client, versions, pace.seconds * _COMMITS_A_SECOND))
        heard = _heard(told, list(answered[-1])[-1])
        wait_until(lambda: list(answered[-1])[-1] in seen, _PATIENCE_S, "the last commit in the Python mirror")
    for round_ in answered:
        java.append(_median_ms(round_, heard))
        python.append(_median_ms(round_, seen))
    note = "three processes and a JVM: the server on SQLite, the client with Python's mirror, ZooKeeper, Java's mirror"
    results.record("mirrors/java/latency", java, python, note)


def _commit(client: rainer.Client, versions: dict[str, int], count: int) -> dict[tuple[str, int], int]:
    """When each of so many commits was answered, in µs of the wall clock."""
    answered = {}
    keys = list(versions)
    begun = time.perf_counter()
    for number in range(count):
        pace_until(begun + number / _COMMITS_A_SECOND)
        key = keys[number % len(keys)]
        versions[key] += 1
        client.commit(key, b"x" * mirrors.PAYLOAD_BYTES, version=versions[key], author="bench")
        answered[key, versions[key]] = time.time_ns() // 1000
    return answered


def _heard(told: Iterator[dict[str, Any]], last: tuple[str, int]) -> dict[tuple[str, int], int]:
    found: dict[tuple[str, int], int] = {}
    for one in told:
        if one["event"] == "change":
            found[one["key"], one["version"]] = one["at_us"]
            if last in found:
                return found
    raise WrongMeasure("the Java mirror ended before it heard of the last commit")


def _median_ms(answered: dict[tuple[str, int], int], seen: dict[tuple[str, int], int]) -> float:
    wait: Callable[[tuple[str, int]], float] = lambda one: max(0, seen[one] - answered[one]) / 1000  # noqa: E731
    return statistics.median(wait(one) for one in answered)
