"""Objects into files: whole, hashed, in ranges, with what the caller is told on the way."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rainer.errors import ObjectNotFound, StoreUnavailable, WrongDigest
from rainer.store import HttpStore, fetch, fetching, ranges
from tests.services.bad_http import BadHttp, etag_of
from tests.unit.http_script import ScriptedServer, answer

DATA = random.Random(4).randbytes(700_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server() -> Iterator[BadHttp]:
    with BadHttp() as server:
        server.objects["/a"] = DATA
        server.objects["/empty"] = b""
        yield server


@pytest.fixture
def store(server: BadHttp) -> Iterator[HttpStore]:
    with closing(HttpStore(server.url, timeout_s=5.0)) as store:
        yield store


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is above 64 MiB elsewhere is above 100 kB here."""
    monkeypatch.setattr(fetching, "RANGES_ABOVE_BYTES", 100_000)
    for module in (fetching, ranges):
        monkeypatch.setattr(module, "RANGE_BYTES", 60_000)


def _contents(file: int) -> bytes:
    return os.pread(file, 10_000_000, 0)


@pytest.mark.parametrize("told", ["nothing", "size", "digest", "both"])
def test_an_object_comes_whole(store: HttpStore, file: int, told: str) -> None:
    heard: list[int] = []
    fetched = fetch(
        store, store.uri("a"), file,
        size=len(DATA) if told in ("size", "both") else None,
        sha256=SHA256 if told in ("digest", "both") else None,
        progress=heard.append,
    )  # fmt: skip
    assert fetched is not None
    assert (fetched.sha256, fetched.size, fetched.info.etag) == (SHA256, len(DATA), etag_of(DATA))
    assert _contents(file) == DATA
    assert sum(heard) == len(DATA)


def test_an_empty_object_comes_too(store: HttpStore, file: int) -> None:
    fetched = fetch(store, store.uri("empty"), file, size=0, sha256=hashlib.sha256().hexdigest())
    assert fetched is not None
    assert (fetched.size, _contents(file)) == (0, b"")


def test_one_that_is_not_modified_does_not_come(store: HttpStore, file: int) -> None:
    assert fetch(store, store.uri("a"), file, if_none_match=etag_of(DATA)) is None
    assert fetch(store, store.uri("a"), file, if_none_match='"older"') is not None


def test_one_that_is_not_there_is_not_found(store: HttpStore, file: int) -> None:
    with pytest.raises(ObjectNotFound):
        fetch(store, store.uri("b"), file)


def test_another_size_is_refused_before_anything_comes(store: HttpStore, file: int) -> None:
    with pytest.raises(WrongDigest, match=f"{len(DATA)} bytes, and 5 were promised"):
        fetch(store, store.uri("a"), file, size=5)
    assert _contents(file) == b""


def test_another_digest_is_refused(store: HttpStore, file: int) -> None:
    with pytest.raises(WrongDigest) as caught:
        fetch(store, store.uri("a"), file, sha256="0" * 64)
    assert SHA256 in str(caught.value)
    assert "0" * 64 in str(caught.value)


def test_a_size_that_only_shows_on_the_way_is_refused_on_the_way(file: int) -> None:
    class Endless(HttpStore):
        """Tells no size."""

        def open(self, uri: str, **options: object) -> object:  # type: ignore[override]
            reading = super().open(uri, **options)  # type: ignore[arg-type]
            assert reading is not None
            reading.info = type(reading.info)(uri)
            return reading

    with BadHttp() as server, closing(Endless(server.url)) as store:
        server.objects["/a"] = DATA
        with pytest.raises(WrongDigest, match="more than the 1000 bytes"):
            fetch(store, store.uri("a"), file, size=1000)  # type: ignore[arg-type]


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("told", [True, False])
def test_a_large_object_comes_in_ranges_at_a_time(server: BadHttp, store: HttpStore, file: int, told: bool) -> None:
    heard: list[int] = []
    promised = {"size": len(DATA), "sha256": SHA256} if told else {}
    fetched = fetch(store, store.uri("a"), file, progress=heard.append, **promised)  # type: ignore[arg-type]
    assert fetched is not None
    assert (fetched.sha256, fetched.size) == (SHA256, len(DATA))
    assert _contents(file) == DATA
    assert sum(heard) == len(DATA)
    assert len(server.asked) == 12
    later = [asked.headers for asked in server.asked if asked.headers.get("range", "bytes=0-59999") != "bytes=0-59999"]
    assert len(later) == 11
    assert {headers["if-match"] for headers in later} == {etag_of(DATA)}


@pytest.mark.usefixtures("small_ranges")
def test_a_file_open_for_writing_alone_is_filled_by_one_request(
    server: BadHttp, store: HttpStore, tmp_path: Path
) -> None:
    descriptor = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    try:
        fetch(store, store.uri("a"), descriptor, size=len(DATA), sha256=SHA256)
    finally:
        os.close(descriptor)
    assert (tmp_path / "file").read_bytes() == DATA
    assert len(server.asked) == 1


@pytest.mark.usefixtures("small_ranges")
def test_without_etag_and_digest_nothing_is_put_together(file: int) -> None:
    with BadHttp(etags=False) as server, closing(HttpStore(server.url)) as store:
        server.objects["/a"] = DATA
        assert fetch(store, store.uri("a"), file) is not None
        assert len(server.asked) == 1
        assert _contents(file) == DATA


@pytest.mark.usefixtures("small_ranges")
def test_many_large_objects_share_a_processs_helpers(server: BadHttp, store: HttpStore, tmp_path: Path) -> None:
    most = []

    def one(number: int) -> None:
        descriptor = os.open(tmp_path / str(number), os.O_RDWR | os.O_CREAT)
        try:
            fetch(store, store.uri("a"), descriptor, sha256=SHA256, progress=lambda _: most.append(_helpers()))
        finally:
            os.close(descriptor)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((tmp_path / str(number)).read_bytes() == DATA for number in range(5))
    assert 0 < max(most) <= 6
    assert _helpers() == 0


def _helpers() -> int:
    return sum(thread.name.startswith("fetch-range") for thread in threading.enumerate())


def test_bytes_that_are_not_what_the_store_itself_says_are_refused(file: int) -> None:
    head = {"X-Rainer-SHA256": SHA256, "ETag": f'"{SHA256}"'}
    with ScriptedServer(answer(200, DATA[:-1] + b"x", head)) as server, closing(HttpStore(server.url)) as store:
        with pytest.raises(WrongDigest, match=SHA256):
            fetch(store, store.uri("a"), file)
        server.script[:] = [answer(200, DATA, head)]
        fetched = fetch(store, store.uri("a"), file)
        assert fetched is not None
        assert fetched.sha256 == SHA256


def test_a_part_from_behind_where_it_was_asked_is_no_answer() -> None:
    late = answer(206, b"789", {"Content-Range": "bytes 7-9/10"})
    with ScriptedServer(late) as server, closing(HttpStore(server.url)) as store:
        for start in (0, 5):
            with pytest.raises(StoreUnavailable, match=f"from byte 7, and was asked from {start}"):
                store.open(store.uri("a"), start=start)


@pytest.mark.usefixtures("small_ranges")
def test_where_no_thread_can_be_started_the_caller_fetches_all(
    store: HttpStore, file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("fetch-range-"):
            raise RuntimeError("can't start new thread")
        real(thread)

    free = ranges._free_helpers._value
    monkeypatch.setattr(threading.Thread, "start", start)
    fetched = fetch(store, store.uri("a"), file)
    assert fetched is not None
    assert fetched.sha256 == SHA256
    assert ranges._free_helpers._value == free
