"""Fetching while server and network misbehave: whole and right, or a clear error and soon."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import resource
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rainer.errors import NoSpace, ObjectNotFound, StoreUnavailable, WrongDigest
from rainer.store import HttpStore, S3Store, Store, fetch, fetching, ranges, source
from tests.services.bad_http import SLOW_DOWN, BadHttp, Fault

DATA = random.Random(5).randbytes(1_500_000)
OTHER = random.Random(6).randbytes(1_500_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
MANY = 100


@pytest.fixture
def server() -> Iterator[BadHttp]:
    with BadHttp() as server:
        server.objects["/bucket/a"] = DATA
        yield server


@pytest.fixture(params=["http", "s3"])
def store(request: pytest.FixtureRequest, server: BadHttp, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The server's objects by plain HTTP, and as if it were S3."""
    if request.param == "http":
        made: Store = HttpStore(f"{server.url}/bucket", timeout_s=2.0)
    else:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        made = S3Store("s3://bucket", timeout_s=2.0, endpoint_url=server.url, region="us-east-1")
    with closing(made) as store:
        yield store


@pytest.fixture(params=["as one", "in ranges"])
def file(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """An open file that is filled by one request, or in ranges side by side."""
    if request.param == "in ranges":
        monkeypatch.setattr(fetching, "RANGES_ABOVE_BYTES", 1_000_000)
        for module in (fetching, ranges):
            monkeypatch.setattr(module, "RANGE_BYTES", 400_000)
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def _fetch(store: Store, file: int, **promised: object) -> bytes:
    told: list[int] = []
    fetched = fetch(store, store.uri("a"), file, progress=told.append, **promised)  # type: ignore[arg-type]
    assert fetched is not None
    contents = os.pread(file, 10_000_000, 0)
    assert hashlib.sha256(contents).hexdigest() == fetched.sha256
    assert sum(told) == len(contents) == fetched.size
    return contents


PROMISED = {"size": len(DATA), "sha256": SHA256}


@pytest.mark.parametrize("promised", [PROMISED, {}], ids=["pinned", "unpinned"])
@pytest.mark.parametrize("fault", ["reset", "closed", "stalled", "throttled", "cut at once"])
def test_a_break_is_mended(
    server: BadHttp, store: Store, file: int, fault: str, promised: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "stalled":
        _be_impatient(store)
    broken = {
        "reset": Fault(cut_after=300_000),
        "closed": Fault(cut_after=300_000, gently=True),
        "stalled": Fault(stall_after=300_000),
        "throttled": SLOW_DOWN,
        "cut at once": Fault(cut_after=0, gently=True),
    }[fault]
    server.faults.extend([broken] * 2)
    assert _fetch(store, file, **promised) == DATA
    if fault == "closed" and not promised:
        assert any(asked.headers.get("if-match") for asked in server.asked), "taken up where it broke, unchanged"


def _be_impatient(store: Store) -> None:
    """A second of silence is long on this machine, and five of them would be long for a test."""
    pool = store._pool if isinstance(store, HttpStore) else None
    if pool is not None:
        pool.timeout_s = 0.3
    elif isinstance(store, S3Store):
        region, endpoint, _ = store._given
        store._given = (region, endpoint, 0.3)


def test_what_came_before_a_break_is_not_sent_again(server: BadHttp, tmp_path: Path) -> None:
    server.faults.extend([Fault(cut_after=900_000, gently=True)])
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    try:
        with closing(HttpStore(f"{server.url}/bucket", timeout_s=2.0)) as store:
            assert _fetch(store, descriptor) == DATA
    finally:
        os.close(descriptor)
    assert [asked.headers.get("range") for asked in server.asked] == [None, f"bytes=900000-{len(DATA) - 1}"]


def test_a_server_that_breaks_off_always_is_given_up(server: BadHttp, store: Store, file: int) -> None:
    server.faults.extend([Fault(cut_after=10, gently=True)] * MANY)
    with pytest.raises(StoreUnavailable, match=r"after 10 of \d+ bytes"):
        fetch(store, store.uri("a"), file)
    assert len(server.asked) <= 20


def test_a_server_that_stalls_always_is_given_up_in_bounded_time(server: BadHttp, store: Store, file: int) -> None:
    _be_impatient(store)
    server.faults.extend([Fault(stall_after=10)] * MANY)
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"no byte came for 0\.3 s"):
        fetch(store, store.uri("a"), file)
    assert time.monotonic() - begun < 20


def test_a_throttle_that_lasts_is_told(server: BadHttp, store: Store, file: int) -> None:
    _be_impatient(store)
    server.faults.extend([SLOW_DOWN] * MANY)
    with pytest.raises(StoreUnavailable, match=r"SlowDown|503"):
        fetch(store, store.uri("a"), file)


# The wrong bytes


@pytest.mark.parametrize("size", [len(DATA), None])
def test_wrong_bytes_are_refused(server: BadHttp, store: Store, file: int, size: int | None) -> None:
    server.faults.extend([Fault(flip_at=100)] * MANY)
    with pytest.raises(WrongDigest, match=SHA256):
        fetch(store, store.uri("a"), file, sha256=SHA256, size=size)


def test_a_truncated_object_is_refused(server: BadHttp, store: Store, file: int) -> None:
    server.objects["/bucket/a"] = DATA[:-1]
    with pytest.raises(WrongDigest, match="promised"):
        fetch(store, store.uri("a"), file, **PROMISED)  # type: ignore[arg-type]


@pytest.mark.parametrize("ended", [True, False], ids=["broken off", "sent on"])
def test_an_object_that_changes_midway_is_read_anew(server: BadHttp, store: Store, file: int, ended: bool) -> None:
    def change() -> None:
        server.objects["/bucket/a"] = OTHER

    server.faults.append(Fault(cut_after=300_000 if ended else None, gently=True, then=change))
    assert _fetch(store, file) in ((OTHER,) if ended else (DATA, OTHER))


def test_an_object_that_changes_midway_never_passes_for_the_pinned_one(
    server: BadHttp, store: Store, file: int
) -> None:
    def change() -> None:
        server.objects["/bucket/a"] = OTHER

    server.faults.append(Fault(cut_after=300_000, gently=True, then=change))
    with pytest.raises(WrongDigest):
        fetch(store, store.uri("a"), file, **PROMISED)  # type: ignore[arg-type]


def test_an_object_that_changes_again_and_again_is_given_up(server: BadHttp, store: Store, file: int) -> None:
    versions = (random.Random(n).randbytes(1_500_000) for n in range(MANY))

    def change() -> None:
        server.objects["/bucket/a"] = next(versions)

    server.faults.extend([Fault(cut_after=300_000, gently=True, then=change)] * MANY)
    with pytest.raises(StoreUnavailable, match="changed while it was read, twice"):
        fetch(store, store.uri("a"), file)


def test_an_object_removed_midway_is_gone(server: BadHttp, store: Store, file: int) -> None:
    server.faults.append(Fault(cut_after=300_000, gently=True, then=server.objects.clear))
    with pytest.raises(ObjectNotFound):
        fetch(store, store.uri("a"), file)


@pytest.mark.parametrize("etags", [True, False], ids=["with ETags", "without ETags"])
@pytest.mark.parametrize("ranges_known", [True, False], ids=["with ranges", "without ranges"])
def test_a_simple_server_is_enough(tmp_path: Path, etags: bool, ranges_known: bool) -> None:
    with BadHttp(etags=etags, ranges=ranges_known) as server, closing(HttpStore(server.url)) as store:
        server.objects["/a"] = DATA
        server.faults.append(Fault(cut_after=300_000, gently=True))
        for promised in (PROMISED, {}):
            descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            try:
                assert _fetch(store, descriptor, **promised) == DATA
            finally:
                os.close(descriptor)


def test_parts_of_two_objects_are_found_out_without_etags(tmp_path: Path) -> None:
    """The server has no ETags and the object changes: what came after the break does not fit, and all is read anew."""
    with BadHttp(etags=False) as server, closing(HttpStore(server.url)) as store:
        server.objects["/a"] = OTHER

        def change() -> None:
            server.objects["/a"] = DATA

        server.faults.append(Fault(cut_after=300_000, gently=True, then=change))
        descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
        try:
            assert _fetch(store, descriptor, **PROMISED) == DATA
        finally:
            os.close(descriptor)


def test_the_memory_of_a_thread_is_one_buffer() -> None:
    assert source.buffer() is source.buffer()
    assert len(source.buffer()) == 256 * 1024


def test_a_limit_of_the_system_is_told_like_a_full_disk(store: Store, file: int) -> None:
    """Also where nothing may be mounted; in ranges, the error comes from whichever thread meets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(NoSpace, match=os.strerror(errno.EFBIG)):
            fetch(store, store.uri("a"), file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
