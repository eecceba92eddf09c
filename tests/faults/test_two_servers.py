"""Two servers on one database, both under load, one of them killed now and then: the same promises as for one."""

from __future__ import annotations

import random

import pytest

from tests.faults.checker import assert_kept
from tests.faults.conftest import Serve
from tests.faults.contents import read_contents
from tests.faults.load import Load

pytestmark = pytest.mark.faults
_KILLS_THOROUGH, _KILLS = 6, 2


def test_two_servers_of_which_one_is_killed(database_url: str, serve: Serve, seed: int, thorough: bool) -> None:
    kills = _KILLS_THOROUGH if thorough else _KILLS
    chance = random.Random(seed)
    servers = [serve(database_url), serve(database_url)]
    with Load([server.url for server in servers], seed) as load:
        for _ in range(kills):
            for server in servers:
                load.wait_for_commits(chance.randint(1, 40), server=server.url)
            victim, other = chance.sample(servers, 2)
            victim.kill()
            load.wait_for_commits(20, server=other.url)
            victim.start()
        for server in servers:
            load.wait_for_commits(20, server=server.url)
    for server in servers:
        server.stop()
    print(f"{kills} kills: {load.history}")
    assert_kept(load.history, read_contents(database_url))
