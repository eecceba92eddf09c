"""Answers as servers really frame them, and those that are none."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from rainer.errors import InvalidUri, StoreUnavailable
from rainer.store.http_pool import HttpPool
from tests.unit.http_script import BREAK, RESET, ScriptedServer, Step, answer, held_until


def _get(*script: Step, timeout_s: float = 5.0, method: str = "GET") -> tuple[int, bytes]:
    with ScriptedServer(*script) as server, _pool(timeout_s) as pool, pool.request(method, server.url) as got:
        return got.status, got.read(1_000_000)


def _pool(timeout_s: float = 5.0) -> closing[HttpPool]:
    return closing(HttpPool(timeout_s=timeout_s))


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"

WHOLE = {
    "a length": answer(200, b"hello"),
    "chunks": CHUNKED + b"3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    "chunks and trailers": CHUNKED + b"05\r\nhello\r\n0\r\nDigest: x\r\n\r\n",
    "the connection's end": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
    "an old version": b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    "an interim answer first": b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + answer(200, b"hello"),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_body_is_read_to_its_end(case: str) -> None:
    assert _get(WHOLE[case]) == (200, b"hello")


@pytest.mark.parametrize("status", [204, 304])
def test_some_answers_have_no_body(status: int) -> None:
    assert _get(b"HTTP/1.1 %d X\r\nContent-Length: 5\r\nConnection: close\r\n\r\n" % status) == (status, b"")


def test_an_answer_to_head_has_no_body() -> None:
    assert _get(b"HTTP/1.1 200 X\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", method="HEAD") == (200, b"")


CUT = {
    "a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhello", "after 5 of 10 bytes"),
    "a chunk": (CHUNKED + b"8\r\nhello", "after 5 bytes"),
    "the last chunk": (CHUNKED + b"5\r\nhello\r\n", "after 5 bytes"),
    "a chunk's size": (CHUNKED + b"-5\r\nhello\r\n", "a chunk's size that is none"),
}


@pytest.mark.parametrize("case", CUT)
def test_a_body_that_ends_early_is_never_taken_for_whole(case: str) -> None:
    raw, words = CUT[case]
    with pytest.raises(StoreUnavailable, match=words):
        _get(raw)


NONE = {
    "another protocol": b"SSH-2.0-OpenSSH\r\n\r\n",
    "a header without a colon": b"HTTP/1.1 200 OK\r\nnothing\r\n\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000,
    "half a head": b"HTTP/1.1 200 OK\r\nConnection: close",
}


@pytest.mark.parametrize("case", NONE)
def test_what_is_no_answer_is_an_error(case: str) -> None:
    def close(_: object) -> bytes:
        return NONE[case] + (b"" if b"close" in NONE[case] else b"\r\nConnection: close\r\n")

    with pytest.raises(StoreUnavailable):
        _get(close, timeout_s=0.2)


def test_a_length_that_is_none_is_an_error() -> None:
    with pytest.raises(StoreUnavailable, match="a length that is none: '5, 6'"):
        _get(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello")


def test_a_large_body_passes_through_a_small_buffer() -> None:
    data = bytes(range(256)) * 2_000
    with ScriptedServer(answer(200, data, close=False)) as server, _pool() as pool:
        for _ in range(2):
            with pool.request("GET", server.url) as got:
                buffer, out = memoryview(bytearray(1000)), bytearray()
                while count := got.readinto(buffer):
                    out += buffer[:count]
                assert bytes(out) == data
        assert server.connections == 1


def test_a_body_left_unread_costs_the_connection_only_if_it_is_large() -> None:
    with (
        ScriptedServer(answer(200, b"x" * 100, close=False), answer(200, b"x" * 200_000, close=False)) as server,
        _pool() as pool,
    ):
        for _ in range(2):
            pool.request("GET", server.url).close()
        assert server.connections == 1
        pool.request("GET", server.url).close()
        assert server.connections == 2


def test_a_connection_that_the_server_closed_meanwhile_is_replaced_unseen() -> None:
    with (
        ScriptedServer(answer(200, b"1", close=False), BREAK, RESET, answer(200, b"2", close=False)) as server,
        _pool() as pool,
    ):
        for expected in (b"1", b"2"):
            with pool.request("GET", server.url) as got:
                assert got.read(9) == expected


def test_a_server_that_says_nothing_is_given_up() -> None:
    silence = threading.Event()
    try:
        with ScriptedServer(held_until(silence)) as server, _pool(0.1) as pool:
            with pytest.raises(StoreUnavailable, match=r"no byte came for 0\.1 s"):
                pool.request("GET", server.url)
            silence.set()
    finally:
        silence.set()


def test_what_would_forge_a_request_is_refused() -> None:
    with ScriptedServer(answer()) as server, _pool() as pool:
        with pytest.raises(InvalidUri, match="may not hold a line's end"):
            pool.request("GET", server.url, {"If-Match": "x\r\nHost: evil"})
        assert server.received == []


def test_what_people_type_is_encoded() -> None:
    with ScriptedServer(answer()) as server, _pool() as pool:
        pool.request("GET", f"{server.url}/a b/ü%20?x=1#there").close()
        assert server.targets() == ["GET /diary/a%20b/%C3%BC%20?x=1"]


def test_bytes_and_pieces_are_sent_anew_with_each_try() -> None:
    with ScriptedServer(answer(503), BREAK, answer(200)) as server, _pool() as pool:
        pieces = {"Content-Length": "6"}
        pool.request("PUT", server.url, pieces, body=lambda: iter([b"abc", b"def"])).close()
        assert [received.body for received in server.received] == [b"abcdef"] * 3
        pool.request("PUT", server.url, body=b"x" * 100_000).close()
        assert server.received[-1].body == b"x" * 100_000
