"""Files by digest: fetched once, verified, found again, and damage never given out."""

from __future__ import annotations

import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rainer.cache import AssetCache, Wanted
from rainer.errors import (
    CredentialsError,
    InvalidError,
    NotCached,
    NotFoundError,
    ObjectNotFound,
    RainerError,
    StoreUnavailable,
    WrongDigest,
)
from tests.caching import OwnStore, cache_of, digest

DATA = b"one,two\n" * 100
SHA = digest(DATA)


@pytest.fixture
def store() -> OwnStore:
    store = OwnStore("memory://pinned")
    store.set("foo/bar.csv.gz", DATA)
    return store


@pytest.fixture
def uri(store: OwnStore) -> str:
    return store.uri("foo/bar.csv.gz")


def test_a_file_is_fetched_once_and_lies_where_the_design_says(store: OwnStore, uri: str, tmp_path: Path) -> None:
    with cache_of(store, tmp_path / "c") as cache:
        path = cache.get(uri, sha256=SHA, size=len(DATA))
        assert path == tmp_path / "c" / "blobs" / SHA[:2] / SHA / "bar.csv.gz"
        assert path.read_bytes() == DATA
        assert path.stat().st_mode & 0o777 == 0o444
        assert (tmp_path / "c").stat().st_mode & 0o777 == 0o700
        assert [cache.get(uri, sha256=SHA, size=len(DATA)) for _ in range(3)] == [path] * 3
        assert cache.get(uri, sha256=SHA.upper()) == path
    with cache_of(store, tmp_path / "c") as again:
        assert again.get(uri, sha256=SHA) == path
        assert again.peek(SHA) == path
    assert len(store.opened) == 1
    assert list((tmp_path / "c" / "tmp").iterdir()) == []
    assert list((tmp_path / "c" / "leases").iterdir()) == []


def test_a_second_name_of_the_same_contents_needs_no_second_download(store: OwnStore, uri: str, tmp_path: Path) -> None:
    with cache_of(store, tmp_path) as cache:
        first = cache.get(uri, sha256=SHA)
        second = cache.get(uri, sha256=SHA, name="other.parquet")
        assert second.name == "other.parquet"
        assert second.read_bytes() == DATA
        assert first.exists()
        assert cache.info().size_bytes == len(DATA)
    assert len(store.opened) == 1


def test_threads_that_want_the_same_share_one_download(store: OwnStore, uri: str, tmp_path: Path) -> None:
    store.blocked = threading.Event()
    with cache_of(store, tmp_path) as cache, ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(cache.get, uri, sha256=SHA, size=len(DATA)) for _ in range(64)]
        assert store.came.wait(10)
        store.blocked.set()
        assert len({future.result() for future in futures}) == 1
    assert len(store.opened) == 1


def test_a_failure_is_shared_by_those_who_wait_and_not_remembered(store: OwnStore, uri: str, tmp_path: Path) -> None:
    store.blocked, store.failure = threading.Event(), ObjectNotFound("gone")
    with cache_of(store, tmp_path) as cache, ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(cache.get, uri, sha256=SHA) for _ in range(8)]
        assert store.came.wait(10)
        while len(cache._parts.flights._under_way) != 1 or pool._work_queue.qsize():
            pass
        store.blocked.set()
        errors = [future.exception() for future in futures]
        assert {type(error) for error in errors} == {ObjectNotFound}
        assert len(store.opened) < 8
        store.failure = None
        assert cache.get(uri, sha256=SHA).read_bytes() == DATA


def test_who_waits_for_one_that_was_interrupted_goes_on_himself(store: OwnStore, uri: str, tmp_path: Path) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def interrupt(_: int) -> None:
        begun.set()
        assert may_end.wait(10)
        raise KeyboardInterrupt

    with cache_of(store, tmp_path) as cache, ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, uri, sha256=SHA, progress=interrupt)
        assert begun.wait(10)
        second = pool.submit(cache.get, uri, sha256=SHA)
        may_end.set()
        assert second.result().read_bytes() == DATA
        assert isinstance(first.exception(), KeyboardInterrupt)


@pytest.mark.parametrize("size", [None, len(DATA)])
def test_a_wrong_digest_is_refused_and_nothing_kept(
    store: OwnStore, uri: str, tmp_path: Path, size: int | None
) -> None:
    with cache_of(store, tmp_path) as cache:
        with pytest.raises(WrongDigest):
            cache.get(uri, sha256=digest(b"other"), size=size)
        assert list(cache.entries()) == []
        assert list((tmp_path / "tmp").iterdir()) == []


def test_a_file_cut_by_a_power_failure_is_fetched_again(store: OwnStore, uri: str, tmp_path: Path) -> None:
    with cache_of(store, tmp_path) as cache:
        path = cache.get(uri, sha256=SHA, size=len(DATA))
        for size in (len(DATA), None):
            path.chmod(0o644)
            path.write_bytes(DATA[:100])
            assert cache.get(uri, sha256=SHA, size=size).read_bytes() == DATA
    path.chmod(0o644)
    path.write_bytes(b"x" * len(DATA))
    with cache_of(store, tmp_path) as cache:  # no size to check: it is hashed
        assert cache.get(uri, sha256=SHA).read_bytes() == DATA


def test_a_wrong_size_in_a_manifest_takes_no_good_file_away(store: OwnStore, uri: str, tmp_path: Path) -> None:
    with cache_of(store, tmp_path) as cache:
        path = cache.get(uri, sha256=SHA, size=len(DATA))
        with pytest.raises(WrongDigest, match="5 bytes are wanted"):
            cache.get(uri, sha256=SHA, size=5)
        assert path.read_bytes() == DATA


@pytest.mark.parametrize("bad", ["", "abc", "../" * 22, "g" * 64, "0" * 63 + "/"])
def test_a_digest_that_is_none_never_becomes_a_path(store: OwnStore, uri: str, tmp_path: Path, bad: str) -> None:
    with cache_of(store, tmp_path) as cache:
        for call in (lambda: cache.get(uri, sha256=bad), lambda: cache.peek(bad), lambda: cache.hold([bad])):
            with pytest.raises(InvalidError, match="no SHA-256"):
                call()


@pytest.mark.parametrize("failure", [StoreUnavailable("down"), CredentialsError("none", hint="set AWS_PROFILE")])
def test_what_cannot_be_fetched_is_said_with_path_and_url_and_put_on_the_list(
    store: OwnStore, uri: str, tmp_path: Path, failure: RainerError
) -> None:
    store.failure = failure
    with cache_of(store, tmp_path) as cache:
        with pytest.raises((NotCached, CredentialsError)) as caught:
            cache.get(uri, sha256=SHA)
        assert isinstance(caught.value, CredentialsError) == isinstance(failure, CredentialsError)
        assert uri in str(caught.value)
        assert str(tmp_path / "blobs" / SHA[:2] / SHA / "bar.csv.gz") in str(caught.value)
        assert caught.value.hint == failure.hint
    assert (tmp_path / "missing_assets.yaml").read_text() == f"- {uri}\n"


def test_offline_and_read_only_caches_serve_what_is_there(store: OwnStore, uri: str, tmp_path: Path) -> None:
    other = store.set("other", b"x")
    with cache_of(store, tmp_path) as cache:
        path = cache.get(uri, sha256=SHA)
    before = sorted(tmp_path.rglob("*"))
    for options in ({"offline": True}, {"read_only": True}):
        with cache_of(store, tmp_path, missing_file=tmp_path.with_suffix(".yaml"), **options) as limited:
            assert limited.get(uri, sha256=SHA, size=len(DATA)) == path
            if limited.info().is_read_only:
                assert sorted(tmp_path.rglob("*")) == before
            with pytest.raises(NotCached, match=r"offline|read-only") as caught:
                limited.get(other, sha256=digest(b"x"))
            assert caught.value.hint
    assert len(store.opened) == 1


def test_many_come_as_they_come_and_errors_take_the_place_of_paths(store: OwnStore, tmp_path: Path) -> None:
    data = {f"many/{n}.bin": os.urandom(100) for n in range(50)}
    wanted = [Wanted(store.set(name, found), digest(found), len(found)) for name, found in data.items()]
    wanted += [Wanted(store.uri("nowhere"), SHA), Wanted(wanted[0].uri), wanted[0], Wanted(wanted[1].uri, "no digest")]
    seen: list[int] = []
    with cache_of(store, tmp_path, threads=4) as cache:
        found = list(cache.get_many(wanted, progress=seen.append))
        assert sorted(w.uri for w, _ in found) == sorted(w.uri for w in wanted)
        errors = {w: outcome for w, outcome in found if isinstance(outcome, RainerError)}
        assert {type(error) for error in errors.values()} == {ObjectNotFound, InvalidError}
        for one, path in found:
            assert one in errors or (isinstance(path, Path) and path.read_bytes() == data[store.name(one.uri)])
        assert sum(seen) >= 50 * 100
        opened = len(store.opened)
        assert sum(isinstance(path, Path) for _, path in cache.get_many(wanted[:50])) == 50
        assert len(store.opened) == opened
        endless = cache.get_many(wanted[n % 50] for n in iter(int, 1))
        assert next(endless)
        endless.close()


def test_what_goes_wrong_in_a_callback_is_not_swallowed_by_many(store: OwnStore, uri: str, tmp_path: Path) -> None:
    def complain(_: int) -> None:
        raise ZeroDivisionError

    with cache_of(store, tmp_path) as cache, pytest.raises(ZeroDivisionError):
        list(cache.get_many([Wanted(uri, SHA)], progress=complain))


def test_a_local_file_is_added_under_what_it_contains(store: OwnStore, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(DATA)
    with cache_of(store, tmp_path / "c") as cache:
        blob = cache.add(tmp_path / "mine.csv", sha256=SHA)
        assert (blob.sha256, blob.size, blob.path.name) == (SHA, len(DATA), "mine.csv")
        assert blob.path.read_bytes() == DATA
        assert cache.peek(SHA, len(DATA)) == blob.path
        assert cache.get("memory://pinned/unknown.csv", sha256=SHA, name="mine.csv") == blob.path
        with (tmp_path / "mine.csv").open("rb") as file:
            file.seek(8)
            assert cache.add(file, name="rest").size == len(DATA) - 8
        with pytest.raises(WrongDigest):
            cache.add(tmp_path / "mine.csv", sha256=digest(b"other"))
        with pytest.raises(NotFoundError):
            cache.add(tmp_path / "nothing")
        assert cache.info().files == 2
    assert store.opened == []


def test_two_caches_on_one_directory_in_one_process_get_on(store: OwnStore, uri: str, tmp_path: Path) -> None:
    with cache_of(store, tmp_path) as one, cache_of(store, tmp_path) as two, ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(cache.get, uri, sha256=SHA) for cache in (one, two) * 16]
        assert len({future.result() for future in futures}) == 1
        with one.hold([SHA]), two.hold([SHA]):
            assert next(two.entries()).held
    assert len(store.opened) == 1


def test_a_cache_travels_to_other_processes(store: OwnStore, uri: str, tmp_path: Path) -> None:
    cache = AssetCache(tmp_path, size_bytes_max=12_345, immutable=["s3://b/"])
    with cache, pickle.loads(pickle.dumps(cache)) as copy:
        assert copy.directory == cache.directory
        assert copy.info() == cache.info()


def test_a_directory_that_vanishes_is_made_again(store: OwnStore, uri: str, tmp_path: Path) -> None:
    root = tmp_path / "deep" / "cache"
    with cache_of(store, root) as cache:
        for _ in range(3):
            assert cache.get(uri, sha256=SHA, size=len(DATA)).read_bytes() == DATA
            with cache.hold([SHA]):
                assert next(cache.entries()).held
            root.rename(tmp_path / f"gone{len(store.opened)}")
    assert len(store.opened) == 3
