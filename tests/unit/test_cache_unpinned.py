"""Files by URL: the timeout, ETags, immutable prefixes, invalidation, and what is served when nobody answers."""

from __future__ import annotations

import errno
import logging
import time
from pathlib import Path

import pytest

from rainer.cache import AssetCache
from rainer.errors import CredentialsError, InvalidUri, NotCached, ObjectNotFound, StoreUnavailable, WrongDigest
from tests.caching import OwnStore, cache_of
from tests.unit.http_script import ScriptedServer, answer


@pytest.fixture
def store() -> OwnStore:
    store = OwnStore("memory://unpinned")
    store.failure = None
    store.set("foo/bar.csv", b"first")
    return store


@pytest.fixture
def uri(store: OwnStore) -> str:
    return store.uri("foo/bar.csv")


def aged(cache: AssetCache, uri: str, seconds: float) -> None:
    """Let a URL have been checked so long ago."""
    ref = cache._parts.refs.get(uri)
    assert ref is not None
    cache._parts.refs.put(ref._replace(checked_at=time.time() - seconds))


def test_within_the_timeout_nobody_is_asked_and_after_it_the_etag_is(store: OwnStore, uri: str, tmp_path: Path) -> None:
    with cache_of(store, tmp_path, timeout_s=100) as cache:
        path = cache(uri)
        store.set("foo/bar.csv", b"second")
        assert cache(uri) == path
        assert path.read_bytes() == b"first"
        aged(cache, uri, 101)
        assert next(cache.entries()).is_outdated
        assert cache(uri).read_bytes() == b"second"
        assert path.read_bytes() == b"first"  # who has it open keeps it
        aged(cache, uri, 101)
        assert cache(uri).read_bytes() == b"second"
        assert (len(store.opened), store.not_modified) == (3, 1)
        assert not next(e for e in cache.entries() if e.uri == uri).is_outdated


def test_a_forced_check_asks_at_once(store: OwnStore, uri: str, tmp_path: Path) -> None:
    with cache_of(store, tmp_path, immutable=["memory://unpinned/"]) as cache:
        cache(uri)
        store.set("foo/bar.csv", b"second")
        assert cache(uri, force_check=True).read_bytes() == b"second"
        assert len(store.opened) == 2


def test_an_immutable_prefix_is_never_asked_again(store: OwnStore, uri: str, tmp_path: Path) -> None:
    with cache_of(store, tmp_path, timeout_s=1, immutable=["memory://unpinned/foo/"]) as cache:
        cache(uri)
        aged(cache, uri, 1e6)
        assert not next(cache.entries()).is_outdated
        cache(uri)
        assert len(store.opened) == 1
    with cache_of(store, tmp_path, timeout_s=1) as cache:
        assert cache.get_unpinned(uri, immutable=True).path.read_bytes() == b"first"
        assert len(store.opened) == 1
        cache(uri)
        assert len(store.opened) == 2


def test_other_processes_see_what_one_found_and_invalidated(store: OwnStore, uri: str, tmp_path: Path) -> None:
    with cache_of(store, tmp_path) as one, cache_of(store, tmp_path) as two:
        assert one(uri) == two(uri)
        assert len(store.opened) == 1
        store.set("foo/bar.csv", b"second")
        assert one.invalidate(uri)
        assert two(uri).read_bytes() == b"second"
        assert one(uri).read_bytes() == b"second"
        assert len(store.opened) == 2


def test_a_tree_is_invalidated_and_no_neighbour_of_like_name(store: OwnStore, tmp_path: Path) -> None:
    names = ["a/b/1", "a/b/2", "a/bc", "a/b", "d"]
    with cache_of(store, tmp_path, immutable=["memory://"]) as cache:
        for name in names:
            cache(store.set(name, name.encode()))
        assert cache.invalidate_tree(store.uri("a/b")) == 3
        assert cache.invalidate_tree(store.uri("a/b/")) == 2
        outdated = {store.name(e.uri) for e in cache.entries() if e.is_outdated and e.uri}
        assert outdated == {"a/b/1", "a/b/2", "a/b"}
        assert cache.invalidate_all() == 5
        assert not cache.invalidate(store.uri("never"))
        store.opened.clear()
        for name in names:
            cache(store.uri(name))
        assert len(store.opened) == store.not_modified == 5


@pytest.mark.parametrize("failure", [StoreUnavailable("down"), CredentialsError("none")])
def test_what_cannot_be_checked_is_served_with_one_warning(
    store: OwnStore, uri: str, tmp_path: Path, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with cache_of(store, tmp_path, timeout_s=10) as cache:
        path = cache(uri)
        aged(cache, uri, 11)
        store.failure = failure
        with caplog.at_level(logging.WARNING, "rainer.cache"):
            found = [cache.get_unpinned(uri) for _ in range(3)]
        assert {(one.path, one.is_stale) for one in found} == {(path, True)}
        assert [uri in record.getMessage() for record in caplog.records] == [True]
        assert len(store.opened) == 2  # a store that is away is not asked for every file
        store.failure = None
        assert not cache.get_unpinned(uri, force_check=True).is_stale
        assert not cache.get_unpinned(uri).is_stale


def test_offline_serves_what_is_there_and_says_what_is_not(store: OwnStore, uri: str, tmp_path: Path) -> None:
    with cache_of(store, tmp_path, timeout_s=10) as cache:
        path = cache(uri)
        wanted = tmp_path / "work" / "missing_assets.yaml"
        with cache_of(store, tmp_path, timeout_s=10, offline=True, missing_file=wanted) as offline:
            assert not offline.get_unpinned(uri).is_stale
            aged(cache, uri, 11)
            assert offline(uri) == path
            assert offline.get_unpinned(uri).is_stale
            with pytest.raises(NotCached) as caught:
                offline(store.uri("other"))
        assert str(tmp_path / "refs") in str(caught.value)
        assert store.uri("other") in str(caught.value)
        assert str(wanted) in str(caught.value.hint)
        assert wanted.read_text() == f"- {store.uri('other')}\n"
        assert len(store.opened) == 1


def test_an_object_that_is_gone_is_said_to_be(store: OwnStore, uri: str, tmp_path: Path) -> None:
    with cache_of(store, tmp_path) as cache:
        cache(uri)
        store.delete(uri)
        with pytest.raises(ObjectNotFound):
            cache(uri, force_check=True)
        assert not (tmp_path / "missing_assets.yaml").exists()


def test_a_file_that_was_evicted_is_fetched_whole(store: OwnStore, uri: str, tmp_path: Path) -> None:
    with cache_of(store, tmp_path) as cache:
        path = cache(uri)
        path.unlink()
        assert cache(uri).read_bytes() == b"first"
        assert store.not_modified == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"uri": 1}', bytes(range(128, 192))])
def test_a_damaged_ref_is_as_good_as_none(store: OwnStore, uri: str, tmp_path: Path, content: bytes) -> None:
    with cache_of(store, tmp_path) as cache:
        cache(uri)
        (ref,) = [path for path in (tmp_path / "refs").rglob("*") if path.is_file()]
        ref.write_bytes(content)
        assert cache(uri).read_bytes() == b"first"
        assert [entry.uri for entry in cache.entries()] == [uri]


def test_a_clock_that_was_set_back_makes_nothing_fresh_for_ever(store: OwnStore, uri: str, tmp_path: Path) -> None:
    with cache_of(store, tmp_path) as cache:
        cache(uri)
        aged(cache, uri, -1e7)
        assert next(cache.entries()).is_outdated
        cache(uri)
        assert len(store.opened) == 2
        cache(uri)
        assert len(store.opened) == 2


def test_local_paths_come_back_as_they_are(store: OwnStore, uri: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("x")
    with cache_of(store, tmp_path / "c") as cache:
        path = cache(uri)
        assert cache(path) == path
        assert cache(str(path)) == path
        assert cache(mine) == mine
        with pytest.raises(InvalidUri, match="neither a URL nor a local file"):
            cache("no/such/file")
        cache.delete(uri)
        with pytest.raises(NotCached, match="was removed"):
            cache(path)


def test_the_place_of_a_url_is_told_without_asking(store: OwnStore, uri: str, tmp_path: Path) -> None:
    with cache_of(store, tmp_path) as cache:
        with pytest.raises(NotCached, match="refs"):
            cache.path_of(uri)
        path = cache(uri)
        assert cache.path_of(uri) == path
        assert len(store.opened) == 1


def test_a_folder_that_cannot_be_written_serves_what_it_has(
    store: OwnStore, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with cache_of(store, tmp_path, timeout_s=10) as cache:
        path = cache(uri)
        aged(cache, uri, 11)

    def refuse(path: str, flags: int, mode: int = 0o600) -> int:
        raise PermissionError(errno.EACCES, "no", path)

    monkeypatch.setattr("rainer.cache.forks.open_file", refuse)
    with cache_of(store, tmp_path, timeout_s=10) as cache:
        found = cache.get_unpinned(uri)
        assert (found.path, found.is_stale) == (path, True)
        assert "cannot be written" in caplog.text


def test_no_message_tells_a_password_or_a_signature(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret, data = "s3cr3t", b"some data"
    with ScriptedServer(answer(200, data)) as server:
        uri = f"http://me:{secret}@127.0.0.1:{server.port}/a.csv?X-Amz-Signature={secret}"
        with AssetCache(tmp_path / "c", timeout_s=0) as cache:
            assert cache(uri).read_bytes() == data
            with pytest.raises(WrongDigest) as wrong:
                cache.get(uri, sha256="0" * 64)
            server.script[:] = [answer(403)]
            assert cache(uri).read_bytes() == data
            with pytest.raises(CredentialsError) as denied:
                cache.get(uri, sha256="1" * 64)
        with AssetCache(tmp_path / "new", offline=True) as cache, pytest.raises(NotCached) as missing:
            cache(uri)
    for error in (wrong.value, denied.value, missing.value):
        assert "/a.csv?…" in str(error)
        assert secret not in str(error) + str(error.hint)
    assert "is served as it was last known" in caplog.text
    assert secret not in caplog.text
