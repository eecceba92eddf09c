"""The Java mirror on ZooKeeper: how soon it is ready, and how soon it sees a commit, beside Python's in the run."""

from __future__ import annotations

import json
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Any, Final, Self

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


class _JavaMirror:
    """A JVM with a mirror, as a service starts it: what it says when it is ready, and when it heard of each change."""

    def __init__(self, hosts: str) -> None:
        command = [
            *(str(find_binary("java")), "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off"),
            *("-cp", java_build.class_path("rainer-zookeeper"), _DRIVER, "zookeeper", hosts, _TREE, "times"),
        ]
        self.heard: dict[tuple[str, int], int] = {}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._ready: dict[str, Any] | None = None
        # What is told must be read, or the pipe fills and the mirror's listener waits.
        self._reader = threading.Thread(target=self._read, name="java-mirror", daemon=True)

    @property
    def ready(self) -> dict[str, Any]:
        assert self._ready is not None
        return self._ready

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if told["event"] == "change":
                self.heard[told["key"], told["version"]] = told["at_us"]
            elif told["event"] == "ready":
                self._ready = told

    def __enter__(self) -> Self:
        self._reader.start()
        wait_until(lambda: self._ready or not self._reader.is_alive(), _PATIENCE_S, "the Java mirror")
        if self._ready is None:
            raise WrongMeasure("the Java mirror's process ended")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._reader.join(_PATIENCE_S)
        self._process.stdout.close()
        self._process.wait(_PATIENCE_S)


# Until all keys are held


def _ready(pace: Pace, results: Results) -> None:
    found: list[float] = []
    with ExitStack() as stack:
        journal = stack.enter_context(mirrors._journal(pace.heads))
        zookeeper = stack.enter_context(ZooKeeper(heap_mb=mirrors._HEAP_MB))
        stack.enter_context(mirrors._published(journal, zookeeper.hosts))
        for _ in range(pace.rounds):
            with _JavaMirror(zookeeper.hosts) as java:
                if java.ready["keys"] != pace.heads:
                    raise WrongMeasure(f"the Java mirror holds {java.ready['keys']} of {pace.heads} keys")
                found.append(float(java.ready["ms"]))
    note = f"{pace.heads:,} keys of {mirrors.PAYLOAD_BYTES} bytes, from its start in a JVM that has done nothing yet"
    results.record("mirrors/java/ready", found, note=note)


# From a commit's answer until a listener hears of it


def _latency(pace: Pace, results: Results) -> None:
    """The same commits, seen by a Java mirror and a Python mirror of the same tree."""
    with ExitStack() as stack:
        zookeeper = stack.enter_context(ZooKeeper())
        server = stack.enter_context(Rainer(arguments=["--zookeeper", zookeeper.hosts]))
        client = stack.enter_context(closing(rainer.Client(f"{server.url}/diary")))
        mirror = stack.enter_context(mirrors._mirror(zookeeper.hosts))
        versions = dict.fromkeys((f"key-{n:04d}" for n in range(_KEYS)), 0)
        seen: dict[tuple[str, int], int] = {}
        mirror.on_change(lambda key, _old, new: seen.setdefault((key, new.version), time.time_ns() // 1000))  # type: ignore[union-attr]
        java = stack.enter_context(_JavaMirror(zookeeper.hosts))
        _commit(client, versions, 10 * _COMMITS_A_SECOND)  # as warm as it will ever be
        answered = [_commit(client, versions, pace.seconds * _COMMITS_A_SECOND) for _ in range(pace.rounds)]
        last = list(answered[-1])[-1]
        wait_until(lambda: last in seen and last in java.heard, _PATIENCE_S, "the last commit in both mirrors")
    ours = [_median_ms(round_, java.heard) for round_ in answered]
    others = [_median_ms(round_, seen) for round_ in answered]
    note = "Java's mirror in a JVM, Python's in the client's process, the server in another, on SQLite"
    results.record("mirrors/java/latency", ours, others, note)


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


def _median_ms(answered: dict[tuple[str, int], int], seen: dict[tuple[str, int], int]) -> float:
    wait: Callable[[tuple[str, int]], float] = lambda one: max(0, seen[one] - answered[one]) / 1000  # noqa: E731
    return statistics.median(wait(one) for one in answered)
