"""Many keys of 200 bytes in a mirror: what they cost. Times are printed, for machines differ; memory is held.

100,000 are the benchmarks' affair; these are enough to tell what one costs.
"""

from __future__ import annotations

import gc
import random
import time
import timeit
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rainer.mirror.snapshot import SnapshotFile
from rainer.model import times
from rainer.model.commit import Commit
from rainer.model.packed import Kind, PackedHead, pack_records, unpack_records
from rainer.model.serialization import to_bytes
from tests.mirrors import Loaded, at, head, mirror_of

KEYS = 20_000
PAYLOAD_BYTES = 200
BYTES_A_KEY_MAX = 800


@pytest.fixture(scope="module")
def packed() -> bytes:
    chance = random.Random(7)

    def heads() -> Iterator[PackedHead]:
        for n in range(KEYS):
            payload = chance.randbytes(PAYLOAD_BYTES // 2).hex().encode()
            mtime = times.from_ms(1_700_000_000_000 + n)
            made = Commit(f"some.key-{n}", n % 50 + 1, payload, "someone@example.com", "why it was changed", mtime)
            yield PackedHead(made.key, made.version, n + 1, Kind.HEAD, to_bytes(made))

    return pack_records(heads())


class Packed(Loaded):
    """Has its heads made while they are loaded, as a source does that reads them."""

    def __init__(self, packed: bytes) -> None:
        super().__init__()
        self.packed = packed

    def start(self, sink: object) -> None:
        self.sink = sink  # type: ignore[assignment]
        self.load(unpack_records(self.packed), at(KEYS))


@contextmanager
def timed(what: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - begun:.3f} s")


@pytest.mark.parametrize("reads", [False, True], ids=["as loaded", "all read"])
def test_the_memory_that_they_take(packed: bytes, reads: bool) -> None:
    gc.collect()
    tracemalloc.start()
    try:
        source = Packed(packed)
        with mirror_of(source) as mirror:
            if reads:
                for key in mirror:
                    assert mirror[key].payload
            source.packed = b""
            gc.collect()
            bytes_a_key = tracemalloc.get_traced_memory()[0] / KEYS - PAYLOAD_BYTES
            print(f"{bytes_a_key:.0f} bytes a key beyond the payload")
            assert len(mirror) == KEYS
    finally:
        tracemalloc.stop()
    assert bytes_a_key <= BYTES_A_KEY_MAX


def test_the_time_that_they_take(packed: bytes, tmp_path: Path) -> None:
    source = Packed(packed)
    mirror = mirror_of(source, snapshot=tmp_path / "diary")
    with timed("loading into the mirror"):
        mirror.start()
    with timed("reading each for the first time"):
        plain = mirror.snapshot()
    with timed("dict(mirror)"):
        assert dict(mirror) == plain
    with timed("snapshot()"):
        assert mirror.snapshot() == plain
    keys = list(plain)[:1000]
    mirror.get("to read on from what is held now")
    rounds = {
        name: min(
            timeit.repeat("for key in keys: held[key]", number=100, repeat=9, globals={"held": held, "keys": keys})
        )
        for name, held in (("a dict", plain), ("the mirror", mirror))
    }
    print(f"a read: {rounds['the mirror'] / rounds['a dict']:.2f} × a dict's")
    with timed("1,000 changes, one at a time"):
        for n in range(1000):
            assert source.sink.apply([head(f"some.key-{n}", 100, b"x" * PAYLOAD_BYTES)], at(KEYS + n + 1))
    with timed("the last snapshot to disk, and the end"):
        mirror.close()
    with timed("reading it back"):
        found = SnapshotFile(tmp_path / "diary", "diary").load()
    assert found is not None
    assert len(found.records) == KEYS
    print(f"{(tmp_path / 'diary').stat().st_size / KEYS:.0f} bytes a key on disk")
