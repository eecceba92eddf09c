"""Bodies that are too long, too slow, not wanted or not there: refused early, at no cost to the server's memory."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
import requests

from rainer.limits import CHANGESET_BODY_BYTES_MAX, PAYLOAD_BYTES_DEFAULT, MiB
from tests.integration.conftest import verify
from tests.integration.wire import Answer, Wire, ask, commit, request
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

POST = {"X-Rainer-Author": "test"}
CHUNKED = POST | {"Transfer-Encoding": "chunked"}
TIMEOUT_S = 0.5
_numbers = itertools.count(1)


@pytest.fixture
def key() -> str:
    """A key of the test's own."""
    return f"body-{next(_numbers)}"


@pytest.fixture(scope="module")
def impatient(_guardian: None) -> Iterator[RainerServer]:
    """A server that gives a request half a second to arrive."""
    with RainerServer(arguments=["--body-timeout-s", str(TIMEOUT_S)]) as server:
        yield server
        server.stop()
        verify(server.database)


# Too long


@pytest.mark.parametrize(
    ("path", "limit"), [("/diary/{key}/1", PAYLOAD_BYTES_DEFAULT), ("/-/changesets", CHANGESET_BODY_BYTES_MAX),
                        ("/-/namespaces", 10_000)]
)  # fmt: skip
def test_a_body_that_says_it_is_too_long_is_refused_before_it_is_sent(
    served: RainerServer, key: str, path: str, limit: int
) -> None:
    for length in (limit + 1, 10**12):
        with Wire(served.url) as wire:
            wire.send(request("POST", path.format(key=key), POST | {"Content-Length": str(length)}))
            answer = wire.answer()
            problem = answer.problem(413, "too-large", str(length), f"over the {limit}")
            assert problem["limit"] == limit
            assert answer.header("Connection") == "close"
            assert wire.is_at_end()


def test_a_payload_of_exactly_the_limit_is_kept(served: RainerServer, key: str) -> None:
    payload = bytes(range(250)) * (PAYLOAD_BYTES_DEFAULT // 250)
    assert commit(served.url, key, 1, payload).status == 200
    assert ask(served.url, "GET", f"/diary/{key}").body == payload
    commit(served.url, key, 2, payload + b"x").problem(413, "too-large", "1000001 bytes", "1000000")


def test_a_body_in_chunks_is_refused_as_soon_as_it_is_too_long(served: RainerServer, key: str) -> None:
    sent, answer = _send_chunks_until_refused(served, key)
    answer.problem(413, "too-large", "over the 1000000 that namespace 'diary' takes")
    assert sent < 16 * MiB  # the limit, and what stands in the two sockets' buffers
    ask(served.url, "GET", f"/diary/{key}").refusal(404, "Key not found")


def _send_chunks_until_refused(served: RainerServer, key: str) -> tuple[int, Answer]:
    piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    sent = 0
    with Wire(served.url) as wire:
        wire.send(request("POST", f"/diary/{key}/1", CHUNKED))
        wire.socket.settimeout(0.2)
        with contextlib.suppress(OSError):
            while sent < 256 * MiB and not _has_answer(wire):
                wire.send(piece)
                sent += 65_536
        wire.socket.settimeout(20)
        return sent, wire.answer()


def _has_answer(wire: Wire) -> bool:
    wire.socket.setblocking(False)
    try:
        return bool(wire.socket.recv(1, 2))  # MSG_PEEK
    except BlockingIOError:
        return False
    finally:
        wire.socket.settimeout(0.2)


def test_memory_does_not_grow_with_bodies_that_are_refused(served: RainerServer, key: str) -> None:
    _send_chunks_until_refused(served, key)
    process = psutil.Process(served.pid)
    before = process.memory_info().rss
    for _ in range(20):
        _send_chunks_until_refused(served, key)
        ask(served.url, "POST", "/-/changesets", {"Content-Length": str(10**9)}).problem(413, "too-large")
    assert process.memory_info().rss - before < 20 * MiB


@pytest.mark.parametrize("size", [5 * MiB, 40 * MiB])
def test_a_client_that_sends_all_before_it_reads_still_hears_why(served: RainerServer, key: str, size: int) -> None:
    answer = requests.post(f"{served.url}/diary/{key}/1", bytes(size), headers=POST, timeout=20)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def test_a_body_where_none_belongs_is_not_gathered(served: RainerServer, key: str) -> None:
    assert commit(served.url, key, 1).status == 200
    process = psutil.Process(served.pid)
    before = process.memory_info().rss
    for path in (f"/diary/{key}", "/diary", "/-/status"):
        assert ask(served.url, "GET", path, {}, bytes(64 * MiB)).status == 200
    assert process.memory_info().rss - before < 20 * MiB


# Too slow


def test_a_body_that_does_not_come_is_given_up(impatient: RainerServer) -> None:
    for path in ("/diary/slow/1", "/-/changesets", "/-/namespaces"):
        for headers in (POST | {"Content-Length": "10"}, CHUNKED):
            with Wire(impatient.url) as wire:
                wire.send(request("POST", path, headers))
                answer = wire.answer()
                answer.problem(408, "invalid", "within 0.5 s")
                assert answer.header("Connection") == "close"
                assert wire.is_at_end()


def test_a_body_that_drips_is_given_up(impatient: RainerServer) -> None:
    with Wire(impatient.url) as wire:
        wire.send(request("POST", "/diary/slow/1", POST | {"Content-Length": "1000"}))
        begun = time.monotonic()
        _drip(wire, b"x", lambda: _has_answer(wire))
        assert 0.9 * TIMEOUT_S < time.monotonic() - begun < 10
        wire.answer().problem(408, "invalid", "within 0.5 s")
    ask(impatient.url, "GET", "/diary/slow").refusal(404, "Key not found")


@pytest.mark.parametrize("start", [b"", b"G", b"GET /diary HTTP/1.1\r\n", b"GET /diary HTTP/1.1\r\nX-A: "])
def test_headers_that_do_not_come_are_given_up(impatient: RainerServer, start: bytes) -> None:
    with Wire(impatient.url) as wire:
        wire.send(start)
        begun = time.monotonic()
        assert wire.is_at_end()
        assert 0.9 * TIMEOUT_S < time.monotonic() - begun < 10


def test_headers_that_drip_are_given_up(impatient: RainerServer) -> None:
    with Wire(impatient.url) as wire:
        assert wire.ask("GET", "/-/healthz").status == 200  # a second request is no better off than the first
        wire.send(b"GET /diary HTTP/1.1\r\n")
        begun = time.monotonic()
        with contextlib.suppress(ConnectionError):
            _drip(wire, b"X-A: 1\r\n", lambda: time.monotonic() - begun > 10)
        assert time.monotonic() - begun < 10


def test_an_unwanted_body_that_drips_does_not_keep_its_connection(impatient: RainerServer) -> None:
    with Wire(impatient.url) as wire:
        wire.send(request("POST", "/-/nothing", POST | {"Content-Length": "1000000"}))
        assert wire.answer().status == 404
        begun = time.monotonic()
        with contextlib.suppress(ConnectionError):
            _drip(wire, b"x", lambda: time.monotonic() - begun > 10)
        assert time.monotonic() - begun < 10


def _drip(wire: Wire, piece: bytes, is_done: Callable[[], bool]) -> None:
    """Send a piece whenever the server has just answered somebody else: slow, but never silent."""
    while not is_done():
        wire.send(piece)
        wire.socket.settimeout(0.05)
        with contextlib.suppress(TimeoutError):
            if wire.socket.recv(1, 2) == b"":
                raise ConnectionError
        wire.socket.settimeout(20)


@pytest.fixture(scope="module")
def long_list(impatient: RainerServer) -> bytes:
    """A request for more than all buffers on the way hold."""
    for n in range(40):
        assert commit(impatient.url, f"long-{n}", 1, b"x" * 999_999).status == 200
    return request("GET", "/diary?prefix=long-&payload_utf8=yes")


def test_an_answer_that_nobody_reads_is_given_up(impatient: RainerServer, long_list: bytes) -> None:
    with Wire(impatient.url) as wire:
        wire.send(long_list)
        assert wire.socket.recv(1, 2)
        wait_until(lambda: not _is_connected(impatient, wire), 10, "the end of the connection")
        with pytest.raises((ConnectionError, ValueError, AssertionError)):  # and it does not look whole
            json.loads(wire.answer().body)


def test_an_answer_that_is_read_slowly_is_sent_to_its_end(impatient: RainerServer, long_list: bytes) -> None:
    with Wire(impatient.url) as slow, Wire(impatient.url) as other:
        slow.send(long_list)
        begun, size = time.monotonic(), 0
        while size < 39_000_000:
            size += len(slow.socket.recv(400_000))
            while time.monotonic() - begun < 3 * TIMEOUT_S * size / 39_000_000:
                assert other.ask("GET", "/-/healthz").status == 200
        assert slow.socket.recv(65_536)
        assert time.monotonic() - begun > 2 * TIMEOUT_S


def _is_connected(server: RainerServer, wire: Wire) -> bool:
    ours = wire.socket.getsockname()[1]
    found = psutil.Process(server.pid).net_connections("tcp")
    return any(c.raddr and c.raddr.port == ours and c.status == psutil.CONN_ESTABLISHED for c in found)


def test_many_slow_clients_do_not_slow_the_quick(impatient: RainerServer, key: str) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            wire = stack.enter_context(Wire(impatient.url))
            wire.send(request("POST", "/diary/slow/1", POST | {"Content-Length": "10"}))
        begun = time.monotonic()
        assert commit(impatient.url, key, 1).status == 200
        assert ask(impatient.url, "GET", f"/diary/{key}").status == 200
        assert time.monotonic() - begun < 5


def test_a_client_that_waits_for_a_slow_answer_is_not_given_up(impatient: RainerServer) -> None:
    with Wire(impatient.url) as wire:
        assert wire.ask("GET", "/-/changes?since=0&wait=1&namespace=diary&limit=1").status == 200
        position = wire.ask("GET", "/-/status").json()["revision"]
        assert wire.ask("GET", f"/-/changes?since={position}&wait=2").status == 200


def test_a_payload_that_takes_long_to_parse_holds_up_nobody(served: RainerServer) -> None:
    made = ask(
        served.url, "POST", "/-/namespaces", {}, b'{"name": "settings", "format": "toml", "payload_bytes_max": 8000000}'
    )
    assert made.status == 201
    toml = b"".join(b"[table-%d]\nvalues = [1, 2, %d]\n" % (n, n) for n in range(160_000))
    with Wire(served.url) as slow, Wire(served.url) as quick:
        slow.send(request("POST", "/settings/large/1", POST, toml))
        longest = 0.0
        while not _has_answer(slow):
            begun = time.monotonic()
            assert quick.ask("GET", "/-/healthz").status == 200
            longest = max(longest, time.monotonic() - begun)
        slow.socket.settimeout(20)
        assert slow.answer().status == 200
    assert longest < 2  # in the loop it would be 6 s


# Not wanted, or not there


@pytest.mark.parametrize("value", ["yes", "Yes", "true", "TRUE", "True", "1"])
def test_an_empty_commit_with_a_body_is_refused(served: RainerServer, key: str, value: str) -> None:
    commit(served.url, key, 1, b"x", X_Rainer_Empty=value).refusal(400, "Empty payload required with X-Rainer-Empty")
    made = commit(served.url, key, 1, b"", X_Rainer_Empty=value)
    assert (made.status, made.json()["empty"]) == (200, True)


@pytest.mark.parametrize("value", ["no", "No", "false", "False", "0"])
def test_zero_bytes_are_a_payload(served: RainerServer, key: str, value: str) -> None:
    for version, headers in ((1, {}), (2, {"X_Rainer_Empty": value})):
        assert commit(served.url, key, version, b"", **headers).json()["empty"] is False
    answer = ask(served.url, "GET", f"/diary/{key}")
    assert (answer.status, answer.body, answer.header("X-Rainer-Empty")) == (200, b"", "No")


@pytest.mark.parametrize("value", ["", "maybe", "2", "y", "on", "yes, yes"])
def test_an_empty_flag_that_is_neither_is_refused(served: RainerServer, key: str, value: str) -> None:
    commit(served.url, key, 1, b"", X_Rainer_Empty=value).refusal(400, "Malformed header: X-Rainer-Empty")


@pytest.mark.parametrize(
    ("name", "value"),
    [("Content-Encoding", "gzip"), ("Content-Encoding", "br"), ("Transfer-Encoding", "gzip, chunked")],
)
def test_an_encoded_body_is_not_taken_for_the_payload(served: RainerServer, key: str, name: str, value: str) -> None:
    body = b"3\r\nabc\r\n0\r\n\r\n" if name == "Transfer-Encoding" else b"abc"
    answer = ask(served.url, "POST", f"/diary/{key}/1", POST | {name: value}, body)
    answer.problem(400, "invalid", name, value, "as it is")
    assert commit(served.url, key, 1, b"abc", Content_Encoding="identity").status == 200


def test_bytes_of_every_value_come_back_as_they_went(served: RainerServer, key: str) -> None:
    payload = bytes(range(256))
    assert commit(served.url, key, 1, payload).status == 200
    answer = ask(served.url, "GET", f"/diary/{key}")
    assert (answer.body, answer.header("Content-Type")) == (payload, "application/octet-stream")
    assert commit(served.url, key, 2, "zażółć\r\n\0".encode()).status == 200
    answer = ask(served.url, "GET", f"/diary/{key}")
    assert (answer.body.decode(), answer.header("Content-Type")) == ("zażółć\r\n\0", "text/plain; charset=UTF-8")
