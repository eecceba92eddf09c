"""AddressedStore: sha1:// and sha256:// over another store, verified."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.errors import InvalidError, InvalidUri, ObjectExists, ObjectNotFound, WrongDigest
from rainer.store.addressed import AddressedStore
from rainer.store.file import FileStore
from rainer.store.memory import MemoryStore
from rainer.store.spool import SMALL_BYTES
from rainer.store.store import Reading, Store
from tests.unit.store_promises import TEXT, read

SHA1, SHA256 = hashlib.sha1(TEXT).hexdigest(), hashlib.sha256(TEXT).hexdigest()


@pytest.fixture
def below() -> Iterator[MemoryStore]:
    store = MemoryStore("memory://addressed")
    yield store
    store.clear()


@pytest.mark.parametrize(
    "uri", [f"sha1://{SHA1}", f"SHA1://{SHA1.upper()}", f"Sha256://{SHA256.title()}", f"sha256://{SHA256}"]
)
def test_any_letter_case_and_both_digests(below: MemoryStore, uri: str) -> None:
    below.put(below.uri(f"blobs/x-{SHA1}"), TEXT)
    below.put(below.uri(f"blobs/x-{SHA256}"), TEXT)
    store = AddressedStore(below, "blobs/x-")
    assert store.covers(uri)
    assert read(store, uri) == TEXT
    assert read(store, uri, 6, 10) == TEXT[6:10]
    assert store.head(uri).uri == uri.lower()
    assert store.head(uri).size == len(TEXT)
    assert read(pickle.loads(pickle.dumps(store)), uri) == TEXT


@pytest.mark.parametrize("uri", [f"sha1://{SHA256}", f"sha256://{SHA1}", "sha1://", "sha1://" + "g" * 40, f"md5://{SHA1}",
                                 f"sha1:{SHA1}", f"sha1://{SHA1}/x"])  # fmt: skip
def test_what_is_no_address(below: MemoryStore, uri: str) -> None:
    store = AddressedStore(below)
    assert not store.covers(uri)
    with pytest.raises(InvalidUri) as raised:
        store.open(uri)
    assert "hex digits" in str(raised.value.hint)


@pytest.mark.parametrize("size", [10, SMALL_BYTES + 10])
@pytest.mark.parametrize("part", [(0, None), (3, 7)])
def test_other_contents_count_as_not_found(
    below: MemoryStore, tmp_path: Path, size: int, part: tuple[int, int]
) -> None:
    below.put(below.uri(SHA1), b"x" * size)
    store = AddressedStore(below, spool_folder=tmp_path)
    with pytest.raises(ObjectNotFound, match="other contents"):
        store.open(f"sha1://{SHA1}", start=part[0], end=part[1])
    assert list(tmp_path.iterdir()) == []
    assert AddressedStore(below, verify=False).open(f"sha1://{SHA1}") is not None


def test_a_large_object_passes_through_a_file_that_goes(below: MemoryStore, tmp_path: Path) -> None:
    data = TEXT * (SMALL_BYTES // 4)
    store = AddressedStore(below, spool_folder=tmp_path)
    uri = store.add(data)
    reading = store.open(uri)
    assert reading is not None
    with reading:
        assert reading.info.sha256 == hashlib.sha256(data).hexdigest()
        assert b"".join(iter(lambda: _some(reading), b"")) == data
    assert list(tmp_path.iterdir()) == []


def _some(reading: Reading) -> bytes:
    buffer = memoryview(bytearray(1000_000))
    return bytes(buffer[: reading.readinto(buffer)])


class Counting(MemoryStore):
    """Knows how many bytes were asked of it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked: list[tuple[int, int | None]] = []

    def open(self, uri: str, *, start: int = 0, end: int | None = None, **conditions: str | None) -> Reading | None:
        self.asked.append((start, end))
        return super().open(uri, start=start, end=end, **conditions)


def test_ranges_of_what_was_verified_cost_only_themselves() -> None:
    below = Counting("memory://counted")
    store = AddressedStore(below)
    uri = store.add(TEXT)
    for start in range(5):
        assert read(store, uri, start, start + 2) == TEXT[start : start + 2]
    assert below.asked == [(0, 2), (0, None), (1, 3), (2, 4), (3, 5), (4, 6)]
    below.put(below.uri(SHA256), b"others of another ETag")
    with pytest.raises(ObjectNotFound):
        store.open(uri, start=2)
    below.clear()


def test_a_put_returns_the_address_and_refuses_others(below: MemoryStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(TEXT)
    store = AddressedStore(below, "b/")
    assert store.add(source) == f"sha256://{SHA256}"
    assert store.add(TEXT, algorithm="sha1") == f"sha1://{SHA1}"
    assert store.put(f"SHA1://{SHA1.upper()}", TEXT).uri == f"sha1://{SHA1}"
    assert sorted(below.name(info.uri) for info in below.list()) == sorted([f"b/{SHA1}", f"b/{SHA256}"])
    with pytest.raises(WrongDigest):
        store.put(f"sha1://{SHA1}", b"others")
    with pytest.raises(ObjectExists):
        store.put(f"sha1://{SHA1}", TEXT, create_only=True)
    assert {info.uri for info in store.list()} == {f"sha1://{SHA1}", f"sha256://{SHA256}"}
    assert [info.uri for info in store.list(SHA1[:5].upper())] == [f"sha1://{SHA1}"]
    assert store.uri(SHA1.upper()) == f"sha1://{SHA1}"
    assert store.delete(f"sha1://{SHA1}") is True
    assert store.delete(f"sha1://{SHA1}") is False


def test_only_the_digests_it_was_told(below: MemoryStore) -> None:
    store = AddressedStore(below, algorithms=["sha1"])
    assert not store.covers(f"sha256://{SHA256}")
    assert store.add(TEXT) == f"sha1://{SHA1}"
    with pytest.raises(InvalidError):
        store.add(TEXT, algorithm="sha256")
    with pytest.raises(InvalidError):
        AddressedStore(below, algorithms=["md5"])


def test_a_store_of_files_below(tmp_path: Path) -> None:
    store: Store = AddressedStore(FileStore(tmp_path.as_uri()))
    store.put(f"sha256://{SHA256}", TEXT)
    (tmp_path / SHA256).write_bytes(b"damaged by a hand")
    with pytest.raises(ObjectNotFound):
        store.open(f"sha256://{SHA256}")
