"""The database killed, and stopped, under load: the server says what it knows, and recovers by itself."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.faults.checker import assert_kept
from tests.faults.conftest import Serve
from tests.faults.contents import read_contents
from tests.faults.history import Attempt, Outcome
from tests.faults.load import PATIENCE_S, WRITERS, Load
from tests.services.database_service import DatabaseService
from tests.services.process_service import ProcessService
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

pytestmark = pytest.mark.faults
_KILLS = 3
_PAUSES = 2
_GO_ON = 50


@pytest.fixture(params=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest, show_log: Callable[[ProcessService], None]) -> Iterator[DatabaseService]:
    """A database server of the test's own."""
    server: DatabaseService = request.getfixturevalue(f"own_{request.param}")
    show_log(server)
    yield server
    server.resume()  # a failure in mid-pause must not keep it from ending


def test_a_database_killed_under_load_loses_nothing(database: DatabaseService, serve: Serve, seed: int) -> None:
    chance = random.Random(seed)
    url = database.create_database()
    server = serve(url)
    born = server.pid
    with Load([server.url], seed) as load:
        for _ in range(_KILLS):
            load.wait_for_commits(chance.randint(1, 150))
            database.kill()
            _wait_for_answers_without(load, time.monotonic())
            database.start()
            load.wait_for_commits(_GO_ON)
    assert server.pid == born, "the server did not recover by itself"
    _check(f"{_KILLS} database kills", load, server, url)


def test_a_database_stopped_for_seconds_is_waited_for(database: DatabaseService, serve: Serve, seed: int) -> None:
    chance = random.Random(seed)
    url = database.create_database()
    server = serve(url)
    with Load([server.url], seed, timeout_s=2.0) as load:
        for _ in range(_PAUSES):
            load.wait_for_commits(chance.randint(1, 150))
            database.pause()
            _wait_for_silence(load, time.monotonic())
            database.resume()
            load.wait_for_commits(_GO_ON)
    _check(f"{_PAUSES} database pauses", load, server, url)


def _wait_for_answers_without(load: Load, since: float) -> None:
    """Until the server has said often enough that the database is away: each time with a 503 and its code."""

    def told() -> list[Attempt]:
        return [a for a in load.history.attempts if a.begun > since and a.code in ("unavailable", "outcome-unknown")]

    wait_until(lambda: len(told()) >= WRITERS, PATIENCE_S, lambda: f"503 to {WRITERS} commits; so far {load.history}")


def _wait_for_silence(load: Load, since: float) -> None:
    """Until every writer has waited in vain."""

    def in_vain() -> set[str]:
        unknown = (a for a in load.history.attempts if a.begun > since and a.outcome is Outcome.UNKNOWN)
        return {attempt.writer for attempt in unknown}

    wait_until(lambda: len(in_vain()) == WRITERS, PATIENCE_S, lambda: f"{WRITERS} time-outs; so far {load.history}")


def _check(what: str, load: Load, server: RainerServer, url: str) -> None:
    server.stop()
    told = Counter(attempt.code for attempt in load.history.attempts if attempt.code)
    print(f"{what}: {load.history}; {dict(told)}")
    assert_kept(load.history, read_contents(url))
