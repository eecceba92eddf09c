"""A server's store through `rainer.store`, and several servers on one database and one place of contents."""

from __future__ import annotations

import hashlib
import multiprocessing
import pickle
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import rainer.testing
from rainer import limits
from rainer.errors import (
    DeniedError,
    InvalidError,
    InvalidUri,
    ObjectExists,
    ObjectNotFound,
    StoreUnavailable,
    WrongDigest,
)
from rainer.journal import Journal
from rainer.store import ServerStore, Store, fetch, open_store
from tests.integration.wire import ask
from tests.services.rainer import RainerServer

BIG = random.Random(1).randbytes(3_000_000)


@pytest.fixture(scope="module")
def server(_guardian: None) -> Iterator[RainerServer]:
    """A server for all tests of this file."""
    with RainerServer() as server:
        yield server


@pytest.fixture
def store(server: RainerServer) -> Iterator[Store]:
    store = open_store(f"{server.url}/-/store")
    yield store
    store.close()


def test_uris_are_the_files_own_urls(server: RainerServer, store: Store) -> None:
    uri = store.uri("foo/ä b.1.0.0.csv")
    assert uri == f"{server.url}/-/store/files/foo/%C3%A4%20b.1.0.0.csv"
    assert store.name(uri) == store.name(f"{server.url}/-/store/foo/%C3%A4%20b.1.0.0.csv") == "foo/ä b.1.0.0.csv"
    folder = ServerStore(f"{server.url}/-/store/files/team")
    assert (folder.uri("a"), folder.name(f"{server.url}/-/store/files/team/a")) == (store.uri("team/a"), "a")
    assert not folder.covers(store.uri("teams/a"))
    with pytest.raises(InvalidUri):
        store.name("http://elsewhere/-/store/files/a")
    with pytest.raises(InvalidUri):
        ServerStore(f"{server.url}/diary")


def test_put_open_head_list_delete(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(BIG)
    told: list[int] = []
    uri = store.uri("some/big")
    info = store.put(uri, source, sha256=hashlib.sha256(BIG).hexdigest(), progress=told.append)
    assert (info.size, info.sha256, sum(told)) == (len(BIG), hashlib.sha256(BIG).hexdigest(), len(BIG))
    assert store.head(uri) == info
    with (tmp_path / "got").open("w+b") as file:
        assert fetch(store, uri, file.fileno(), sha256=info.sha256) is not None
    assert (tmp_path / "got").read_bytes() == BIG
    reading = store.open(uri, start=5, end=9, if_match=info.etag)
    assert reading is not None
    with reading:
        buffer = memoryview(bytearray(10))
        assert bytes(buffer[: reading.readinto(buffer)]) == BIG[5:9]
    assert store.open(uri, if_none_match=info.etag) is None
    assert [store.name(found.uri) for found in store.list("some/")] == ["some/big"]
    assert next(store.list("some/")) == info
    assert (store.delete(uri), store.delete(uri)) == (True, False)


def test_long_lists_come_in_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LIST_PAGE_MAX", 2)
    for number in range(5):
        store.put(store.uri(f"page/{number}"), b"1")
    assert [store.name(found.uri) for found in store.list("page/")] == [f"page/{number}" for number in range(5)]
    assert list(store.list("page/9")) == []


def test_what_is_created_is_sealed(store: Store) -> None:
    uri = store.uri("sealed")
    store.put(uri, b"1", create_only=True)
    assert store.put(uri, b"1", create_only=True).size == 1
    with pytest.raises(ObjectExists):
        store.put(uri, b"2", create_only=True)
    with pytest.raises(DeniedError):
        store.put(uri, b"2")
    assert store.delete(uri)


def test_other_puts_replace_whatever_is_there(server: RainerServer, store: Store) -> None:
    future = "?last_modified=Fri,%2031%20Dec%202100%2023:59:59%20-0000"
    assert ask(server.url, "PUT", f"/-/store/files/future{future}", {}, b"1").status == 200
    store.put(store.uri("future"), b"2")
    assert ask(server.url, "GET", "/-/store/files/future").body == b"2"


def test_errors_have_their_names(server: RainerServer, store: Store, tmp_path: Path) -> None:
    for call in (store.head, store.open):
        with pytest.raises(ObjectNotFound, match="nowhere"):
            call(store.uri("nowhere"))
    with pytest.raises(WrongDigest, match="announced"):
        store.put(store.uri("wrong"), b"1", sha256="0" * 64)
    with pytest.raises(InvalidError, match="component"):
        store.put(store.uri("a/../b"), b"1")
    with pytest.raises(InvalidError, match="cannot be read"):
        store.put(store.uri("a"), tmp_path / "never")
    info = store.put(store.uri("changed"), b"1")
    store.put(store.uri("changed"), b"2")
    with pytest.raises(ObjectNotFound, match="no longer"):
        store.open(store.uri("changed"), if_match=info.etag)
    nobody = ServerStore("http://127.0.0.1:1/-/store", timeout_s=0.2)
    with pytest.raises(StoreUnavailable):
        nobody.head(nobody.uri("a"))


def _put_in_child(store: Store) -> None:
    store.put(store.uri("from-a-child"), b"1")


def test_forked_and_pickled(store: Store) -> None:
    store.put(store.uri("from-the-parent"), b"1")
    child = multiprocessing.get_context("fork").Process(target=_put_in_child, args=(store,))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    child.close()
    assert store.head(store.uri("from-a-child")).size == 1
    again = pickle.loads(pickle.dumps(store))
    assert again.head(store.uri("from-the-parent")).size == 1
    again.close()


def test_the_server_for_tests_has_a_store() -> None:
    with rainer.testing.server() as server:
        store = open_store(server.store)
        assert store.put(store.uri("a"), b"1").size == 1
        assert [info.size for info in store.list()] == [1]
        store.close()


def test_a_server_without_a_store_says_so(tmp_path: Path) -> None:
    """As one is that is mounted in another app, and not told where to keep files."""
    with pytest.MonkeyPatch.context() as patch, Journal("memory:") as journal:
        patch.setattr(rainer.testing, "StoreOptions", lambda _folder: None)
        with rainer.testing.server(journal) as server:
            for path in ("/-/store/version/", "/-/store/files/a", "/-/store/list", "/-/store/names"):
                ask(server.url, "GET", path).problem(404, "not-found", "keeps no files", "rainer serve")


def test_workers_and_servers_share_names_and_contents(tmp_path: Path) -> None:
    """Two servers, one of them with two workers; the second's contents are the first's, through a store's URL."""
    with RainerServer(workers=2) as one, RainerServer(
        one.database, arguments=("--store-contents", f"file://{one.data_dir}/store")
    ) as two:  # fmt: skip
        stores = [open_store(f"{server.url}/-/store") for server in (one, two)]

        def create(number: int) -> bool:
            mine = stores[number % 2]
            mine.put(mine.uri(f"own/{number}"), b"the same")
            try:
                mine.put(mine.uri("contended"), b"%d" % number, create_only=True)
            except ObjectExists:
                return False
            return True

        with ThreadPoolExecutor(8) as threads:
            won = list(threads.map(create, range(16)))
        assert won.count(True) == 1
        for store in stores:
            reading = store.open(store.uri("contended"))
            assert reading is not None
            with reading:
                buffer = memoryview(bytearray(10))
                assert bytes(buffer[: reading.readinto(buffer)]) == b"%d" % won.index(True)
            assert len(list(store.list("own/"))) == 16
        digest = hashlib.sha256(b"the same").hexdigest()
        assert len(list((one.data_dir / "store").glob(f"??/{digest}-*"))) == 1
        for store in stores:
            store.close()
        two.stop()
        one.stop()
        assert "Traceback" not in one.output + two.output


def test_contents_may_lie_in_another_servers_store(server: RainerServer) -> None:
    with RainerServer(arguments=("--store-contents", f"{server.url}/-/store/files/contents-of-another")) as front:
        store = open_store(f"{front.url}/-/store")
        text = b"".join(b"line %d\n" % number for number in range(400_000))
        store.put(store.uri("text"), text)
        answer = ask(front.url, "GET", "/-/store/files/text", {"Range": "bytes=3000000-3000020"})
        assert answer.body == text[3_000_000:3_000_021]
        assert ask(front.url, "GET", "/-/store/files/text").body == text
        behind = open_store(f"{server.url}/-/store")
        assert [info.size and info.size < len(text) for info in behind.list("contents-of-another/")] == [True]
        for one in (store, behind):
            one.close()
        front.stop()
        assert "Traceback" not in front.output
