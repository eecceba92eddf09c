"""What users of baiji-pod's asset cache do, each capability under its own name, on a web server that counts."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rainer.cache import AssetCache, MissingList, Wanted
from rainer.errors import CredentialsError, NotCached
from rainer.store.opening import Stores
from tests.object_server import ObjectServer


@pytest.fixture
def bucket() -> Iterator[ObjectServer]:
    with ObjectServer() as server:
        server.put("foo/bar.csv", b"one")
        server.put("foo/sub/deep.csv", b"deep")
        server.put("other.csv", b"other")
        yield server


@pytest.fixture
def stores() -> Iterator[Stores]:
    stores = Stores()
    yield stores
    stores.close()


@pytest.fixture
def cache(tmp_path: Path, stores: Stores) -> Iterator[AssetCache]:
    with AssetCache(tmp_path / "cache", timeout_s=86_400, stores=stores) as cache:
        yield cache


def days_pass(cache: AssetCache, days: float) -> None:
    """Let everything have been checked so long ago."""
    for path in (cache.directory / "refs").rglob("*"):
        if path.is_file():
            ref = json.loads(path.read_text())
            ref["checked_at"] = time.time() - days * 86_400
            fresh = path.with_name("new")
            fresh.write_text(json.dumps(ref))
            fresh.replace(path)


def test_call_it_with_a_remote_path_and_get_a_valid_local_path(cache: AssetCache, bucket: ObjectServer) -> None:
    path = cache(bucket.url("foo/bar.csv"))
    assert isinstance(path, Path)
    assert path.is_absolute()
    assert path.read_bytes() == b"one"
    assert path.name == "bar.csv"


def test_a_miss_downloads_and_a_hit_does_not(cache: AssetCache, bucket: ObjectServer) -> None:
    assert cache(bucket.url("foo/bar.csv")) == cache(bucket.url("foo/bar.csv"))
    assert bucket.gets("foo/bar.csv") == 1


def test_the_timeout_is_one_day_by_default(tmp_path: Path, stores: Stores, bucket: ObjectServer) -> None:
    with AssetCache(tmp_path, stores=stores) as cache:
        cache(bucket.url("foo/bar.csv"))
        days_pass(cache, 0.99)
        cache(bucket.url("foo/bar.csv"))
        assert bucket.gets("foo/bar.csv") == 1
        days_pass(cache, 1.01)
        cache(bucket.url("foo/bar.csv"))
        assert bucket.gets("foo/bar.csv") == 2


def test_older_than_the_timeout_the_etag_is_compared_and_what_changed_downloaded(
    cache: AssetCache, bucket: ObjectServer
) -> None:
    url = bucket.url("foo/bar.csv")
    cache(url)
    days_pass(cache, 2)
    assert cache(url).read_bytes() == b"one"
    assert bucket.answers("foo/bar.csv") == [200, 304]
    bucket.put("foo/bar.csv", b"two")
    days_pass(cache, 2)
    assert cache(url).read_bytes() == b"two"
    assert bucket.answers("foo/bar.csv") == [200, 304, 200]


def test_force_check_compares_whatever_the_age(cache: AssetCache, bucket: ObjectServer) -> None:
    cache(bucket.url("foo/bar.csv"))
    bucket.put("foo/bar.csv", b"two")
    assert cache(bucket.url("foo/bar.csv"), force_check=True).read_bytes() == b"two"


def test_immutable_buckets_are_never_checked_again(tmp_path: Path, stores: Stores, bucket: ObjectServer) -> None:
    with AssetCache(tmp_path, immutable=[bucket.url("")], stores=stores) as cache:
        cache(bucket.url("foo/bar.csv"))
        days_pass(cache, 1000)
        cache(bucket.url("foo/bar.csv"))
    assert bucket.gets("foo/bar.csv") == 1


def test_the_cached_path_of_a_cached_path_is_itself(cache: AssetCache, bucket: ObjectServer) -> None:
    path = cache(bucket.url("foo/bar.csv"))
    assert cache(path) == path
    assert cache(cache(str(path))) == path


def test_invalidate_one(cache: AssetCache, bucket: ObjectServer) -> None:
    for name in ("foo/bar.csv", "other.csv"):
        cache(bucket.url(name))
    cache.invalidate(bucket.url("foo/bar.csv"))
    for name in ("foo/bar.csv", "other.csv"):
        cache(bucket.url(name))
    assert (bucket.gets("foo/bar.csv"), bucket.gets("other.csv")) == (2, 1)


def test_invalidate_a_tree(cache: AssetCache, bucket: ObjectServer) -> None:
    names = ("foo/bar.csv", "foo/sub/deep.csv", "other.csv")
    for name in names:
        cache(bucket.url(name))
    assert cache.invalidate_tree(bucket.url("foo")) == 2
    for name in names:
        cache(bucket.url(name))
    assert [bucket.gets(name) for name in names] == [2, 2, 1]


def test_invalidate_all(cache: AssetCache, bucket: ObjectServer) -> None:
    for name in ("foo/bar.csv", "other.csv"):
        cache(bucket.url(name))
    assert cache.invalidate_all() == 2
    assert all(entry.is_outdated for entry in cache.entries())


def test_delete(cache: AssetCache, bucket: ObjectServer) -> None:
    path = cache(bucket.url("foo/bar.csv"))
    assert cache.delete(bucket.url("foo/bar.csv")) == 1
    assert not path.exists()
    assert list(cache.entries()) == []


def test_list_with_size_age_and_whether_outdated(cache: AssetCache, bucket: ObjectServer) -> None:
    path = cache(bucket.url("foo/bar.csv"))
    days_pass(cache, 2)
    cache(bucket.url("other.csv"))
    old, new = sorted(cache.entries(), key=lambda entry: -entry.age_s)
    assert (old.uri, old.path, old.size, old.is_outdated) == (bucket.url("foo/bar.csv"), path, 3, True)
    assert 2 * 86_400 <= old.age_s < 3 * 86_400
    assert (new.uri, new.is_outdated) == (bucket.url("other.csv"), False)


def test_offline_a_cached_file_is_served_with_a_warning(
    cache: AssetCache, bucket: ObjectServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = bucket.url("foo/bar.csv")
    path = cache(url)
    days_pass(cache, 2)
    with AssetCache(cache.directory, offline=True) as offline:
        assert offline(url) == path
        assert offline.get_unpinned(url).is_stale
    assert url in caplog.text


def test_without_credentials_a_cached_file_is_served_with_a_warning(
    cache: AssetCache, bucket: ObjectServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = bucket.url("foo/bar.csv")
    path = cache(url)
    days_pass(cache, 2)
    bucket.refuse(401)
    assert cache(url) == path
    assert cache.get_unpinned(url).is_stale
    assert url in caplog.text


def test_uncached_without_network_the_error_names_the_local_path_and_the_list_the_asset(
    cache: AssetCache, bucket: ObjectServer, stores: Stores
) -> None:
    wanted = [bucket.url("foo/bar.csv"), bucket.url("other.csv")]
    missing = MissingList(cache.directory / "missing_assets.yaml")
    with AssetCache(cache.directory, offline=True) as offline:
        for url in (*wanted, wanted[0]):
            with pytest.raises(NotCached) as caught:
                offline(url)
            assert str(cache.directory) in str(caught.value)
            assert url in str(caught.value)
    assert yaml.safe_load(missing.path.read_text()) == wanted
    # Where there is network, the list is what to fetch.
    fetched = dict(cache.get_many(Wanted(url) for url in missing.read()))
    assert all(isinstance(path, Path) for path in fetched.values())
    with AssetCache(cache.directory, offline=True) as offline:
        assert offline(wanted[0]).read_bytes() == b"one"


def test_without_credentials_the_error_says_what_to_set(cache: AssetCache, bucket: ObjectServer) -> None:
    bucket.refuse(401)
    with pytest.raises(CredentialsError) as caught:
        cache(bucket.url("foo/bar.csv"))
    assert str(cache.directory) in str(caught.value)
    assert bucket.url("foo/bar.csv") in str(caught.value)
    assert caught.value.hint
    assert bucket.url("foo/bar.csv") in (cache.directory / "missing_assets.yaml").read_text()


def test_it_is_bounded_locked_and_verified_which_it_was_not(cache: AssetCache, bucket: ObjectServer) -> None:
    path = cache(bucket.url("foo/bar.csv"))
    path.chmod(0o644)
    path.write_bytes(b"bad")
    assert [damaged.path for damaged in cache.verify()] == [path]
    os.utime(cache(bucket.url("foo/bar.csv")).parent, (1, 1))
    assert cache.gc(0).removed == 1
