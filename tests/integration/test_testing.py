"""`rainer.testing`: what users' own tests stand on, and that it ends whatever they leave open."""

from __future__ import annotations

import time

import requests

import rainer.testing
from tests.integration.events import EventStream
from tests.integration.wire import Wire, request
from tests.services.waiting import wait_until

LONG_POLL_S = 50


def _feeds_waiting(url: str) -> float:
    figures = requests.get(f"{url}/-/metrics", timeout=10).text
    return next(float(line.split()[1]) for line in figures.splitlines() if line.startswith("rainer_feeds_waiting "))


def test_a_journal_in_memory() -> None:
    with rainer.testing.memory_journal() as journal:
        journal.append("k", b"1", version=1, author="me")
        assert journal.get("k").payload == b"1"
        assert journal.verify().ok


def test_a_server_with_a_journal_of_its_own() -> None:
    with rainer.testing.server() as server, server.client(author="me") as client:
        assert client.commit("k", b"1", version=1).version == 1
        assert client.get("k").payload == server.journal.get("k").payload == b"1"


def test_a_server_of_a_journal_that_stays_the_callers() -> None:
    with rainer.testing.memory_journal() as journal:
        for version in (1, 2):
            with rainer.testing.server(journal) as server, server.client(author="me") as client:
                client.commit("k", b"1", version=version)
        assert journal.get("k").version == 2


def test_an_open_event_stream_does_not_hold_up_the_end() -> None:
    with rainer.testing.server() as server, server.client(author="me") as client:
        client.commit("k", b"1", version=1)
        events = EventStream(server.url)
        assert events.next_of("changes").id == 1
        begun = time.monotonic()
    assert time.monotonic() - begun < LONG_POLL_S / 2  # it would hold for ever
    assert list(events) == []
    events.close()


def test_an_open_long_poll_is_answered_at_the_end() -> None:
    with rainer.testing.server() as server:
        wire = Wire(server.url)
        wire.send(request("GET", f"/-/changes?wait={LONG_POLL_S}"))
        wait_until(lambda: _feeds_waiting(server.url) == 1, 10, "the long poll to wait")
        begun = time.monotonic()
    assert time.monotonic() - begun < LONG_POLL_S / 2
    assert wire.answer().json()["changes"] == []
    wire.close()
