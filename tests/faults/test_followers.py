"""Readers of the feed while servers and databases are killed: told every commit once, in order, and no other."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.faults.checker import assert_kept
from tests.faults.conftest import Serve
from tests.faults.contents import read_contents
from tests.faults.follower import Follower, PollFollower, StreamFollower
from tests.faults.load import PATIENCE_S, Load
from tests.services.database_service import DatabaseService
from tests.services.process_service import ProcessService
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

pytestmark = pytest.mark.faults
_KILLS = 3


@contextmanager
def following(servers: list[RainerServer]) -> Iterator[list[Follower]]:
    """Two followers of each server."""
    followers: list[Follower] = []
    for number, server in enumerate(servers, 1):
        followers += [PollFollower(f"poll-{number}", server.url), StreamFollower(f"stream-{number}", server.url)]
    for follower in followers:
        follower.start()
    with ExitStack() as stack:
        stack.callback(_release, followers)
        yield followers


def _release(followers: list[Follower]) -> None:
    """Have those that still run end, whatever the test came to."""
    for follower in followers:
        follower.end()
        follower.join(PATIENCE_S)


def check(load: Load, followers: list[Follower], servers: list[RainerServer], url: str) -> None:
    """Everybody was told what stands in the journal, as it stands there."""
    contents = read_contents(url)
    wait_until(
        lambda: all(follower.position >= contents.revision for follower in followers),
        PATIENCE_S,
        lambda: f"revision {contents.revision}; told so far: { ({f.name: f.position for f in followers}) }",
    )
    for follower in followers:
        follower.end()
    for server in servers:
        server.stop()  # which ends their streams
    assert_kept(load.history, contents)
    stored = [(row.revision, row.key, row.version) for row in contents.commits]
    for follower in followers:
        assert not follower.surprises, follower.surprises
        assert follower.told == stored, f"{follower.name} was told {len(follower.told)} of {len(stored)}"
        print(f"{follower.name}: {len(stored)} changes, {follower.faults} faults survived")


def test_servers_killed_under_their_readers(database_url: str, serve: Serve, seed: int) -> None:
    chance = random.Random(seed)
    servers = [serve(database_url), serve(database_url)]
    with following(servers) as followers:
        with Load([server.url for server in servers], seed) as load:
            for _ in range(_KILLS):
                load.wait_for_commits(chance.randint(20, 100))
                victim = chance.choice(servers)
                victim.kill()
                load.wait_for_commits(10)
                victim.start()
            load.wait_for_commits(20)
        check(load, followers, servers, database_url)
    assert sum(follower.faults for follower in followers) >= 2, "no kill met a reader: the test has shown nothing"


@pytest.mark.parametrize("own", ["own_postgresql", "own_mariadb"])
def test_databases_killed_under_their_readers(
    own: str, serve: Serve, seed: int, request: pytest.FixtureRequest, show_log: Callable[[ProcessService], None]
) -> None:
    chance = random.Random(seed)
    database: DatabaseService = request.getfixturevalue(own)
    show_log(database)
    url = database.create_database()
    servers = [serve(url)]
    with following(servers) as followers:
        with Load([servers[0].url], seed) as load:
            for _ in range(_KILLS):
                load.wait_for_commits(chance.randint(20, 100))
                database.kill()
                database.start()
                load.wait_for_commits(20)
        check(load, followers, servers, url)
