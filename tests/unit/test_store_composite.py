"""CompositeStore: the order of sources, what passes over one, and what the caches keep."""

from __future__ import annotations

import hashlib
import logging
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.errors import (
    CredentialsError,
    DeniedError,
    InvalidError,
    InvalidUri,
    NoSpace,
    ObjectNotFound,
    RainerError,
    StoreUnavailable,
    WrongDigest,
)  # fmt: skip
from rainer.store.addressed import AddressedStore
from rainer.store.api_source import ApiSource
from rainer.store.composite import CompositeStore, Source
from rainer.store.file import FileStore
from rainer.store.memory import MemoryStore
from rainer.store.spool import SMALL_BYTES
from rainer.store.store import ObjectInfo, Reading, Store
from tests.unit.store_promises import TEXT, StorePromises, read

SHA1 = hashlib.sha1(TEXT).hexdigest()


class TestCompositeStore(StorePromises):
    """All the promises, with a read-only source before and a cache beside the store that takes the writes."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> CompositeStore:
        return CompositeStore(
            ApiSource(nothing, prefix=(tmp_path / "home").as_uri() + "/"),
            FileStore((tmp_path / "home").as_uri()),
            Source(FileStore((tmp_path / "cache").as_uri()), cache="read-through"),
        )


def nothing(uri: str) -> bytes | None:
    return None


@pytest.fixture
def memory() -> Iterator[list[MemoryStore]]:
    stores = [MemoryStore(f"memory://composite{number}") for number in range(3)]
    yield stores
    for store in stores:
        store.clear()


class Asked(ApiSource):
    """Answers what it was told to, and counts."""

    def __init__(self, answer: bytes | RainerError | None, prefix: str = "") -> None:
        super().__init__(prefix=prefix)
        self.answer, self.count = answer, 0

    def fetch(self, uri: str) -> bytes | None:
        self.count += 1
        if isinstance(self.answer, RainerError):
            raise self.answer
        return self.answer


DOWN, REFUSED = StoreUnavailable("it is down"), CredentialsError("no such key", hint="set a key")


def test_the_first_that_has_it_answers() -> None:
    first, second = Asked(TEXT), Asked(b"others")
    composite = CompositeStore(first, second)
    assert composite.get("a://b") == TEXT
    assert (first.count, second.count) == (1, 0)
    assert composite.head("a://b").uri == "a://b"


@pytest.mark.parametrize("answer", [None, DOWN, REFUSED, DeniedError("no"), WrongDigest("no")])
def test_one_that_has_it_not_or_cannot_answer_is_passed_over(answer: RainerError | None) -> None:
    composite = CompositeStore(Asked(answer), CompositeStore(Asked(answer), Asked(TEXT)))
    assert composite.get("a://b") == TEXT
    assert composite.head("a://b").size == len(TEXT)


def test_one_that_does_not_cover_it_is_not_asked() -> None:
    other = Asked(DOWN, prefix="other://")
    assert CompositeStore(other, Asked(TEXT)).get("a://b") == TEXT
    assert other.count == 0


def test_not_found_only_when_all_lack_it() -> None:
    with pytest.raises(ObjectNotFound, match="none of one://, one:"):
        CompositeStore(Asked(None, "one://"), Asked(None, "one:")).get("one://a")


def test_some_could_not_be_asked() -> None:
    with pytest.raises(StoreUnavailable, match=r"it is down.*no such key.*lack it"):
        CompositeStore(Asked(None), Asked(DOWN), Asked(REFUSED)).get("a://b")
    with pytest.raises(CredentialsError, match="no such key") as raised:
        CompositeStore(Asked(None), Asked(REFUSED)).get("a://b")
    assert raised.value.hint == "set a key"


def test_nobody_covers_it() -> None:
    with pytest.raises(InvalidUri) as raised:
        CompositeStore(Asked(TEXT, "one://"), Asked(TEXT, "two://")).get("three://a")
    assert "one:" in str(raised.value.hint)
    assert not CompositeStore(Asked(TEXT, "one://")).covers("three://a")
    with pytest.raises(InvalidError):
        CompositeStore()


def test_what_a_source_returns_is_kept(memory: list[MemoryStore]) -> None:
    origin, cache = Asked(TEXT), memory[0]
    composite = CompositeStore(Source(cache, cache="read-through"), origin)
    assert [composite.get("a://b") for _ in range(3)] == [TEXT] * 3
    assert origin.count == 1
    (kept,) = cache.list()
    assert "uris/" in kept.uri


def test_a_cache_that_covers_the_uri_keeps_it_as_that(memory: list[MemoryStore]) -> None:
    composite = CompositeStore(Source(AddressedStore(memory[0], "c/"), cache="read-through"), Asked(TEXT))
    assert composite.get(f"sha1://{SHA1}") == TEXT
    assert [info.uri for info in memory[0].list()] == [f"{memory[0].url}/c/{SHA1}"]
    memory[0].put(memory[0].uri(f"c/{SHA1}"), b"damaged")
    assert composite.get(f"sha1://{SHA1}") == TEXT
    assert read(memory[0], memory[0].uri(f"c/{SHA1}")) == TEXT


def test_a_write_only_cache_is_never_asked(memory: list[MemoryStore]) -> None:
    origin = Asked(TEXT)
    composite = CompositeStore(Source(memory[0], cache="write-only"), origin)
    assert [composite.get("a://b") for _ in range(2)] == [TEXT] * 2
    assert origin.count == 2
    assert len(list(memory[0].list())) == 1


def test_a_source_may_say_that_it_is_not_to_be_kept(memory: list[MemoryStore]) -> None:
    composite = CompositeStore(Source(memory[0], cache="read-through"), Source(Asked(TEXT), write_back=False))
    assert composite.get("a://b") == TEXT
    assert list(memory[0].list()) == []


def test_what_one_cache_has_goes_into_no_other(memory: list[MemoryStore]) -> None:
    CompositeStore(Source(memory[0], cache="read-through"), Asked(TEXT)).get("a://b")
    both = CompositeStore(*(Source(store, cache="read-through") for store in memory[:2]), Asked(TEXT))
    assert both.get("a://b") == TEXT
    assert list(memory[1].list()) == []


class Full(MemoryStore):
    def put(self, uri: str, *args: object, **options: object) -> ObjectInfo:
        raise OSError("the disk is full")


def test_a_cache_that_cannot_be_written_is_logged_and_fails_no_get(
    memory: list[MemoryStore], caplog: pytest.LogCaptureFixture
) -> None:
    caches = [Source(store, cache="read-through") for store in (Full("memory://full"), memory[0])]
    with caplog.at_level(logging.WARNING, "rainer.store"):
        assert CompositeStore(*caches, Asked(TEXT)).get("a://b") == TEXT
    assert [word for word in ("a://b", "memory://full", "the disk is full") if word in caplog.text] == [
        "a://b",
        "memory://full",
        "the disk is full",
    ]
    assert len(list(memory[0].list())) == 1


class Lying(MemoryStore):
    """Promises another SHA-256 than its bytes have."""

    def open(self, uri: str, **options: object) -> Reading | None:
        reading = super().open(uri)
        assert reading is not None
        reading.info = ObjectInfo(uri, reading.info.size, sha256="0" * 64)
        return reading


@pytest.mark.parametrize("uri", [f"sha1://{SHA1}", "memory://lying/a"])
def test_what_fails_its_check_counts_as_not_found_and_is_never_kept(memory: list[MemoryStore], uri: str) -> None:
    lying = Lying("memory://lying")
    lying.put(lying.uri("a"), TEXT)
    memory[1].put(memory[1].uri(SHA1), b"wrong")
    sources: list[Store | Source] = [Source(memory[0], cache="write-only"), AddressedStore(memory[1]), lying]
    with pytest.raises(ObjectNotFound):
        CompositeStore(*sources).get(uri)
    assert list(memory[0].list()) == []
    assert CompositeStore(*sources, Asked(TEXT)).get(uri) == TEXT
    assert len(list(memory[0].list())) == 1
    lying.clear()


class Breaking(MemoryStore):
    """Breaks off after half of an object."""

    def open(self, uri: str, **options: object) -> Reading | None:
        reading = super().open(uri)
        assert reading is not None
        plain, left = reading.readinto, [reading.info.size or 0]

        def readinto(buffer: memoryview) -> int:
            if left[0] <= (reading.info.size or 0) // 2:
                raise StoreUnavailable(f"{uri} broke off")
            left[0] -= (got := plain(buffer[:100_000]))
            return got

        reading.readinto = readinto  # type: ignore[method-assign]
        return reading


def test_a_large_object_that_breaks_off_is_had_from_the_next_and_leaves_nothing(
    memory: list[MemoryStore], tmp_path: Path
) -> None:
    data, breaking = TEXT * (SMALL_BYTES // 4), Breaking("memory://breaking")
    uri = breaking.uri("a")
    breaking.put(uri, data)
    memory[1].put(memory[1].uri("a"), data)
    cache = Source(memory[0], cache="read-through")
    mirror = Source(memory[1], at=breaking.url)
    with pytest.raises(StoreUnavailable, match="broke off"):
        CompositeStore(cache, breaking, spool_folder=tmp_path).get(uri)
    assert list(memory[0].list()) == []
    assert CompositeStore(cache, breaking, mirror, spool_folder=tmp_path).get(uri) == data
    assert list(tmp_path.iterdir()) == []
    assert len(list(memory[0].list())) == 1
    breaking.clear()


def test_a_mirror_answers_for_another_place(memory: list[MemoryStore]) -> None:
    memory[0].put(memory[0].uri("x y/a"), TEXT)
    composite = CompositeStore(Source(memory[0], at="s3://bucket/prefix/"))
    assert composite.get("s3://bucket/prefix/x%20y/a") == TEXT
    assert composite.uri("x y/a") == "s3://bucket/prefix/x%20y/a"
    assert composite.name("s3://bucket/prefix/x%20y/a") == "x y/a"
    assert [info.uri for info in composite.list("x")] == ["s3://bucket/prefix/x%20y/a"]


def test_a_put_goes_to_the_first_that_takes_it_and_the_caches_forget(memory: list[MemoryStore]) -> None:
    origin, cache, other = memory
    composite = CompositeStore(
        Source(cache, cache="read-through"), ApiSource(nothing, prefix=origin.url), origin, Source(other, at=origin.url)
    )
    uri = composite.uri("a")
    assert uri == origin.uri("a")
    composite.put(uri, TEXT)
    assert composite.get(uri) == TEXT
    assert len(list(cache.list())) == 1
    composite.put(uri, b"newer")
    assert composite.get(uri) == b"newer"
    assert list(other.list()) == []
    assert composite.delete(uri) is True
    assert (list(cache.list()), list(origin.list())) == ([], [])
    with pytest.raises(ObjectNotFound):
        composite.get(uri)


def test_a_put_that_nobody_takes(memory: list[MemoryStore]) -> None:
    read_only = CompositeStore(Asked(TEXT), Source(memory[0], cache="read-through"))
    assert not read_only.writable
    with pytest.raises(DeniedError, match="no source takes writes"):
        read_only.put("a://b", TEXT)
    with pytest.raises(InvalidUri):
        CompositeStore(memory[0]).put("a://b", TEXT)
    assert not AddressedStore(Asked(TEXT)).writable


def test_a_list_tells_what_is_in_several_once(memory: list[MemoryStore]) -> None:
    first, second, cache = memory
    for store, name in ((first, "a"), (first, "c"), (second, "b"), (second, "c"), (cache, "d")):
        store.put(store.uri(name), name.encode())
    composite = CompositeStore(Source(cache, cache="read-through"), first, Source(second, at=first.url))
    assert [info.uri for info in composite.list()] == [first.uri(name) for name in "abc"]
    with pytest.raises(InvalidError, match="cannot be listed"):
        list(CompositeStore(first, url="composite://x").list())


def test_a_full_disk_here_is_nobody_elses_lack(tmp_path: Path, memory: list[MemoryStore]) -> None:
    second = Asked(TEXT)
    with pytest.raises(NoSpace):
        CompositeStore(Asked(NoSpace("full")), second).get("a://b")
    assert second.count == 0


def test_many_are_mapped_in_parallel_and_in_order(memory: list[MemoryStore]) -> None:
    composite = CompositeStore(memory[0])
    uris = [composite.uri(str(number)) for number in range(100)]
    for number, uri in enumerate(uris):
        composite.put(uri, b"x" * number)
    assert list(composite.map(lambda uri, data: (uri, len(data)), uris)) == list(zip(uris, range(100), strict=True))
    with pytest.raises(ObjectNotFound):
        list(composite.map(lambda uri, data: 0, [*uris, composite.uri("none")]))


def test_it_pickles_with_its_sources(tmp_path: Path) -> None:
    store: Store = CompositeStore(Source(FileStore(tmp_path.as_uri()), cache="write-only"), ApiSource(constant))
    other = pickle.loads(pickle.dumps(store))
    assert read(other, "a://b") == TEXT
    assert other.sources[0].cache == "write-only"


def constant(uri: str) -> bytes | None:
    return TEXT
