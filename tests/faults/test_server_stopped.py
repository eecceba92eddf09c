"""One of two servers stopped (SIGSTOP) in the middle of a group: the other goes on within seconds; nothing is lost."""

from __future__ import annotations

import random
import time

import pytest

from rainer.journal import Journal
from tests.faults.checker import assert_kept
from tests.faults.conftest import Serve
from tests.faults.contents import read_contents
from tests.faults.holders import Holds, holds, missing
from tests.faults.load import PATIENCE_S, Load
from tests.plugins.servers import DATABASES
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

pytestmark = pytest.mark.faults
_PROMISED_S = 10.0
_STOPS_MAX = 200
_SETTLED_S = 0.15


@pytest.fixture(params=DATABASES)
def observed_url(request: pytest.FixtureRequest) -> str:
    """A database of which can be told who holds its lock."""
    reason = missing(request.param)
    if reason:
        pytest.skip(reason)
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


def test_the_other_goes_on_when_one_is_stopped_in_the_middle_of_a_group(
    observed_url: str, serve: Serve, seed: int
) -> None:
    chance = random.Random(seed)
    stopped, other = serve(observed_url), serve(observed_url)
    servers = [stopped.url, other.url]
    # Writers wait for longer than the lock is held: whoever asks the other is answered, not timed out. None roams: one
    # after the other would end up at the stopped server, and nobody would ask the other.
    with Journal(observed_url) as journal, Load(servers, seed, timeout_s=15.0, roaming=0.0) as load:
        for server in (stopped, other):
            load.wait_for_commits(20, server=server.url)
        stops, begun = _stop_with_the_lock(stopped, holds(journal.engine), load, chance)
        held = time.monotonic()
        wait_until(
            lambda: load.acknowledged(server=other.url, after=held),
            PATIENCE_S,
            lambda: f"a commit through the other server; so far {load.history}",
        )
        waited = min(attempt.ended for attempt in load.acknowledged(server=other.url, after=held)) - begun
        load.wait_for_commits(20, server=other.url)
        stopped.resume()
        for server in (stopped, other):
            load.wait_for_commits(20, server=server.url)
    for server in (stopped, other):
        server.stop()
    print(f"{stops} stops until one was in mid-group, the other went on after {waited:.1f} s: {load.history}")
    assert_kept(load.history, read_contents(observed_url))
    assert waited <= _PROMISED_S


def _stop_with_the_lock(
    server: RainerServer, holds_lock: Holds, load: Load, chance: random.Random
) -> tuple[int, float]:
    """Stop the server, and let it go on again, until it stands still with the lock; how often, and when that was."""
    for stops in range(1, _STOPS_MAX + 1):
        begun = time.monotonic()
        server.pause()
        if _comes_to_hold(server, holds_lock):
            return stops, begun
        server.resume()
        load.wait_for_commits(chance.randint(1, 5), server=server.url)
    raise AssertionError(f"in {_STOPS_MAX} stops the server never held the lock")


def _comes_to_hold(server: RainerServer, holds_lock: Holds) -> bool:
    """Whether it has the lock, or is given it: a stopped server may be next in the row of those who wait."""
    try:
        wait_until(lambda: holds_lock(server.pid), _SETTLED_S, "the lock")
    except TimeoutError:
        return False
    # InnoDB tells of transactions as they were up to 0.1 s ago: one that was at its COMMIT is over by now.
    since = time.monotonic()
    return wait_until(lambda: time.monotonic() > since + _SETTLED_S, PATIENCE_S, "time") and holds_lock(server.pid)
