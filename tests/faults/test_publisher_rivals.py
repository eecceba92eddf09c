"""Two publishers that both believe that they lead, and a mirror so slow that the log goes on without it."""

from __future__ import annotations

import pytest

from rainer.publish import log_window
from rainer.publish.election import Election
from tests.faults.mirror_rig import Rig, at, pass_time
from tests.services.proxy import Proxy
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper

pytestmark = pytest.mark.faults


def test_two_leaders_at_once(
    own_zookeeper: ZooKeeper, sqlite_url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Election.look

    def lead(election: Election) -> bool:
        look(election)
        return True

    with Rig(sqlite_url, own_zookeeper.hosts, seed) as rig:
        with monkeypatch.context() as forced:
            forced.setattr(Election, "look", lead)
            publishers = [rig.publisher(), rig.publisher(), rig.publisher()]
            rig.commits.fill()
            warm = rig.mirror()
            with rig.commits.running():
                rig.pass_commits(1500)
            assert sum(publisher.status()[0]["is_leader"] for publisher in publishers) >= 2
            rig.level(warm, within_s=5)
        rig.healed(warm)
        errors = [publisher.status()[0]["errors"] for publisher in publishers]
        print(f"refused writes: {errors}")
        assert sum(errors) > 0, "they never met: the test has shown nothing"


def test_the_log_trimmed_past_a_slow_mirror(
    own_zookeeper: ZooKeeper, sqlite_url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_window, "KEEP_BATCHES", 5)
    with Proxy(own_zookeeper.port) as line, Rig(sqlite_url, own_zookeeper.hosts, seed) as rig:
        rig.publisher()
        rig.commits.fill()
        slow, quick = rig.mirror("slow", line.hosts), rig.mirror("quick")
        for answers_only in (True, False):
            rig.level(slow, quick)
            reached = at(slow)
            line.hang(requests=not answers_only)
            for _ in range(15):
                rig.commits.some(1)
                rig.level(quick)
            assert at(slow) == reached
            line.heal()
            rig.healed(slow, quick)


def test_a_mirror_that_never_keeps_up(
    own_zookeeper: ZooKeeper, sqlite_url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_window, "KEEP_BATCHES", 3)
    with Proxy(own_zookeeper.port) as line, Rig(sqlite_url, own_zookeeper.hosts, seed) as rig:
        rig.publisher()
        rig.commits.fill()
        slow = rig.mirror("slow", line.hosts)
        line.delay(0.15)
        with rig.commits.running():
            pass_time(3)
        line.heal()
        rig.healed(slow)
        wait_until(lambda: slow.state == "current", 5, "a current mirror")
