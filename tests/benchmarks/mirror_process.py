"""One mirror in a process of its own, which says how quickly it was ready, what it weighs and how fast it is read.

`python -m tests.benchmarks.mirror_process HOSTS PATH` writes a line of JSON when it is ready, and ends with its stdin.
"""

from __future__ import annotations

import gc
import json
import random
import subprocess
import sys
import time
import timeit
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.benchmarks.load import WrongMeasure

_TOP = Path(__file__).resolve().parents[2]
_READS = 200_000
_REPEATS = 5


class Mirrored(NamedTuple):
    """Times in ms, reads in ns; bytes are resident memory a key beyond its payload, fresh and once all were read."""

    keys: int
    ready_ms: float
    fresh_bytes: float
    read_bytes: float
    mirror_ns: float
    dict_ns: float


@contextmanager
def mirrored(hosts: str, path: str) -> Iterator[Mirrored]:
    """A mirror in another process, for as long as the block runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.mirror_process", hosts, path],
        cwd=_TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise WrongMeasure("the mirror's process ended")
        yield Mirrored(**json.loads(line))
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(60)


def _resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def _read_ns(mapping: Mapping[str, object], keys: list[str]) -> float:
    """One read of a key, the loop around it taken off."""

    def reads() -> None:
        for key in keys:
            mapping[key]

    def loop() -> None:
        for _ in keys:
            pass

    best = min(timeit.repeat(reads, number=1, repeat=_REPEATS)) - min(timeit.repeat(loop, number=1, repeat=_REPEATS))
    return best / len(keys) * 1e9


def main() -> None:
    """Measure, and stay until stdin ends."""
    import rainer
    import rainer.mirror.zookeeper_source  # so that what is imported late is neither time nor weight of the mirror

    hosts, path = sys.argv[1:]
    before = _resident()
    begun = time.perf_counter()
    with rainer.Mirror.zookeeper(hosts, path) as mirror:
        ready_ms = (time.perf_counter() - begun) * 1000
        count = len(mirror)
        fresh = _resident() - before
        payloads = sum(len(commit.payload or b"") for commit in mirror.values())
        read = _resident() - before
        keys = random.Random(count).choices(list(mirror), k=_READS)
        plain = dict(mirror)
        found = Mirrored(
            count, ready_ms, (fresh - payloads) / count, (read - payloads) / count,
            _read_ns(mirror, keys), _read_ns(plain, keys),
        )  # fmt: skip
        del plain
        print(json.dumps(found._asdict()), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
