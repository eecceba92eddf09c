"""A list whose database goes away, or is replaced, while it is being sent: it never looks whole."""

from __future__ import annotations

import json

import pytest

from rainer.journal.administration import adopt
from tests.integration.wire import Wire, ask, commit, request
from tests.services.database_service import DatabaseService
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

KEYS = 60
LIST = request("GET", "/diary?payload_utf8=yes")


def fill(server: RainerServer) -> None:
    """More than all buffers between the server and a client that does not read yet."""
    for n in range(KEYS):
        assert commit(server.url, f"k{n:02}", 1, b"x" * 999_999).status == 200


def check_broken_off(wire: Wire) -> None:
    """What came is no answer that a client could take for the whole list."""
    with pytest.raises((ConnectionError, ValueError)):
        json.loads(wire.answer().body)


def check_log(server: RainerServer) -> None:
    assert "GET '/diary' broke off: " in server.output
    assert "Traceback" not in server.output, server.output[-4000:]


@pytest.mark.parametrize("own", ["own_postgresql", "own_mariadb"])
def test_a_database_that_goes_away(own: str, request: pytest.FixtureRequest) -> None:
    database: DatabaseService = request.getfixturevalue(own)
    with RainerServer(database.create_database()) as server:
        fill(server)
        with Wire(server.url) as wire:
            wire.send(LIST)
            assert wire.socket.recv(1, 2)
            database.kill()
            check_broken_off(wire)
        database.start()
        wait_until(lambda: ask(server.url, "GET", "/-/readyz").status == 200, 30, "readiness")
        assert len(ask(server.url, "GET", "/diary?payload_utf8=yes").json()) == KEYS
        server.stop()
        check_log(server)


def test_a_journal_that_becomes_another(database_url: str) -> None:
    with RainerServer(database_url) as server:
        fill(server)
        with Wire(server.url) as wire:
            wire.send(LIST)
            assert wire.socket.recv(1, 2)
            adopt(database_url)
            check_broken_off(wire)
        assert len(ask(server.url, "GET", "/diary?payload_utf8=yes").json()) == KEYS
        server.stop()
        check_log(server)
