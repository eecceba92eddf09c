"""Three ZooKeeper servers that are one."""

from __future__ import annotations

import pytest

from tests.integration.test_zookeeper_service import connected
from tests.services.ensemble import Ensemble
from tests.services.waiting import wait_until


@pytest.mark.slow
def test_an_ensemble_outlives_its_leader_and_takes_it_back(own_ensemble: Ensemble) -> None:
    assert len(own_ensemble.followers) == 2
    with connected(own_ensemble.hosts) as client:
        client.create("/kept", b"1")
        first = own_ensemble.leader
        first.kill()
        second = own_ensemble.leader
        assert second is not first
        client.retry(client.set, "/kept", b"2")
    first.start()
    own_ensemble.wait_until_serving()
    assert first.role == "follower"
    with connected(first.hosts) as client:
        client.sync("/kept")
        assert client.get("/kept")[0] == b"2"


@pytest.mark.slow
def test_without_a_majority_nothing_is_served_until_there_is_one(own_ensemble: Ensemble) -> None:
    leader, (first, second) = own_ensemble.leader, own_ensemble.followers
    first.kill()
    second.kill()
    wait_until(lambda: not leader.serving, 30, "the leader to give up")
    first.wipe()
    first.start()
    own_ensemble.wait_until_serving()
    with connected(own_ensemble.hosts) as client:
        assert client.get_children("/") == ["zookeeper"]


@pytest.mark.slow
def test_a_follower_that_lags_serves_what_was_and_catches_up(own_ensemble: Ensemble) -> None:
    follower, other = own_ensemble.followers
    with connected(other.hosts) as writer, connected(follower.hosts) as reader:
        writer.create("/n", b"old")
        reader.sync("/n")
        own_ensemble.lag(follower)
        writer.set("/n", b"new")
        assert writer.get("/n")[0] == b"new"
        assert reader.get("/n")[0] == b"old"
        asked = reader.sync_async("/n")
        assert not asked.wait(0.2)
        own_ensemble.catch_up(follower)
        assert asked.get(timeout=20) == "/n"
        assert reader.get("/n")[0] == b"new"


@pytest.mark.slow
def test_a_follower_that_lags_for_long_stops_serving_and_comes_back(own_ensemble: Ensemble) -> None:
    follower = own_ensemble.followers[0]
    own_ensemble.lag(follower)
    wait_until(lambda: not follower.serving, 30, "the follower to give up")
    own_ensemble.catch_up(follower)
    own_ensemble.wait_until_serving()
    assert follower.role == "follower"
