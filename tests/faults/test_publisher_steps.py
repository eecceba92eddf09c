"""A changeset of 10,000 keys, and a first filling, whose leader dies at every step: nobody ever sees a part."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from rainer import Mirror
from rainer.publish import Publisher, publisher
from tests.faults.mirror_deaths import Death, Moment, MortalZooKeeper
from tests.faults.mirror_history import Recorder
from tests.faults.mirror_rig import TREE, Rig, hand, pass_time
from tests.services.process_service import ProcessService
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper

pytestmark = [
    pytest.mark.faults,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),  # that is how they die
]
_KEYS = 10_000
_PAYLOAD_BYTES = 100
_SAMPLE = 2
_PATIENCE_S = 30.0


@contextmanager
def publishing(rig: Rig, death: Death, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """A publisher with a death to die; the block's end closes what is left of it."""
    with monkeypatch.context() as patched:
        patched.setattr(publisher, "ZooKeeper", MortalZooKeeper.of(death))
        mortal = rig.publishing()
    with mortal:
        yield mortal


def deaths(writes: int, seed: int, *, is_thorough: bool) -> list[tuple[int, Moment]]:
    """Every step, each before or after its write as the seed has it; a few of them where there is no time for all."""
    chance = random.Random(seed)
    every = [(at, chance.choice(list(Moment))) for at in range(1, writes + 1)]
    return every if is_thorough else sorted(chance.sample(every, _SAMPLE))


def test_a_changeset_of_10000_keys(
    own_zookeeper: ZooKeeper, sqlite_url: str, seed: int, monkeypatch: pytest.MonkeyPatch, thorough: bool,
    show_log: Callable[[ProcessService], None],
) -> None:  # fmt: skip
    show_log(own_zookeeper)
    chance = random.Random(seed)
    with Rig(sqlite_url, own_zookeeper.hosts, seed) as rig:
        with rig.publishing():
            rig.commits.fill(_KEYS)
            warm = rig.mirror()
            rig.level(warm)
        writes = count_writes(rig, warm, chance, monkeypatch)
        print(f"{writes} writes a changeset")
        assert writes >= 6
        for at, moment in deaths(writes, seed, is_thorough=thorough):
            death = Death()
            with publishing(rig, death, monkeypatch) as mortal:
                wait_until(lambda mortal=mortal: leads(mortal), _PATIENCE_S, "the lead of the one that is to die")
                idle(death)
                death.writes, death.at, death.moment = 0, at, moment
                rig.commits.every(chance.randbytes(_PAYLOAD_BYTES))
                if not death.came.wait(_PATIENCE_S):
                    raise AssertionError(
                        f"nobody died {moment.value} write {at} of {writes}: {death}, {mortal.status()}, {mortal.error}"
                    )
                with rig.brief(f"cold, {moment.value} write {at}") as cold:
                    assert len(cold) == _KEYS
                    if chance.random() < 0.5:
                        mortal._zk.close()  # its session ends with it; else it goes on for as long as it may
                    with rig.publishing():
                        rig.level(warm, cold)


def leads(mortal: Publisher) -> bool:
    return [(one["is_leader"], one["state"]) for one in mortal.status()] == [(True, "publishing")]


def idle(death: Death) -> None:
    """Let a publisher come to rest: what it writes now and then is its beat."""
    seen = -1
    while seen != death.writes:
        seen = death.writes
        pass_time(0.3)


def count_writes(rig: Rig, warm: Mirror, chance: random.Random, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many writes such a changeset takes."""
    death = Death()
    with publishing(rig, death, monkeypatch):
        rig.level(warm)
        idle(death)
        death.writes = 0
        rig.commits.every(chance.randbytes(_PAYLOAD_BYTES))
        rig.level(warm)
        idle(death)
        return death.writes


def test_the_first_filling(
    own_zookeeper: ZooKeeper, sqlite_url: str, seed: int, monkeypatch: pytest.MonkeyPatch, thorough: bool
) -> None:
    with Rig(sqlite_url, own_zookeeper.hosts, seed) as rig:
        rig.commits.fill(_KEYS)
        counted = Death()
        with publishing(rig, counted, monkeypatch):
            with rig.brief("first") as first:
                rig.level(first)
            idle(counted)
        for at, moment in deaths(counted.writes, seed, is_thorough=thorough):
            own_zookeeper.kill()
            own_zookeeper.wipe()
            own_zookeeper.start()
            waiting = Mirror.zookeeper(rig.hosts, TREE)
            recorder = Recorder(waiting, f"from nothing, {moment.value} write {at}")
            rig.recorders.append(recorder)
            starting = threading.Thread(target=waiting.start, name="starting")
            with recorder:
                starting.start()
                death = Death(at, moment)
                with publishing(rig, death, monkeypatch) as mortal:
                    assert death.came.wait(_PATIENCE_S)
                    mortal._zk.close()
                    with rig.publishing():
                        starting.join(_PATIENCE_S)
                        rig.level(waiting)
            waiting.close()


def test_a_filling_that_begins_under_an_empty_tree(zookeeper_hosts: str, sqlite_url: str, seed: int) -> None:
    """A mirror that took the tree for an ancestor's, with nothing in it yet, is not shown it key by key either."""
    with Rig(sqlite_url, zookeeper_hosts, seed) as rig, hand(zookeeper_hosts) as client:
        client.ensure_path(f"{TREE}/data")
        early = rig.mirror("early")
        assert (dict(early), early.position) == ({}, None)
        rig.commits.fill(_KEYS)
        rig.publisher()
        rig.level(early)
        rig.healed(early)
