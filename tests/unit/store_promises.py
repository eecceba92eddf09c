"""What every store that takes writes promises, as tests over a fixture named `store`: inherit and give the fixture."""

from __future__ import annotations

import hashlib
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rainer.errors import InvalidError, InvalidUri, ObjectExists, ObjectNotFound, WrongDigest
from rainer.store.reading import read_bytes
from rainer.store.store import Reading, Store

TEXT = b"every word of it"
SHA256 = hashlib.sha256(TEXT).hexdigest()


def read(store: Store, uri: str, start: int = 0, end: int | None = None) -> bytes:
    reading = store.open(uri, start=start, end=end)
    assert reading is not None
    return read_bytes(reading)


class StorePromises:
    """Each test has a store of its own, empty at first."""

    def test_what_is_put_is_read_whole(self, store: Store) -> None:
        uri = store.uri("a/b.csv")
        put = store.put(uri, TEXT)
        assert read(store, uri) == TEXT
        head = store.head(uri)
        assert (head.uri, head.size, put.size) == (uri, len(TEXT), len(TEXT))
        assert head.etag is not None
        assert head.mtime is not None
        assert head.mtime.tzinfo is not None

    def test_a_file_is_put_and_its_portions_told(self, store: Store, tmp_path: Path) -> None:
        told: list[int] = []
        source = tmp_path / "source"
        source.write_bytes(TEXT * 100_000)
        store.put(store.uri("large"), source, progress=told.append)
        assert sum(told) == len(TEXT) * 100_000
        assert read(store, store.uri("large")) == source.read_bytes()

    def test_an_empty_object_is_one(self, store: Store) -> None:
        store.put(store.uri("nothing"), b"")
        assert read(store, store.uri("nothing")) == b""
        assert store.head(store.uri("nothing")).size == 0

    @pytest.mark.parametrize(("start", "end"), [(0, 5), (6, 10), (6, None), (0, 999), (15, 16)])
    def test_ranges(self, store: Store, start: int, end: int | None) -> None:
        store.put(store.uri("a"), TEXT)
        reading = store.open(store.uri("a"), start=start, end=end)
        assert reading is not None
        assert reading.info.size == len(TEXT)
        assert read_bytes(reading) == TEXT[start:end]

    def test_conditions(self, store: Store) -> None:
        uri = store.uri("a")
        store.put(uri, TEXT)
        etag = _etag(store.open(uri))
        assert etag == store.head(uri).etag
        assert store.open(uri, if_none_match=etag) is None
        assert _etag(store.open(uri, start=3, if_match=etag)) == etag
        store.put(uri, b"others")
        assert _etag(store.open(uri, if_none_match=etag)) != etag
        with pytest.raises(ObjectNotFound):
            store.open(uri, start=3, if_match=etag)

    def test_what_is_absent(self, store: Store) -> None:
        for ask in (store.open, store.head):
            with pytest.raises(ObjectNotFound, match="never"):
                ask(store.uri("never"))
        assert store.delete(store.uri("never")) is False

    def test_a_delete(self, store: Store) -> None:
        store.put(store.uri("a/b"), TEXT)
        assert store.delete(store.uri("a/b")) is True
        with pytest.raises(ObjectNotFound):
            store.open(store.uri("a/b"))

    def test_a_put_replaces(self, store: Store) -> None:
        store.put(store.uri("a"), TEXT * 3)
        store.put(store.uri("a"), TEXT)
        assert read(store, store.uri("a")) == TEXT

    def test_who_creates_second_is_told_and_harms_nothing(self, store: Store) -> None:
        store.put(store.uri("a"), TEXT, create_only=True)
        with pytest.raises(ObjectExists):
            store.put(store.uri("a"), b"others", create_only=True)
        assert read(store, store.uri("a")) == TEXT

    def test_one_of_many_creators_wins(self, store: Store) -> None:
        uri = store.uri("contested")

        def create(number: int) -> bytes | None:
            try:
                store.put(uri, b"%d" % number * 1000, create_only=True)
            except ObjectExists:
                return None
            return b"%d" % number * 1000

        with ThreadPoolExecutor(8) as pool:
            won = [data for data in pool.map(create, range(8)) if data is not None]
        assert len(won) == 1
        assert read(store, uri) == won[0]

    def test_a_wrong_digest_stores_nothing(self, store: Store) -> None:
        with pytest.raises(WrongDigest):
            store.put(store.uri("a"), b"others", sha256=SHA256)
        with pytest.raises(ObjectNotFound):
            store.head(store.uri("a"))
        assert list(store.list()) == []

    def test_a_digest_is_remembered_where_it_can_be(self, store: Store) -> None:
        store.put(store.uri("a"), TEXT, sha256=SHA256)
        assert store.head(store.uri("a")).sha256 in (SHA256, None)
        store.put(store.uri("a"), b"others")
        assert store.head(store.uri("a")).sha256 in (hashlib.sha256(b"others").hexdigest(), None)

    def test_a_list_is_in_order_and_by_prefix(self, store: Store) -> None:
        names = ["a-b", "a/b", "a/b.1", "a/c/d", "ab", "b", "ö/ü x"]
        for name in reversed(names):
            store.put(store.uri(name), name.encode())
        assert [store.name(info.uri) for info in store.list()] == names
        assert [store.name(info.uri) for info in store.list("a/b")] == ["a/b", "a/b.1"]
        assert [store.name(info.uri) for info in store.list("a/c/")] == ["a/c/d"]
        assert list(store.list("zz/")) == []
        assert {info.size for info in store.list("ö")} == {len("ö/ü x".encode())}

    @pytest.mark.parametrize("name", ["per%cent", "ques?tion", "ha#sh", "sp ace", "plus+&=", "a..b", "日本"])
    def test_odd_names(self, store: Store, name: str) -> None:
        uri = store.uri(name)
        assert store.name(uri) == name
        store.put(uri, TEXT)
        assert read(store, uri) == TEXT
        assert [info.uri for info in store.list()] == [uri]

    def test_what_is_not_below_the_root(self, store: Store) -> None:
        assert not store.covers(store.url + "x/a")
        for ask in (store.open, store.head, store.delete):
            with pytest.raises(InvalidUri) as raised:
                ask("other://place/a")
            assert raised.value.hint

    def test_a_source_that_is_not_there(self, store: Store, tmp_path: Path) -> None:
        with pytest.raises(InvalidError, match="missing"):
            store.put(store.uri("a"), tmp_path / "missing")
        assert list(store.list()) == []

    def test_pickled_it_is_the_same_place(self, store: Store) -> None:
        store.put(store.uri("a"), TEXT)
        other = pickle.loads(pickle.dumps(store))
        assert other.url == store.url
        assert read(other, other.uri("a")) == TEXT
        other.close()

    def test_from_eight_threads(self, store: Store) -> None:
        def there_and_back(number: int) -> bool:
            uri, data = store.uri(f"threads/{number}"), b"%d." % number * 10_000
            store.put(uri, data)
            return read(store, uri) == data and store.head(uri).size == len(data)

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(there_and_back, range(32)))
        assert len(list(store.list("threads/"))) == 32

    def test_closed_it_can_still_be_used(self, store: Store) -> None:
        store.put(store.uri("a"), TEXT)
        store.close()
        assert read(store, store.uri("a")) == TEXT


def _etag(reading: Reading | None) -> str | None:
    assert reading is not None
    with reading:
        return reading.info.etag
