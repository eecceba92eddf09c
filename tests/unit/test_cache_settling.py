"""What a power cut may have torn is hashed before it is served, once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from rainer.cache import blobs
from rainer.cache.settling import SETTLED_S
from tests.caching import OwnStore, cache_of, digest

DATA = os.urandom(10_000)
LONG_AGO_S = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC) - 1e6


@pytest.fixture
def store() -> OwnStore:
    return OwnStore("memory://settling")


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were hashed to be compared."""
    found: list[str] = []
    real = blobs.digest_of

    def digest_of(path: str) -> str | None:
        found.append(path)
        return real(path)

    monkeypatch.setattr(blobs, "digest_of", digest_of)
    return found


def before_the_start(path: Path, used_after_s: float) -> None:
    """Let a file be one that came before the machine was started, and was last used so long after it came."""
    os.utime(path, (LONG_AGO_S, LONG_AGO_S))
    os.utime(path.parent, (LONG_AGO_S + used_after_s, LONG_AGO_S + used_after_s))


def test_a_file_of_the_right_size_that_a_power_cut_tore_is_fetched_again(store: OwnStore, tmp_path: Path) -> None:
    uri = store.set("data.bin", DATA)
    with cache_of(store, tmp_path) as cache:
        path = cache.get(uri, sha256=digest(DATA), size=len(DATA))
    path.chmod(0o644)
    path.write_bytes(DATA[:4096] + bytes(4096) + DATA[8192:])  # a hole, where the range between was not yet written
    before_the_start(path, 1)
    with cache_of(store, tmp_path) as cache:
        assert cache.get(uri, sha256=digest(DATA), size=len(DATA)) == path
        assert path.read_bytes() == DATA
        assert len(store.opened) == 2


def test_a_whole_file_of_before_the_start_is_hashed_once(store: OwnStore, tmp_path: Path, hashed: list[str]) -> None:
    uri = store.set("data.bin", DATA)
    with cache_of(store, tmp_path) as cache:
        path = cache.get(uri, sha256=digest(DATA), size=len(DATA))
    for used_after_s, times in ((0, 1), (SETTLED_S - 1, 1), (SETTLED_S + 1, 0)):
        before_the_start(path, used_after_s)
        hashed.clear()
        for _ in range(3):
            with cache_of(store, tmp_path) as cache:
                assert cache.get(uri, sha256=digest(DATA), size=len(DATA)) == path
        assert hashed == [str(path)] * times
    assert len(store.opened) == 1


def test_a_file_without_a_digest_is_looked_at_as_well(store: OwnStore, tmp_path: Path) -> None:
    uri = store.set("data.bin", DATA)
    with cache_of(store, tmp_path) as cache:
        path = cache(uri)
    path.chmod(0o644)
    path.write_bytes(bytes(len(DATA)))
    before_the_start(path, 1)
    with cache_of(store, tmp_path) as cache:
        assert cache(uri).read_bytes() == DATA


def test_no_other_name_of_a_torn_file_is_left(store: OwnStore, tmp_path: Path) -> None:
    uri = store.set("data.bin", DATA)
    with cache_of(store, tmp_path) as cache:
        path = cache.get(uri, sha256=digest(DATA), size=len(DATA))
    path.chmod(0o644)
    path.write_bytes(bytes(len(DATA)))
    before_the_start(path, 1)
    with cache_of(store, tmp_path) as cache:
        assert cache.get(uri, sha256=digest(DATA), size=len(DATA), name="other.bin").read_bytes() == DATA
    with cache_of(store, tmp_path) as cache:
        assert cache.get(uri, sha256=digest(DATA), size=len(DATA)).read_bytes() == DATA
