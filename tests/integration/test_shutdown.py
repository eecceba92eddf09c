"""A server that is asked to end: what it accepted is answered, what it answered is kept, and it exits with 0."""

from __future__ import annotations

import signal
import time

import pytest

from tests.faults.checker import assert_kept
from tests.faults.contents import read_contents
from tests.faults.history import History, Outcome
from tests.faults.load import Load
from tests.integration.wire import Wire, ask, commit, request
from tests.services.rainer import RainerServer

POST = {"X-Rainer-Author": "test"}


def check_answered(history: History, database: str) -> None:
    """Nothing stands in the journal that its writer was not told of."""
    contents = read_contents(database)
    assert_kept(history, contents)
    told = {attempt.commit_id for attempt in history.attempts if attempt.outcome is Outcome.ACKED}
    assert {row.commit_id for row in contents.commits} == told


@pytest.mark.parametrize("workers", [1, 3])
def test_under_load_all_that_was_accepted_is_answered(database_url: str, seed: int, workers: int) -> None:
    with RainerServer(database_url, workers=workers) as server:
        with Load([server.url], seed) as load:
            load.wait_for_commits(100)
            begun = time.monotonic()
            server.stop()  # demands exit code 0
            took_s = time.monotonic() - begun
        assert "Traceback" not in server.output, server.output[-4000:]
        print(f"{workers} workers ended in {took_s:.2f} s; {load.history}")
        assert took_s < 15
        check_answered(load.history, database_url)


def test_a_body_that_is_still_coming_is_waited_for() -> None:
    with RainerServer() as server:
        with Wire(server.url) as wire, Wire(server.url) as idle, Wire(server.url):
            assert idle.ask("GET", "/-/healthz").status == 200
            wire.send(request("POST", "/diary/k/1", POST | {"Content-Length": "10"}, b"half "))
            assert commit(server.url, "other", 1).status == 200  # by now the first half has been read
            server.ask_to_stop()
            assert idle.is_at_end()
            with pytest.raises(OSError):
                Wire(server.url)
            wire.send(b"whole")
            answer = wire.answer()
            assert (answer.status, answer.header("Connection")) == (200, "close")
            assert wire.is_at_end()
        server.wait_for_end()
        server.start()
        assert ask(server.url, "GET", "/diary/k").body == b"half whole"
        server.stop()


def test_a_list_that_is_being_read_is_sent_to_its_end() -> None:
    with RainerServer() as server:
        for n in range(30):
            assert commit(server.url, f"k{n}", 1, b"x" * 1_000_000).status == 200
        with Wire(server.url) as wire:
            wire.send(request("GET", "/diary?payload_utf8=yes"))
            assert wire.socket.recv(1, 2)  # it has begun, and is far more than the sockets' buffers hold
            server.ask_to_stop()
            assert len(wire.answer().json()) == 30
        server.wait_for_end()


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", [1, 3])
def test_an_idle_server_ends_at_once(by: signal.Signals, workers: int) -> None:
    with RainerServer(workers=workers) as server, Wire(server.url) as idle:
        assert idle.ask("GET", "/-/healthz").status == 200
        begun = time.monotonic()
        server.ask_to_stop(by)
        server.wait_for_end()
        assert time.monotonic() - begun < 5
        assert "Traceback" not in server.output
