"""What users of epic-bitstore do, one capability a test: one `get` over many stores (contracts/assets.md)."""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import pickle
import socket
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from rainer.errors import CredentialsError, InvalidUri, ObjectNotFound, StoreUnavailable
from rainer.store import (
    AddressedStore,
    ApiSource,
    CompositeStore,
    FileStore,
    GsStore,
    MemoryStore,
    S3Store,
    Source,
    Store,
)
from tests.unit.store_promises import TEXT, read

SHA1 = hashlib.sha1(TEXT).hexdigest()
SHA256 = hashlib.sha256(TEXT).hexdigest()


@pytest.fixture
def bucket(gs_bucket: str) -> Iterator[GsStore]:
    """A bucket on a real server, with one blob under its SHA-1 and one under a name."""
    store = GsStore(gs_bucket)
    store.put(store.uri(f"blobs/{SHA1}"), TEXT)
    store.put(store.uri("named.csv"), b"named")
    yield store
    store.close()


@pytest.fixture
def cache(tmp_path: Path) -> FileStore:
    return FileStore((tmp_path / "cache").as_uri())


def users_api(uri: str) -> bytes | None:
    """An API of the user's: one method that returns bytes or None."""
    known = {"report://today": b"all is well"}
    return known.get(uri)


def test_one_get_over_an_object_store_an_api_and_another_composite(bucket: GsStore, tmp_path: Path) -> None:
    disk = FileStore((tmp_path / "disk").as_uri())
    disk.put(disk.uri("local"), b"from disk")
    store = CompositeStore(
        AddressedStore(bucket, "blobs/"), bucket, ApiSource(users_api, prefix="report://"), CompositeStore(disk)
    )
    assert store.get(f"sha1://{SHA1}") == TEXT
    assert store.get(bucket.uri("named.csv")) == b"named"
    assert store.get("report://today") == b"all is well"
    assert store.get(disk.uri("local")) == b"from disk"


def test_a_source_that_a_uri_is_not_valid_for_is_skipped(bucket: GsStore) -> None:
    asked: list[str] = []

    def ask(uri: str) -> bytes | None:
        asked.append(uri)
        return None

    CompositeStore(ApiSource(ask, prefix="report://"), bucket).get(bucket.uri("named.csv"))
    assert asked == []


def test_it_goes_on_when_one_lacks_the_blob_or_is_not_available(bucket: GsStore) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, and not listening: whoever knocks is refused
        down = GsStore("gs://down", endpoint=f"http://127.0.0.1:{nobody.getsockname()[1]}", timeout_s=0.2)
        lacking, here = MemoryStore("memory://lacking"), bucket.url
        store = CompositeStore(Source(lacking, at=here), Source(down, at=here), bucket)
        assert store.get(bucket.uri("named.csv")) == b"named"


def test_not_found_only_when_all_say_so(bucket: GsStore) -> None:
    here, lacking = bucket.url, MemoryStore("memory://lacking")
    with pytest.raises(ObjectNotFound):
        CompositeStore(Source(lacking, at=here), bucket).get(bucket.uri("none"))
    down = GsStore("gs://down", endpoint="http://127.0.0.1:9", timeout_s=0.2)
    with pytest.raises(StoreUnavailable, match="gs://down"):
        CompositeStore(lacking, Source(down, at="gs://down"), ApiSource(users_api)).get("gs://down/none")


def test_what_a_marked_source_returns_is_written_back(bucket: GsStore, cache: FileStore) -> None:
    store = CompositeStore(Source(cache, cache="read-through"), bucket)
    uri = bucket.uri("named.csv")
    assert store.get(uri) == b"named"
    bucket.delete(uri)
    assert store.get(uri) == b"named"
    bucket.put(uri, b"named")
    unmarked = CompositeStore(Source(MemoryStore("memory://w"), cache="read-through"), Source(bucket, write_back=False))
    assert unmarked.get(uri) == b"named"
    assert list(MemoryStore("memory://w").list()) == []


def test_a_write_only_cache_is_filled_and_not_read(bucket: GsStore, cache: FileStore) -> None:
    store = CompositeStore(Source(cache, cache="write-only"), bucket)
    uri = bucket.uri("named.csv")
    store.get(uri)
    assert [info.size for info in cache.list()] == [len(b"named")]
    bucket.put(uri, b"newer")
    assert store.get(uri) == b"newer"


def test_a_cache_that_cannot_be_written_never_fails_a_get(
    bucket: GsStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    broken = FileStore((tmp_path / "file").as_uri())  # a file where its folder should be
    with caplog.at_level(logging.WARNING, "rainer.store"):
        assert CompositeStore(Source(broken, cache="read-through"), bucket).get(bucket.uri("named.csv")) == b"named"
    assert "could not be written to the cache" in caplog.text


@pytest.mark.parametrize("uri", [f"sha1://{SHA1}", f"SHA1://{SHA1.upper()}", f"Sha1://{SHA1.title()}"])
def test_sha1_addresses_in_any_letter_case(bucket: GsStore, uri: str) -> None:
    assert CompositeStore(AddressedStore(bucket, "blobs/")).get(uri) == TEXT


def test_data_that_fails_verification_counts_as_not_found_and_is_never_cached(
    bucket: GsStore, cache: FileStore
) -> None:
    bucket.put(bucket.uri(f"blobs/{SHA1}"), b"damaged")
    damaged, cached = AddressedStore(bucket, "blobs/"), Source(AddressedStore(cache), cache="read-through")
    with pytest.raises(ObjectNotFound):
        CompositeStore(cached, damaged).get(f"sha1://{SHA1}")
    assert list(cache.list()) == []
    assert CompositeStore(cached, damaged, ApiSource(known_blob)).get(f"sha1://{SHA1}") == TEXT
    assert [cache.name(info.uri) for info in cache.list()] == [SHA1]


def known_blob(uri: str) -> bytes | None:
    return TEXT if uri == f"sha1://{SHA1}" else None


def test_verification_is_a_choice(bucket: GsStore) -> None:
    bucket.put(bucket.uri(f"blobs/{SHA1}"), b"damaged")
    assert read(AddressedStore(bucket, "blobs/", verify=False), f"sha1://{SHA1}") == b"damaged"


def test_sha256_addresses_too(bucket: GsStore) -> None:
    store = AddressedStore(bucket, "blobs/")
    assert store.add(TEXT) == f"sha256://{SHA256}"
    assert read(store, f"SHA256://{SHA256.upper()}") == TEXT


def test_an_api_source_is_one_method() -> None:
    class Reports(ApiSource):
        def fetch(self, uri: str) -> bytes | None:
            return json.dumps({"uri": uri}).encode() if uri.endswith("today") else None

    store = CompositeStore(Reports(prefix="report://"))
    assert json.loads(store.get("report://today")) == {"uri": "report://today"}
    with pytest.raises(ObjectNotFound):
        store.get("report://yesterday")


def _get(store: CompositeStore, uri: str) -> bytes:
    return store.get(uri)


def test_stores_survive_pickling_into_other_processes(bucket: GsStore, cache: FileStore) -> None:
    store = CompositeStore(Source(cache, cache="write-only"), AddressedStore(bucket, "blobs/"), ApiSource(users_api))
    assert pickle.loads(pickle.dumps(store)).get(f"sha1://{SHA1}") == TEXT
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(_get, [store] * 4, [f"sha1://{SHA1}"] * 4)) == [TEXT] * 4


def test_many_blobs_are_mapped_in_parallel(bucket: GsStore) -> None:
    for number in range(20):
        bucket.put(bucket.uri(str(number)), b"x" * number)
    uris = [bucket.uri(str(number)) for number in range(20)]
    assert list(CompositeStore(bucket).map(lambda uri, data: len(data), uris)) == list(range(20))


def test_anonymous_access(gs_bucket: str, bucket: GsStore) -> None:
    stranger = GsStore(gs_bucket, credentials=["anonymous"])
    assert read(stranger, stranger.uri("named.csv")) == b"named"
    stranger.close()


def test_several_credentials_are_tried_in_order(gs_bucket: str, bucket: GsStore, tmp_path: Path) -> None:
    store = GsStore(gs_bucket, credentials=[f"file:{tmp_path / 'missing'}", "anonymous"])
    assert read(store, store.uri("named.csv")) == b"named"
    store.close()
    none = GsStore(gs_bucket, credentials=[f"file:{tmp_path / 'missing'}"])
    with pytest.raises(CredentialsError, match="missing"):
        none.head(none.uri("named.csv"))


@pytest.mark.parametrize("uri", ["sha1://tooshort", "nonsense", "gs:/one/slash", "ftp://elsewhere/a"])
def test_an_invalid_uri_comes_with_a_hint(bucket: GsStore, uri: str) -> None:
    stores: list[Store] = [CompositeStore(AddressedStore(bucket), bucket), AddressedStore(bucket), bucket]
    for store in stores:
        with pytest.raises(InvalidUri) as raised:
            store.open(uri)
        assert raised.value.hint


def test_the_stores_are_imported_by_their_names() -> None:
    assert all(issubclass(kind, Store) for kind in (S3Store, GsStore, CompositeStore, AddressedStore, ApiSource))
