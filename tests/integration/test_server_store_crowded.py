"""A server store on which more callers are slow than it has room for: others wait for a turn, and small files pass."""

from __future__ import annotations

import random

import pytest

import rainer.testing
from rainer.service import file_store
from tests.integration.wire import Wire, ask
from tests.services.waiting import wait_until

T = "?last_modified=Sat,%2031%20Jan%202026%2012:34:56%20-0000"
BIG = random.Random(1).randbytes(300_000)


def test_slow_callers_take_no_more_memory_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_store, "_UNDER_WAY_MAX", 1)
    monkeypatch.setattr(file_store, "_TURN_S", 0.2)
    with rainer.testing.server() as server:
        url = server.url
        for name, body in (("big", BIG), ("small", b"1")):
            assert ask(url, "PUT", f"/-/store/files/{name}{T}", body=body).status == 200
        with Wire(url) as slow:
            slow.send(f"PUT /-/store/files/slow{T} HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n".encode())
            slow.send(BIG[:100_000])
            wait_until(lambda: ask(url, "GET", "/-/store/files/big").status == 503, 10, lambda: "a turn to be taken")
            refused = ask(url, "GET", "/-/store/files/big")
            refused.problem(503, "overloaded", "1 large files have been on their way")
            assert refused.header("Retry-After") == "1"
            ask(url, "PUT", f"/-/store/files/other{T}", body=BIG).problem(503, "overloaded")
            assert ask(url, "GET", "/-/store/files/small").body == b"1"
            assert ask(url, "PUT", f"/-/store/files/small{T}", body=b"2").status == 200
            slow.send(BIG[100_000:])
            assert slow.answer().status == 200
        assert ask(url, "GET", "/-/store/files/big").body == BIG
        assert ask(url, "GET", "/-/store/files/slow").body == BIG
