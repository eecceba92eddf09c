"""Objects on web servers of all kinds, read through HttpStore."""

from __future__ import annotations

import base64
import hashlib
import pickle
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

import rainer.store
from rainer.cache import AssetCache
from rainer.errors import CredentialsError, DeniedError, InvalidError, InvalidUri, ObjectNotFound, StoreUnavailable
from rainer.store import HttpStore, Reading
from tests.services.bad_http import BadHttp, Fault, etag_of

DATA = bytes(range(200))
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(params=["with ranges", "without ranges"])
def server(request: pytest.FixtureRequest) -> Iterator[BadHttp]:
    with BadHttp(ranges=request.param == "with ranges") as server:
        server.objects["/x/a b.csv"] = DATA
        yield server


@pytest.fixture
def store(server: BadHttp) -> Iterator[HttpStore]:
    with closing(HttpStore(f"{server.url}/x", timeout_s=5.0)) as store:
        yield store


def _all(reading: Reading | None) -> bytes:
    assert reading is not None
    with reading:
        out, buffer = bytearray(), memoryview(bytearray(64))
        while count := reading.readinto(buffer):
            out += buffer[:count]
    return bytes(out)


@pytest.mark.parametrize(("start", "end"), [(0, None), (0, 10), (50, None), (50, 60), (190, 500), (200, None), (7, 7)])
def test_any_range_is_read_whether_or_not_the_server_knows_ranges(
    store: HttpStore, start: int, end: int | None
) -> None:
    reading = store.open(store.uri("a b.csv"), start=start, end=end)
    assert reading is not None
    assert reading.info.size == len(DATA)
    assert _all(reading) == DATA[start:end]


@pytest.mark.parametrize(("start", "end"), [(-1, None), (5, 4)])
def test_a_range_that_cannot_be_is_refused(store: HttpStore, start: int, end: int) -> None:
    with pytest.raises(InvalidError):
        store.open(store.uri("a b.csv"), start=start, end=end)


def test_what_the_server_tells_of_an_object(store: HttpStore) -> None:
    info = store.head(store.uri("a b.csv"))
    assert (info.size, info.etag, info.sha256) == (len(DATA), etag_of(DATA), None)
    assert info.mtime == datetime(2025, 11, 1, 10, tzinfo=UTC)


def test_conditions(store: HttpStore) -> None:
    uri = store.uri("a b.csv")
    assert store.open(uri, if_none_match=etag_of(DATA)) is None
    assert _all(store.open(uri, if_none_match='"other"')) == DATA
    assert _all(store.open(uri, if_match=etag_of(DATA))) == DATA
    with pytest.raises(ObjectNotFound):
        store.open(uri, if_match='"other"')


def test_conditions_hold_where_the_server_knows_none(server: BadHttp, store: HttpStore) -> None:
    uri, tag = store.uri("a b.csv"), {"ETag": '"tag"'}
    server.faults.extend([Fault(200, DATA, tag), Fault(200, DATA, {"ETag": 'W/"tag"'}), Fault(200, DATA, tag)])
    assert store.open(uri, if_none_match='"tag"') is None
    assert store.open(uri, if_none_match='"tag"') is None
    with pytest.raises(ObjectNotFound, match="no longer what it was"):
        store.open(uri, if_match='"other"')


ENCODED = base64.b64encode(bytes.fromhex(SHA256)).decode()
TOLD = {
    "ours": {"X-Rainer-SHA256": SHA256},
    "an object's metadata": {"x-amz-meta-sha256": SHA256.upper()},
    "an object's checksum": {"x-amz-checksum-sha256": ENCODED},
    "RFC 3230": {"Digest": f"md5=abc,SHA-256={ENCODED}"},
    "RFC 9530": {"Repr-Digest": f"sha-256=:{ENCODED}:"},
}


@pytest.mark.parametrize("form", TOLD)
def test_a_digest_is_taken_in_any_form(server: BadHttp, store: HttpStore, form: str) -> None:
    server.faults.append(Fault(200, DATA, TOLD[form]))
    assert store.head(store.uri("a b.csv")).sha256 == SHA256


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-meta-sha256": "short"},
        {"x-amz-checksum-sha256": ENCODED + "-3"},
        {"Digest": "sha-256=x"},
        {"Digest": ""},
    ],
)
def test_what_is_no_digest_of_the_whole_is_none(server: BadHttp, store: HttpStore, headers: dict[str, str]) -> None:
    server.faults.append(Fault(200, DATA, headers))
    assert store.head(store.uri("a b.csv")).sha256 is None


REFUSALS = {404: ObjectNotFound, 410: ObjectNotFound, 401: CredentialsError, 403: CredentialsError, 400: InvalidError}


@pytest.mark.parametrize("status", REFUSALS)
def test_refusals_are_errors_that_name_the_url(server: BadHttp, store: HttpStore, status: int) -> None:
    for call in (store.open, store.head):
        server.faults.append(Fault(status, b"because"))
        with pytest.raises(REFUSALS[status]) as caught:
            call(store.uri("a b.csv"))
        assert f"{server.url}/x/a%20b.csv" in str(caught.value)
        assert caught.value.hint


def test_an_outage_is_told_as_one(server: BadHttp) -> None:
    server.faults.extend([Fault(503, b"busy")] * 20)
    words = r"not available \(503: busy\)"
    with closing(HttpStore(server.url, timeout_s=0.2)) as store, pytest.raises(StoreUnavailable, match=words):
        store.open(f"{server.url}/x")


def test_a_server_without_head_is_asked_by_get(server: BadHttp, store: HttpStore) -> None:
    server.faults.append(Fault(405))
    assert store.head(store.uri("a b.csv")).size == len(DATA)


def test_user_and_password_of_the_url_are_sent_and_never_shown(server: BadHttp) -> None:
    url = server.url.replace("://", "://me:se%3Acret@")
    with closing(HttpStore(url)) as store:
        assert _all(store.open(f"{url}/x/a%20b.csv")) == DATA
        assert server.asked[0].headers["authorization"] == "Basic " + base64.b64encode(b"me:se:cret").decode()
        server.faults.append(Fault(403))
        with pytest.raises(CredentialsError) as caught:
            store.open(f"{url}/x/a%20b.csv?X-Amz-Signature=abc")
        assert "cret" not in f"{caught.value}{caught.value.hint}{store!r}"
        assert "abc" not in str(caught.value)


def test_user_and_password_stand_in_nothing_that_is_named(server: BadHttp, tmp_path: Path) -> None:
    url = server.url.replace("://", "://me:cret@")
    with closing(HttpStore(f"{url}/x")) as store:
        uri = store.uri("a b.csv")
        assert uri == f"{server.url}/x/a%20b.csv"
        assert store.name(f"{url}/x/a%20b.csv") == store.name(uri) == "a b.csv"
        assert store.head(f"{url}/x/a%20b.csv").uri == uri
        for call in (
            lambda: store.put(uri, b""), lambda: store.list(), lambda: store.name("http://a:cret@b/c"),
            lambda: HttpStore("http://a:cret@b:99999"), lambda: rainer.store.Client("http://a:cret@b/?c"),
        ):  # fmt: skip
            with pytest.raises((InvalidError, DeniedError)) as caught:
                call()
            assert "cret" not in f"{caught.value}{caught.value.hint}"
    with AssetCache(tmp_path) as cache:
        path = cache(f"{url}/x/a%20b.csv")
        assert path.read_bytes() == DATA
        asked = len(server.asked)
        assert cache(f"{url}/x/a%20b.csv") == cache(uri) == cache.path_of(f"{url}/x/a%20b.csv") == path
        assert len(server.asked) == asked
        assert [entry.uri for entry in cache.entries()] == [uri]
        assert cache.invalidate_tree(f"{url}/x") == 1
        assert cache.delete(f"{url}/x/a%20b.csv") == 1
        cache.stores.close()
    assert all(asked.headers["authorization"] == "Basic bWU6Y3JldA==" for asked in server.asked)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"cret" in path.read_bytes()]


def test_credentials_are_tried_in_order_and_what_worked_is_remembered(server: BadHttp) -> None:
    with closing(HttpStore(server.url, credentials=["bearer:one", "bearer:two", "anonymous"])) as store:
        server.faults.append(Fault(401))
        for _ in range(2):
            assert _all(store.open(f"{server.url}/x/a%20b.csv")) == DATA
        sent = [asked.headers.get("authorization") for asked in server.asked]
        assert sent == ["Bearer one", "Bearer two", "Bearer two"]
        server.faults.extend([Fault(403)] * 3)
        with pytest.raises(CredentialsError):
            store.open(f"{server.url}/x/a%20b.csv")
        assert [asked.headers.get("authorization") for asked in server.asked][3:] == ["Bearer two", "Bearer one", None]


def test_credentials_of_no_kind_are_refused(server: BadHttp) -> None:
    with pytest.raises(InvalidUri, match="names no credentials"):
        HttpStore(server.url, credentials=["password:x"])


def test_a_store_works_after_pickling_and_after_close(server: BadHttp, store: HttpStore) -> None:
    with closing(pickle.loads(pickle.dumps(store))) as copy:
        assert _all(copy.open(copy.uri("a b.csv"))) == DATA
    store.close()
    assert _all(store.open(store.uri("a b.csv"))) == DATA


def test_other_hosts_and_what_writes_are_refused(store: HttpStore) -> None:
    with pytest.raises(InvalidUri):
        store.open("http://127.0.0.1:1/x/a")
    for call in (lambda: store.put(store.uri("a"), b""), lambda: store.delete(store.uri("a")), lambda: store.list()):
        with pytest.raises((InvalidError, CredentialsError.__mro__[1])):
            call()
