"""A server store whose bucket is slow: whoever puts a file waits for as long as that takes, and nobody else does."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

import rainer.testing
from rainer.api import signs
from rainer.api.protocol import PatientProtocol
from rainer.service import StoreOptions, file_store
from rainer.store import Client, ServerStore
from tests.integration.wire import Wire, ask, request
from tests.services.proxy import Proxy
from tests.services.seaweedfs import Bucket
from tests.services.waiting import wait_until

T = "?last_modified=Sat,%2031%20Jan%202026%2012:34:56%20-0000"
PATIENCE_S = 2.0
SIGNS = 30
"""So many signs take more than twice the patience of whoever waits."""


class Slow:
    """A server whose bucket answers when told to; how many files came whole, and how many signs of life it gave."""

    def __init__(self, server: rainer.testing.TestServer, proxy: Proxy) -> None:
        self.url, self.proxy = server.url, proxy
        self.signs = 0
        self.came = threading.Semaphore(0)

    def wait_for_signs(self, count: int) -> None:
        until = self.signs + count
        wait_until(lambda: self.signs >= until, 30, lambda: f"{self.signs} of {until} signs")

    def put(self, put: Callable[[], object]) -> None:
        """Put a file while the bucket is too slow for whoever puts it."""
        self.proxy.hang()
        with ThreadPoolExecutor(1) as thread:
            putting = thread.submit(put)
            try:
                self.wait_for_signs(SIGNS)
                assert not putting.done()
            finally:
                self.proxy.heal()
            putting.result(30)
        assert self.came.acquire(blocking=False)
        assert not self.came.acquire(blocking=False), "the file was sent again"


@pytest.fixture
def slow(s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    """Served by a bucket behind a bad network."""
    monkeypatch.setattr(signs, "_EVERY_S", PATIENCE_S / 20)
    with Proxy(urlsplit(s3_bucket.endpoint_url).port or 0) as proxy:
        for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            monkeypatch.setenv(name, f"http://{proxy.hosts}")
        monkeypatch.setattr(
            rainer.testing, "StoreOptions", lambda folder: StoreOptions(s3_bucket.url, spool=Path(folder))
        )
        with rainer.testing.server() as server:
            found = Slow(server, proxy)
            say = PatientProtocol._say_still_there

            def counted(protocol: PatientProtocol) -> None:
                found.signs += 1
                say(protocol)

            keep = file_store.Upload.keep

            async def kept(upload: file_store.Upload, *arguments: Any) -> object:
                found.came.release()
                return await keep(upload, *arguments)

            monkeypatch.setattr(PatientProtocol, "_say_still_there", counted)
            monkeypatch.setattr(file_store.Upload, "keep", kept)
            yield found


def test_clients_wait_as_long_as_the_server_is_at_it(slow: Slow, tmp_path: Path, seed: int) -> None:
    data = random.Random(seed).randbytes(300_000)
    (tmp_path / "file").write_bytes(data)
    store = ServerStore(f"{slow.url}/-/store", timeout_s=PATIENCE_S)
    with Client(f"{slow.url}/-/store", timeout_s=PATIENCE_S) as client:
        slow.put(lambda: store.put(store.uri("ours"), data))
        slow.put(lambda: client.put_file("/again", tmp_path / "file"))  # its contents are kept: their size is asked
    store.close()
    # As filetracker 2.3.3 does it (client/remote_data_store.py), which itself would wait for ever.
    url = f"{slow.url}/-/store/files/theirs{T}"
    slow.put(lambda: requests.put(url, data=data[1:], timeout=PATIENCE_S).raise_for_status())
    assert [ask(slow.url, "GET", f"/-/store/files/{name}").body for name in ("ours", "again", "theirs")] == [
        data, data, data[1:],
    ]  # fmt: skip


def test_what_goes_wrong_is_told_after_signs_too(slow: Slow) -> None:
    def put() -> None:
        with Wire(slow.url) as wire:
            wire.send(request("PUT", f"/-/store/files/a{T}", body=b"1"))
            first = wire.answer()
            assert (first.status, first.headers) == (100, ())
            while (answer := wire.answer()).status == 100:
                pass
            answer.problem(503, "store-unavailable")

    with ThreadPoolExecutor(1) as thread:
        slow.proxy.hang()
        putting = thread.submit(put)
        slow.wait_for_signs(3)
        slow.proxy.cut()
        putting.result(60)


def test_who_speaks_http_1_0_hears_nothing_but_the_answer(slow: Slow) -> None:
    slow.proxy.hang()
    with Wire(slow.url) as old, Wire(slow.url) as new:
        old.send(request("PUT", f"/-/store/files/a{T}", body=b"1").replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        new.send(request("PUT", f"/-/store/files/b{T}", body=b"2"))
        slow.wait_for_signs(3)
        slow.proxy.heal()
        assert old.answer().status == 200
        assert new.answer().status == 100


def test_nobody_else_waits_for_a_slow_bucket(slow: Slow) -> None:
    """More puts than there are threads for bytes, and still bodies are taken and files refused."""
    slow.proxy.hang()
    with ThreadPoolExecutor(12) as threads:
        puts = [
            threads.submit(ask, slow.url, "PUT", f"/-/store/files/{number}{T}", {"Host": "x"}, b"%d" % number)
            for number in range(10)
        ]
        for _ in puts:
            assert slow.came.acquire(timeout=20)  # each was received whole
        ask(slow.url, "GET", "/-/store/files/none").problem(404, "object-not-found")
        slow.proxy.heal()
        assert {put.result(30).status for put in puts} <= {100, 200}
    wait_until(
        lambda: all(ask(slow.url, "GET", f"/-/store/files/{number}").status == 200 for number in range(10)), 20,
        lambda: "all files to be there",
    )  # fmt: skip
