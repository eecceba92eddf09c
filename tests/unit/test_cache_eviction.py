"""The limit: who goes first, who never goes, and what the count of bytes is worth."""

from __future__ import annotations

import errno
import gc
import os
import time
from pathlib import Path
from typing import Any

import pytest

from rainer.cache import AssetCache
from rainer.cache import room as room_module
from rainer.cache.eviction import Eviction, Used
from rainer.cache.gate import LINES_MAX, Usage
from rainer.errors import NoSpace
from tests.caching import OwnStore, cache_of, digest, used_before

SIZE = 1000


@pytest.fixture
def store() -> OwnStore:
    return OwnStore("memory://eviction")


def data(number: int) -> bytes:
    return b"%d\n" % number + bytes(SIZE - len(b"%d\n" % number))


def fetch(cache: AssetCache, store: OwnStore, number: int, ago_s: float | None = None) -> Path:
    """Get the file of a number; with `ago_s`, let it be one last used so long ago."""
    content = data(number)
    path = cache.get(store.set(f"{number}", content), sha256=digest(content), size=SIZE)
    if ago_s is not None:
        used_before(path, ago_s)
    return path


def filled(store: OwnStore, folder: Path, count: int, **options: object) -> tuple[AssetCache, list[Path]]:
    """A cache with old files of which the first was used longest ago, given to nobody who lives."""
    with cache_of(store, folder) as cache:
        paths = [fetch(cache, store, n, 10_000 - n) for n in range(count)]
    return cache_of(store, folder, **options), paths


def there(paths: list[Path]) -> list[int]:
    return [number for number, path in enumerate(paths) if path.exists()]


def test_before_a_file_comes_in_the_least_used_go(store: OwnStore, tmp_path: Path) -> None:
    cache, paths = filled(store, tmp_path, 10, size_bytes_max=10 * SIZE)
    with cache:
        fetch(cache, store, 0)  # used again
        assert there(paths) == list(range(10))
        new = fetch(cache, store, 10)
        assert new.exists()
        assert there(paths) == [0, 3, 4, 5, 6, 7, 8, 9]  # a tenth is freed at once
        assert cache.info().size_bytes <= 10 * SIZE


def test_also_a_file_whose_size_nobody_told_finds_room(store: OwnStore, tmp_path: Path) -> None:
    cache, paths = filled(store, tmp_path, 10, size_bytes_max=10 * SIZE)
    with cache:
        cache(store.set("unpinned", bytes(2 * SIZE)))
        (tmp_path / "local").write_bytes(bytes(SIZE) + b"local")
        assert cache.info().size_bytes <= 10 * SIZE
        cache.add(tmp_path / "local")
        assert cache.info().size_bytes <= 10 * SIZE
        assert there(paths)


def test_many_go_at_a_time(store: OwnStore, tmp_path: Path) -> None:
    cache, paths = filled(store, tmp_path, 130)
    with cache, cache.hold([digest(data(7))]):
        report = cache.gc(10 * SIZE)
        assert (report.removed, report.freed_bytes) == (120, 120 * SIZE)
        assert there(paths) == [7, *range(121, 130)]
        assert cache._parts.gate.usage() == (10, 10 * SIZE)


def test_what_is_used_while_an_eviction_is_under_way_stays(
    store: OwnStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, paths = filled(store, tmp_path, 5)
    count = Eviction._usage

    def use_one(self: Eviction, used: list[Used], recount: bool) -> Usage:
        os.utime(paths[2].parent)
        return count(self, used, recount)

    monkeypatch.setattr(Eviction, "_usage", use_one)
    with cache:
        cache.gc(0)
        assert there(paths) == [2]


def test_what_is_held_pinned_or_young_stays(store: OwnStore, tmp_path: Path) -> None:
    cache, paths = filled(store, tmp_path, 10)
    with cache, cache_of(store, tmp_path) as other:
        used_before(paths[3], 10)
        cache.pin("prod live", [digest(data(1))])
        with other.hold([digest(data(0)), digest(data(2))]):
            assert cache.gc(0, dry_run=True).removed == 6
            assert there(paths) == list(range(10))
            assert cache.gc(0).removed == 6
            assert there(paths) == [0, 1, 2, 3]
        assert cache.gc(0).removed == 2
        used_before(paths[3], 100)
        assert cache.gc(0).removed == 1
        assert cache.pins() == {"prod live": frozenset([digest(data(1))])}
        assert cache.unpin("prod live")
        assert not cache.unpin("prod live")
        report = cache.gc(0)
        assert (report.removed, report.freed_bytes, report.kept_bytes) == (1, SIZE, 0)
    assert not any((tmp_path / "blobs").rglob("*.*"))


def test_pins_that_cannot_be_read_for_now_may_pin_anything(
    store: OwnStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache, paths = filled(store, tmp_path, 3)
    with cache:
        cache.pin("live", [digest(data(1))])
        (file,) = (tmp_path / "leases").glob("*.pins")
        with monkeypatch.context() as patch:
            real = open

            def failing(path: Any, *arguments: Any, **options: Any) -> Any:
                if str(path) == str(file):
                    raise OSError(errno.EIO, "Input/output error")
                return real(path, *arguments, **options)

            patch.setattr("builtins.open", failing)
            assert cache.gc(0).removed == 0
            assert cache.info().held == 3
            with cache_of(store, tmp_path, size_bytes_max=3 * SIZE) as full, pytest.raises(NoSpace):
                fetch(full, store, 3)
            assert "nothing is removed" in caplog.text
        assert cache.gc(0).removed == 2
        assert there(paths) == [1]
        file.write_text("damaged")
        assert cache.unpin(file.name)
        assert not cache.unpin(file.name)
        assert cache.gc(0).removed == 1


def test_what_a_living_process_was_given_goes_last(store: OwnStore, tmp_path: Path) -> None:
    cache, paths = filled(store, tmp_path, 10)
    with cache, cache_of(store, tmp_path) as reader:
        for number in (0, 1, 2):
            fetch(reader, store, number, 10_000 - number)
        cache.gc(4 * SIZE)
        assert there(paths) == [0, 1, 2, 9]
        cache.gc(2 * SIZE)
        assert there(paths) == [1, 2]  # no room is not to be had at the price of none ever


def test_a_hold_is_let_go_once_whoever_forgets_it(store: OwnStore, tmp_path: Path) -> None:
    cache, paths = filled(store, tmp_path, 2)
    with cache:
        first, second = cache.hold([digest(data(0))]), cache.hold([digest(data(0)), digest(data(1))])
        first.close()
        first.close()
        assert cache.gc(0).removed == 0
        del second
        gc.collect()
        with cache.hold([digest(data(1))]):
            cache.gc(0)
            assert there(paths) == [1]


def test_a_lease_file_that_grew_is_written_anew(
    store: OwnStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rainer.cache.leases._LINES_MIN", 20)
    cache, paths = filled(store, tmp_path, 2)
    with cache, cache.hold([digest(data(0))]):
        for _ in range(100):
            cache.hold([digest(data(1))]).close()
        (lease,) = (tmp_path / "leases").iterdir()
        assert len(lease.read_bytes().splitlines()) < 50
        cache.gc(0)
        assert there(paths) == [0]


def test_a_file_too_large_for_the_cache_is_refused_before_it_comes(store: OwnStore, tmp_path: Path) -> None:
    cache, paths = filled(store, tmp_path, 3, size_bytes_max=3 * SIZE)
    big = bytes(4 * SIZE)
    uri = store.set("big", big)
    with cache:
        with pytest.raises(NoSpace, match="may hold 3000"):
            cache.get(uri, sha256=digest(big), size=len(big))
        assert uri not in store.opened
        with pytest.raises(NoSpace):
            cache.get(uri, sha256=digest(big))
        assert there(paths) == [0, 1, 2]
        assert list((tmp_path / "tmp").iterdir()) == []


def test_held_files_may_not_let_the_limit_be_passed_but_young_ones_may(store: OwnStore, tmp_path: Path) -> None:
    cache, paths = filled(store, tmp_path, 3, size_bytes_max=3 * SIZE)
    with cache:
        with cache.hold(digest(data(n)) for n in range(3)):
            for _ in range(2):
                with pytest.raises(NoSpace, match="held or pinned"):
                    fetch(cache, store, 3)
        for path in paths:
            used_before(path, 1)
        for number in (3, 4):
            fetch(cache, store, number)
        assert there(paths) == [0, 1, 2]
        assert cache.info().files == 5


def test_the_count_follows_what_comes_and_goes(store: OwnStore, tmp_path: Path) -> None:
    with cache_of(store, tmp_path) as cache:
        for number in range(3 * LINES_MAX):
            fetch(cache, store, number)
        assert cache._parts.gate.usage() == (3 * LINES_MAX, 3 * LINES_MAX * SIZE)
        assert (tmp_path / "gc.lock").stat().st_size < 10 * LINES_MAX
        cache.delete(store.uri("0"))  # no URL is known of a file that came by its digest
        cache.delete(cache.get(store.uri("0"), sha256=digest(data(0))))
        assert cache._parts.gate.usage() == (3 * LINES_MAX - 1, (3 * LINES_MAX - 1) * SIZE)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"100 999999999\n", b"1 1\n", b"5 50000\n+x\n"])
def test_a_wrong_count_is_set_right_by_looking(store: OwnStore, tmp_path: Path, content: bytes) -> None:
    cache, paths = filled(store, tmp_path, 40, size_bytes_max=40 * SIZE)
    (tmp_path / "gc.lock").write_bytes(content)
    with cache:
        fetch(cache, store, 40)
        fetch(cache, store, 41)
        cache.gc()
        assert cache.info().size_bytes <= 40 * SIZE
        assert len(there(paths)) >= 34
        assert cache._parts.gate.usage() == (cache.info().files, cache.info().size_bytes)


def test_last_uses_in_the_future_are_no_reason_to_stay(store: OwnStore, tmp_path: Path) -> None:
    cache, paths = filled(store, tmp_path, 6)
    for number in (2, 4):
        used_before(paths[number], -1e8)
    with cache:
        cache.gc(4 * SIZE)
        assert there(paths) == [0, 1, 3, 5]


def test_a_long_use_is_noted_again(store: OwnStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cache_of(store, tmp_path) as cache:
        path = fetch(cache, store, 0, ago_s=5000)
        fetch(cache, store, 0)
        assert time.time() - path.parent.stat().st_mtime > 4000  # a hit costs no write
        later = time.monotonic() + 601
        monkeypatch.setattr(time, "monotonic", lambda: later)
        fetch(cache, store, 0)
        assert time.time() - path.parent.stat().st_mtime < 100


def test_what_crashes_left_behind_is_swept(store: OwnStore, tmp_path: Path) -> None:
    cache, paths = filled(store, tmp_path, 1)
    (tmp_path / "tmp" / "arriving.1.abc").write_bytes(bytes(50))
    (tmp_path / "leases" / "host-1-abc").write_text(f"+ {digest(data(0))}\n")
    (tmp_path / "blobs" / "00" / ("0" * 64)).mkdir(parents=True)
    with cache:
        assert cache.info().temporary_bytes == 50
        assert cache.gc(dry_run=True).temporary == 1
        assert cache.gc(0).temporary == 1
        assert not paths[0].exists()
        assert list((tmp_path / "tmp").iterdir()) == list((tmp_path / "leases").iterdir()) == []
        assert not (tmp_path / "blobs" / "00" / ("0" * 64)).exists()


def test_leftovers_are_swept_without_anybody_asking(store: OwnStore, tmp_path: Path) -> None:
    with cache_of(store, tmp_path) as cache:
        fetch(cache, store, 0)
    (tmp_path / "tmp" / "arriving.1.abc").write_bytes(bytes(50))
    with cache_of(store, tmp_path) as cache:
        fetch(cache, store, 1)
        assert list((tmp_path / "tmp").iterdir()) == []


def test_refs_of_evicted_files_go_too(store: OwnStore, tmp_path: Path) -> None:
    with cache_of(store, tmp_path) as cache:
        paths = [cache(store.set(f"ref{n}", data(n))) for n in range(5)]
        for number, path in enumerate(paths):
            used_before(path, 1000 - number)
        cache.gc(3 * SIZE)
        assert sorted(e.uri or "" for e in cache.entries()) == [store.uri(f"ref{n}") for n in (2, 3, 4)]
        assert cache.info().urls == 3


def test_where_locks_do_nothing_age_tells_what_is_nobodys(
    store: OwnStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.flock", lambda number, how: None)
    cache, paths = filled(store, tmp_path, 2)
    with cache, cache_of(store, tmp_path) as other, other.hold([digest(data(0))]):
        fresh, old = tmp_path / "tmp" / "fresh.1.a", tmp_path / "tmp" / "old.1.a"
        fresh.touch()
        old.touch()
        os.utime(old, (time.time() - 7200,) * 2)
        (tmp_path / "leases" / "elsewhere-1-abc").write_text(f"+ {digest(data(1))}\n")
        assert cache.gc(0).temporary == 1
        assert fresh.exists()
        assert there(paths) == [0, 1]
        os.utime(tmp_path / "leases" / "elsewhere-1-abc", (1, 1))
        cache.gc(0)
        assert there(paths) == [0]


def test_one_evicts_at_a_time_and_a_stopped_one_is_not_waited_for(
    store: OwnStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr(room_module, "_TURN_S", 0.05)
    cache, paths = filled(store, tmp_path, 5, size_bytes_max=5 * SIZE)
    with cache, (tmp_path / "locks" / "evict").open("w") as stopped:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        fetch(cache, store, 5)
        assert there(paths) == [2, 3, 4]
