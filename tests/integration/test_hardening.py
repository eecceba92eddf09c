"""An open server as its user starts it: what pages, crowds and frames come to."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.integration.wire import Wire, ask
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

CONNECTIONS = 6


@pytest.fixture(scope="module")
def server(_guardian: None) -> Iterator[RainerServer]:
    with RainerServer(arguments=("--hosts", "rainer.test", "--connections-max", str(CONNECTIONS))) as server:
        yield server
        assert "Traceback" not in server.output, server.output[-4000:]


def test_a_page_that_a_browser_carries_here_is_refused(server: RainerServer) -> None:
    commit = {"X-Rainer-Author": "page", "Content-Type": "text/plain"}
    rebound = {"Host": f"evil.example:{server.port}"}
    ask(server.url, "GET", "/diary", rebound).problem(403, "denied", "evil.example", "--hosts")
    own = rebound | {"Origin": f"http://evil.example:{server.port}"}
    ask(server.url, "POST", "/diary/a/1", commit | own, b"x").problem(403, "denied", "evil.example")
    elsewhere = {"Host": f"127.0.0.1:{server.port}", "Origin": "https://evil.example"}
    ask(server.url, "POST", "/diary/a/1", commit | elsewhere, b"x").problem(403, "denied", "evil.example")
    assert ask(server.url, "POST", "/diary/a/1", commit | {"Host": "rainer.test"}, b"x").status == 200


def test_answers_are_no_pages(server: RainerServer) -> None:
    for path in ("/-/healthz", "/diary", "/diary/none", "/-/nothing"):
        answer = ask(server.url, "GET", path)
        assert answer.header("X-Content-Type-Options") == "nosniff"
        assert "frame-ancestors 'none'" in (answer.header("Content-Security-Policy") or "")
        assert answer.header("Cross-Origin-Resource-Policy") == "same-origin"
        assert answer.header("Referrer-Policy") == "no-referrer"
        assert answer.header("Strict-Transport-Security") is None  # it would forbid what works
        assert answer.header("Server") is None


def test_a_crowd_is_told_that_it_is_one(server: RainerServer) -> None:
    crowd = [Wire(server.url) for _ in range(CONNECTIONS)]
    try:
        for wire in crowd:  # each is taken once it is answered
            assert wire.ask("GET", "/-/healthz").status == 200
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as late:
            said = b""
            while part := late.recv(65536):
                said += part
        assert said.startswith(b"HTTP/1.1 503 "), said
        assert b"retry-after" in said.lower()
        assert b"6 connections are open" in said
        assert crowd[0].ask("GET", "/-/healthz").status == 200
    finally:
        for wire in crowd:
            wire.close()
    wait_until(lambda: _is_served(server), 10, "room again")


def _is_served(server: RainerServer) -> bool:
    try:
        return ask(server.url, "GET", "/-/healthz").status == 200
    except (OSError, AssertionError):
        return False
