"""S3Store on a real server that speaks S3."""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import pickle
import random
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient

from rainer.errors import CredentialsError, InvalidUri, ObjectExists, ObjectNotFound, RainerError, WrongDigest
from rainer.store import Reading, S3Store, fetch, open_store, s3, s3_upload
from tests.services.seaweedfs import Bucket, SeaweedFS
from tests.services.waiting import wait_until

LARGE = random.Random(7).randbytes(9 * 1024 * 1024)


@pytest.fixture
def store(s3_bucket: Bucket) -> Iterator[S3Store]:
    store = open_store(f"{s3_bucket.url}/below")
    assert isinstance(store, S3Store)
    with closing(store):
        yield store


@pytest.fixture
def large_file(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(LARGE)
    return path


def _all(reading: Reading | None) -> bytes:
    assert reading is not None
    with reading:
        out, buffer = bytearray(), memoryview(bytearray(65536))
        while count := reading.readinto(buffer):
            out += buffer[:count]
    return bytes(out)


NAMES = (
    "a.csv",
    "dir/a b.csv",
    "a+b&c=d.csv",
    "100%.csv",
    "100%25.csv",
    "ü/日本.csv",
    "~'!(*)$@,;:.csv",
    "?x#y.csv",
    'q"<>.csv',
)


def test_objects_of_any_name_come_back(store: S3Store) -> None:
    for name in NAMES:
        put = store.put(store.uri(name), name.encode())
        assert store.name(put.uri) == name
    for name in NAMES:
        assert _all(store.open(store.uri(name))) == name.encode()
        assert store.head(store.uri(name)).sha256 == hashlib.sha256(name.encode()).hexdigest()
    assert {store.name(info.uri) for info in store.list()} == set(NAMES)
    for name in NAMES:
        assert store.delete(store.uri(name))
        assert not store.delete(store.uri(name))
    assert list(store.list()) == []


def test_ranges_and_conditions(store: S3Store) -> None:
    data = bytes(range(200))
    uri, etag = store.uri("a"), store.put(store.uri("a"), data).etag
    assert etag is not None
    for start, end in [(0, None), (0, 10), (50, None), (50, 60), (190, 500), (200, None), (7, 7)]:
        reading = store.open(uri, start=start, end=end, if_match=etag)
        assert reading is not None
        assert reading.info.size == 200
        assert _all(reading) == data[start:end]
    assert store.open(uri, if_none_match=etag) is None
    assert _all(store.open(uri, if_none_match='"other"')) == data
    with pytest.raises(ObjectNotFound, match="no longer what it was"):
        store.open(uri, if_match='"other"')
    store.put(uri, b"new")
    with pytest.raises(ObjectNotFound):
        store.open(uri, start=5, if_match=etag)


def test_what_is_not_there(store: S3Store, s3_bucket: Bucket) -> None:
    for call in (store.open, store.head):
        with pytest.raises(ObjectNotFound, match=f"{s3_bucket.url}/below/a does not exist"):
            call(store.uri("a"))
    with closing(S3Store("s3://no-such-bucket-here")) as nowhere:
        with pytest.raises(ObjectNotFound, match="no such bucket"):
            nowhere.open("s3://no-such-bucket-here/a")
        with pytest.raises(ObjectNotFound, match="no such bucket"):
            nowhere.put("s3://no-such-bucket-here/a", b"")
    with pytest.raises(InvalidUri):
        store.head(f"{s3_bucket.url}/elsewhere/a")


def test_a_list_is_whole_and_in_order_over_pages(
    store: S3Store, s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "PAGE_OBJECTS", 7)
    with closing(s3_bucket.client()) as client, ThreadPoolExecutor(8) as threads:
        names = [f"{number:02}" for number in range(30)]
        list(threads.map(lambda name: client.put_object(Bucket=s3_bucket.name, Key=f"below/{name}", Body=b"x"), names))
        client.put_object(Bucket=s3_bucket.name, Key="belowground", Body=b"not ours")
    assert [store.name(info.uri) for info in store.list()] == names
    assert [store.name(info.uri) for info in store.list("1")] == names[10:20]
    first = next(iter(store.list()))
    assert (first.size, first.etag) == (1, store.head(first.uri).etag)
    assert first.mtime is not None


# Writing


def test_a_large_file_goes_up_in_parts_and_comes_down_in_ranges(
    store: S3Store, large_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    info = store.put(store.uri("large"), large_file, progress=told.append)
    assert sum(told) == len(LARGE)
    assert len(told) == 2
    assert store.head(info.uri).sha256 == info.sha256 == hashlib.sha256(LARGE).hexdigest()
    monkeypatch.setattr("rainer.store.fetching.RANGES_ABOVE_BYTES", 1024 * 1024)
    for module in ("fetching", "ranges"):
        monkeypatch.setattr(f"rainer.store.{module}.RANGE_BYTES", 2 * 1024 * 1024)
    descriptor = os.open(tmp_path / "back", os.O_RDWR | os.O_CREAT)
    try:
        fetched = fetch(store, info.uri, descriptor, sha256=info.sha256, size=len(LARGE))
    finally:
        os.close(descriptor)
    assert fetched is not None
    assert fetched.info.etag == info.etag
    assert (tmp_path / "back").read_bytes() == LARGE


@pytest.mark.parametrize("kind", ["small", "large"])
def test_what_is_not_what_was_promised_is_not_stored(store: S3Store, large_file: Path, kind: str) -> None:
    with pytest.raises(WrongDigest):
        store.put(store.uri("a"), large_file if kind == "large" else b"small", sha256="0" * 64)
    assert list(store.list()) == []
    assert _unfinished(store) == []


def test_the_server_refuses_bytes_that_were_altered_on_the_way(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_upload, "_check", lambda *_: None)
    with pytest.raises(WrongDigest, match="BadDigest"):
        store.put(store.uri("a"), b"altered", sha256=hashlib.sha256(b"original").hexdigest())
    assert list(store.list()) == []


@pytest.fixture
def completed_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads in parts are completed one after the other.

    S3 promises that one of several conditional completions succeeds. SeaweedFS 4 looks first and writes then: of two in
    the same moment both succeed, which is nothing that its client could mend.
    """
    call, turn = BaseClient._make_api_call, threading.Lock()

    def in_turn(self: Any, operation: str, arguments: Any) -> Any:
        with turn if operation == "CompleteMultipartUpload" else contextlib.nullcontext():
            return call(self, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", in_turn)


@pytest.mark.usefixtures("completed_in_turn")
@pytest.mark.parametrize("kind", ["small", "large"])
def test_of_many_who_create_one_object_one_does(store: S3Store, large_file: Path, kind: str) -> None:
    start, outcomes = threading.Barrier(6), []

    def create(number: int) -> None:
        source = large_file if kind == "large" else str(number).encode()
        start.wait()
        try:
            outcomes.append(store.put(store.uri("a"), source, create_only=True).etag)
        except ObjectExists:
            outcomes.append(None)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [etag for etag in outcomes if etag] == [store.head(store.uri("a")).etag]
    assert _unfinished(store) == []
    with pytest.raises(ObjectExists, match="exists already"):
        store.put(store.uri("a"), large_file if kind == "large" else b"x", create_only=True)


def _unfinished(store: S3Store) -> list[object]:
    client = store._in_process().access("default").client()
    return list(client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", ()))


# Credentials


def test_credentials_are_tried_in_order(s3_bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "credentials").write_text(
        f"[right]\naws_access_key_id={s3_bucket.access_key}\naws_secret_access_key={s3_bucket.secret_key}\n"
        "[wrong]\naws_access_key_id=nobody\naws_secret_access_key=nothing\n",
        "utf-8",
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    names = ["env", "profile:missing", "anonymous", "profile:wrong", "profile:right"]
    uri = f"{s3_bucket.url}/a"
    with closing(open_store(s3_bucket.url, credentials=names)) as store:
        store.put(uri, b"data")
        assert _all(store.open(uri)) == b"data"
        assert isinstance(store, S3Store)
        assert store._in_process().in_order()[0] == "profile:right"
    with closing(open_store(s3_bucket.url, credentials=names[:-1])) as store:
        for call in (store.open, store.head, lambda uri: store.put(uri, b""), lambda _: list(store.list())):
            with pytest.raises(CredentialsError) as caught:
                call(uri)
            text = str(caught.value)
            assert text.startswith(s3_bucket.url)
            assert [name for name in names[:-1] if f"{name}: " in text] == names[:-1]


def test_a_wrong_secret_is_told_with_what_to_set(s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with closing(open_store(s3_bucket.url)) as store:
        with pytest.raises(CredentialsError, match=f"{s3_bucket.url}/a: .*SignatureDoesNotMatch") as caught:
            store.head(f"{s3_bucket.url}/a")
        assert "AWS_SECRET_ACCESS_KEY" in str(caught.value.hint)


# Threads and processes


def test_threads_share_a_store(store: S3Store, seaweedfs: SeaweedFS, s3_bucket: Bucket) -> None:
    uri = store.put(store.uri("a"), b"x" * 10_000).uri
    with ThreadPoolExecutor(8) as threads:
        assert all(body == b"x" * 10_000 for body in threads.map(lambda _: _all(store.open(uri)), range(100)))
    wait_until(lambda: seaweedfs.downloads(s3_bucket) >= 100, 10, "the server's count of a hundred downloads")
    assert seaweedfs.downloads(s3_bucket) == 100
    assert seaweedfs.sent_bytes(s3_bucket) == 100 * 10_000


def test_a_forked_child_reads_and_writes_and_so_does_its_parent(store: S3Store) -> None:
    uri = store.put(store.uri("a"), b"parent").uri
    assert _all(store.open(uri)) == b"parent"
    parents = store._in_process()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forks beside threads
        child = os.fork()
    if not child:
        try:
            right = _all(store.open(uri)) == b"parent" and store._in_process() is not parents
            store.put(store.uri("child"), b"child")
            os._exit(0 if right else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert _all(store.open(store.uri("child"))) == b"child"
    assert store._in_process() is parents


@pytest.mark.may_leak("multiprocessing keeps its resource tracker")
def test_a_store_goes_to_another_process_by_pickling(store: S3Store) -> None:
    uri = store.put(store.uri("a"), b"data").uri
    assert _all(store.open(uri)) == b"data"
    assert b"secret" not in pickle.dumps(store)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_read_elsewhere, (store, uri)) == b"data"


def _read_elsewhere(store: S3Store, uri: str) -> bytes:
    try:
        return _all(store.open(uri))
    except RainerError as e:
        return repr(e).encode()


def test_a_closed_store_opens_anew(store: S3Store) -> None:
    uri = store.put(store.uri("a"), b"data").uri
    store.close()
    assert _all(store.open(uri)) == b"data"
