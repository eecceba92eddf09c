"""kill -9 of the server under load: what was acknowledged stays, what stays was sent, once, and in order."""

from __future__ import annotations

import random

import pytest

from tests.faults.checker import assert_kept
from tests.faults.conftest import Serve
from tests.faults.contents import read_contents
from tests.faults.history import Outcome
from tests.faults.load import Load

pytestmark = pytest.mark.faults
_KILLS = 10
_KILLS_IN_PASSING = 4


def test_a_server_killed_again_and_again_loses_nothing(
    database_url: str, serve: Serve, seed: int, thorough: bool
) -> None:
    kills = _KILLS if thorough else _KILLS_IN_PASSING
    chance = random.Random(seed)
    server = serve(database_url)
    with Load([server.url], seed) as load:
        for _ in range(kills):
            load.wait_for_commits(chance.randint(1, 150))
            server.kill()
            server.start()
        load.wait_for_commits(50)
    server.stop()
    history = load.history
    print(f"{kills} kills: {history}")
    assert_kept(history, read_contents(database_url))
    unanswered = [attempt for attempt in history.attempts if attempt.outcome is Outcome.UNKNOWN]
    assert unanswered, "no kill met a commit on its way: the test has shown nothing"
