"""From a path to what it stands for, in a manifest of 100,000 assets that a mirror holds; without the cache's part."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import rainer
from rainer.model.manifest import Entry, Manifest
from tests.asset_places import Journal, new_store
from tests.benchmarks.load import Pace, WrongMeasure
from tests.benchmarks.report import Results
from tests.benchmarks.rounds import interleave

ROWS: Final = ("assets/resolve", "assets/resolve/dict", "assets/resolve/first", "assets/parse")
_ASSETS: Final = 100_000
_ASKED: Final = 5_000


def resolving(pace: Pace, results: Results) -> None:
    """Known paths again, in any order, through everything but the cache; beside it, a plain dict's own lookup."""
    count = _ASSETS if pace.heads >= _ASSETS else pace.heads
    entries = {f"/models/{n % 100}/asset-{n}.bin": Entry("1.0.0", f"{n:064x}", n) for n in range(count)}
    asked = random.Random(1).sample(sorted(entries), min(_ASKED, count))
    journal = Journal()
    journal.change(entries)
    whole = Manifest(entries).to_bytes()
    with TemporaryDirectory() as folder, journal.mirror() as mirror:
        firsts = [_first_ms(mirror, path, Path(folder)) for path in asked[: pace.rounds]]
        with rainer.Assets(mirror, store=new_store(), cache=folder) as assets:
            plain = {path: assets._view().find(path) for path in entries}
            if plain[asked[0]].sha256 != entries[asked[0]].sha256:
                raise WrongMeasure("what was resolved is not what was committed")
            timed: Mapping[str, Callable[[], float]] = {
                "ours": partial(_lookup_us, lambda path: assets._view().find(path), asked),
                "dict": partial(_lookup_us, lambda path: plain[path], asked),
                "parse": partial(_parse_ms, whole),
            }
            interleave(timed, 1)
            found = interleave(timed, pace.rounds)
    results.record("assets/resolve", found["ours"], note=f"{count:,} assets in parts, without the cache's stat")
    results.record("assets/resolve/dict", found["ours"], found["dict"])
    results.record("assets/resolve/first", firsts, note="new rainer.Assets on a mirror that is there")
    results.record("assets/parse", found["parse"], note=f"{len(whole):,} bytes in one piece, entries read when needed")


def _first_ms(mirror: rainer.Mirror, path: str, folder: Path) -> float:
    begun = time.perf_counter()
    with rainer.Assets(mirror, store=new_store(), cache=folder) as assets:
        assets._view().find(path)
        return (time.perf_counter() - begun) * 1e3


def _lookup_us(look_up: Callable[[str], object], asked: list[str]) -> float:
    begun = time.thread_time()  # of so short a time, what others do meanwhile is no part
    for path in asked:
        look_up(path)
    return (time.thread_time() - begun) / len(asked) * 1e6


def _parse_ms(data: bytes) -> float:
    begun = time.perf_counter()
    Manifest.parse(data)
    return (time.perf_counter() - begun) * 1e3
