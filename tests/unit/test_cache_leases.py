"""Leases: who lives, what was given out, and what that keeps, also where the file system is not itself."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from rainer.cache import leases as leases_module
from rainer.cache.eviction import YOUNG_S
from rainer.cache.warm import TOUCH_S
from tests.caching import OwnStore, cache_of, digest, used_before
from tests.unit.test_cache_eviction import data, fetch, filled, there


@pytest.fixture
def store() -> OwnStore:
    return OwnStore("memory://leases")


def test_what_was_given_out_just_now_is_young_however_long_it_is_in_use(
    store: OwnStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert TOUCH_S <= YOUNG_S / 2
    with cache_of(store, tmp_path) as cache, cache_of(store, tmp_path) as other:
        path = fetch(cache, store, 0)
        used_before(path, YOUNG_S + 1)
        later = time.monotonic() + YOUNG_S + 1
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert fetch(cache, store, 0) == path
        other.gc(0)
        assert path.exists()


def test_on_a_file_system_that_grants_no_exclusive_lock_to_readers_the_dead_are_told_from_the_living(
    store: OwnStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NFS does: flock(2), "in order to place an exclusive lock, the file must be opened for writing"."""
    real = fcntl.flock

    def flock(number: int, how: int) -> None:
        access = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE
        if (how & fcntl.LOCK_EX and access == os.O_RDONLY) or (how & fcntl.LOCK_SH and access == os.O_WRONLY):
            raise OSError(errno.EBADF, "Bad file descriptor")
        real(number, how)

    monkeypatch.setattr("fcntl.flock", flock)
    cache, paths = filled(store, tmp_path, 4)
    (tmp_path / "tmp" / "arriving.1.abc").write_bytes(bytes(50))
    (tmp_path / "leases" / "host-1-abc").write_text(f"+ {digest(data(1))}\n")
    with cache, cache_of(store, tmp_path) as other, other.hold([digest(data(0))]):
        report = cache.gc(0)
        assert (report.removed, report.temporary) == (3, 1)
        assert there(paths) == [0]


def test_a_hold_that_could_not_be_written_down_is_when_it_can(
    store: OwnStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, paths = filled(store, tmp_path, 3)
    with cache, cache_of(store, tmp_path) as other:
        fetch(other, store, 2)
        full = OSError(errno.ENOSPC, "No space left on device")
        with monkeypatch.context() as patch:
            patch.setattr(leases_module.os, "write", lambda *_: (_ for _ in ()).throw(full))
            hold = other.hold([digest(data(0))])
        with hold:
            fetch(other, store, 1)
            used_before(paths[1], 1000)
            used_before(paths[2], 1000)
            cache.gc(0)
            assert there(paths) == [0]


def test_who_lists_the_cache_takes_no_lease_away(
    store: OwnStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look whether a lease's owner lives locks its file for a moment, perhaps before the owner does."""
    cache, paths = filled(store, tmp_path, 2)
    looks: list[threading.Timer] = []
    begin = cache._parts.layout.open

    def looked_at(path: str, flags: int) -> int:
        number = begin(path, flags)
        if "/leases/" in path:
            looking = os.open(path, os.O_RDONLY)
            fcntl.flock(looking, fcntl.LOCK_SH)
            looks.append(threading.Timer(0.05, os.close, (looking,)))
            looks[-1].start()
        return number

    monkeypatch.setattr(cache._parts.layout, "open", looked_at)
    with cache, cache.hold([digest(data(0))]), cache_of(store, tmp_path) as other:
        assert looks
        for look in looks:
            look.join()
        other.gc(0)
        assert there(paths) == [0]
