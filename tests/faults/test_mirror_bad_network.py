"""Ten seconds of a bad network between everybody and ZooKeeper, and a server that lags behind its ensemble."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rainer.model.published import Head
from tests.faults.mirror_rig import TREE, Rig, at, hand, pass_time
from tests.services.ensemble import Ensemble
from tests.services.proxy import Proxy
from tests.services.zookeeper import ZooKeeper

pytestmark = pytest.mark.faults
_BAD_S = 10.0
_KEYS = 1_000


def test_connections_cut_delayed_and_half_open_while_1000_keys_change(
    own_zookeeper: ZooKeeper, sqlite_url: str, seed: int
) -> None:
    chance = random.Random(seed)
    with Proxy(own_zookeeper.port) as of_mirror, Proxy(own_zookeeper.port) as of_publisher, ExitStack() as stack:
        rig = stack.enter_context(Rig(sqlite_url, own_zookeeper.hosts, seed))
        rig.publisher(of_publisher.hosts)
        rig.commits.fill(_KEYS)
        warm = rig.mirror(hosts=of_mirror.hosts)
        calm = rig.mirror("on a good line")
        until = time.monotonic() + _BAD_S
        with rig.commits.running(rig.commits.change_each(_KEYS)):
            while time.monotonic() < until:
                for proxy in (of_mirror, of_publisher):
                    _worsen(proxy, chance)
                pass_time(min(chance.uniform(0.05, 1.2), max(0.0, until - time.monotonic())))
        for proxy in (of_mirror, of_publisher):
            proxy.hang()  # the last that happens to each connection is that it is half open
        pass_time(0.5)
        for proxy in (of_mirror, of_publisher):
            proxy.heal()
        rig.healed(warm, calm)
        print(f"{of_mirror.accepted} and {of_publisher.accepted} connections")


def _worsen(proxy: Proxy, chance: random.Random) -> None:
    kind = chance.choice(("cut", "drop", "hang", "half", "drop", "delay", "delay", "heal", "heal", "heal"))
    if kind == "cut":
        proxy.cut()
    elif kind == "drop":
        proxy.drop()
    elif kind == "hang":
        proxy.hang()
    elif kind == "half":
        proxy.hang(requests=False)
    elif kind == "delay":
        proxy.delay(chance.uniform(0.01, 0.5))
    else:
        proxy.heal()


@pytest.fixture
def ensemble(zookeeper: ZooKeeper) -> Iterator[Ensemble]:
    """Three servers that take clients without asking their leader, so that one that lags takes them, too."""
    if not zookeeper.owned:
        pytest.skip(f"{ZooKeeper.environment_name} names a server, and an ensemble needs three of our own")
    with Ensemble(config=["localSessionsEnabled=true", "localSessionsUpgradingEnabled=true"]) as found:
        yield found


@pytest.mark.slow
def test_an_older_head_from_a_follower_that_lags(
    ensemble: Ensemble, sqlite_url: str, seed: int, tmp_path: Path
) -> None:
    leader, lagging = ensemble.leader, ensemble.followers[0]
    with Rig(sqlite_url, leader.hosts, seed) as rig:
        rig.publisher()
        rig.commits.fill()
        with rig.brief("the one that keeps a snapshot", snapshot=tmp_path / "kept") as first:
            rig.level(first)
            ensemble.lag(lagging)
            rig.commits.some(30)
            rig.level(first)
        # It comes back at the server that lags, and knows more than that one.
        warm = rig.mirror(hosts=lagging.hosts, snapshot=tmp_path / "kept")
        reached = at(warm)
        with hand(lagging.hosts) as other:
            assert Head.from_bytes(other.get(f"{TREE}/head")[0]).revision < reached
        rig.commits.some(10)
        pass_time(3.0)
        assert at(warm) == reached
        ensemble.catch_up(lagging)
        lagging.wait_until_serving()
        rig.healed(warm)
