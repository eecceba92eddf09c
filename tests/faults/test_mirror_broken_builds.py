"""The checker over real servers and deliberately broken publishers and mirrors: each is caught, the right ones pass."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rainer import Mirror
from rainer.journal import Journal
from rainer.mirror.zookeeper_source import open_source
from rainer.publish import Publisher, publisher
from tests.faults.mirror_broken import (
    MIRROR_FAULTS,
    PUBLISHER_FAULTS,
    BrokenSink,
    BrokenSource,
    PublisherFault,
    Splits,
    TamperedZooKeeper,
    TrustedLineage,
    TrustsLineages,
)
from tests.faults.mirror_checker import Promise, Violation, wait_for_equality
from tests.faults.mirror_history import read_truth
from tests.faults.mirror_load import Commits
from tests.faults.mirror_rig import TREE, Rig
from tests.services.waiting import wait_until

pytestmark = pytest.mark.faults
_WITHIN_S = 20.0
EXPECTED = {
    "dropped push": {Promise.LOST, Promise.REMOVED},
    "late push": {Promise.LOST, Promise.REMOVED, Promise.HALF},
    "split changeset": {Promise.HALF},
    "forgotten removal": {Promise.REMOVED, Promise.HALF},
    "drops one": {Promise.LOST, Promise.REMOVED},
    "out of order": {Promise.LOST, Promise.REMOVED},
    "splits": {Promise.HALF},
    "forgets removals": {Promise.REMOVED, Promise.HALF},
}


def caught(rig: Rig, commit: Callable[[], object], done: Callable[[], int]) -> Violation:
    """Commit until the fault has come about and the checker names it."""

    def is_caught() -> bool:
        commit()
        rig.pass_a_look()
        return rig.first_violation() is not None

    wait_until(is_caught, _WITHIN_S, lambda: f"the violation of a fault that came about {done()} times")
    found = rig.first_violation()
    assert found is not None
    assert done() > 0
    print(found)
    return found


@contextlib.contextmanager
def tampered(rig: Rig, fault: PublisherFault, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """A publisher whose writes go through a fault."""
    with monkeypatch.context() as patched:
        patched.setattr(publisher, "ZooKeeper", TamperedZooKeeper.by(fault))
        broken = rig.publishing()
    with broken:
        yield broken


def committing(rig: Rig, name: str) -> Callable[[], object]:
    """Commits in which the fault can show: several keys at once where halves are made, removals where they are lost."""
    if name in ("split changeset", "splits"):
        return lambda: rig.commits.every(rig.commits.payload(), ["key-000", "key-001", "key-002", "key-003"])
    if name in ("forgotten removal", "forgets removals"):
        return lambda: (rig.commits.one("key-000", b"1"), rig.commits.one("key-000", None))
    return lambda: rig.commits.one("key-000", rig.commits.payload())


@pytest.mark.parametrize("name", PUBLISHER_FAULTS)
def test_a_broken_publisher(
    name: str, zookeeper_hosts: str, sqlite_url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = PUBLISHER_FAULTS[name]()
    with Rig(sqlite_url, zookeeper_hosts, seed, is_broken=True) as rig, tampered(rig, fault, monkeypatch):
        rig.commits.fill()
        rig.level(rig.mirror())
        assert rig.first_violation() is None
        fault.is_armed = True
        assert caught(rig, committing(rig, name), lambda: fault.done).promise in EXPECTED[name]


@pytest.mark.parametrize("name", MIRROR_FAULTS)
def test_a_broken_mirror(name: str, zookeeper_hosts: str, sqlite_url: str, seed: int) -> None:
    with Rig(sqlite_url, zookeeper_hosts, seed, is_broken=True) as rig:
        rig.publisher()
        rig.commits.fill()
        sink = broken_mirror(rig, MIRROR_FAULTS[name])
        if isinstance(sink, Splits):
            sink.between = rig.recorders[0].look
        sink.is_armed = True
        assert caught(rig, committing(rig, name), lambda: sink.done).promise in EXPECTED[name]


def broken_mirror(rig: Rig, kind: type[BrokenSink]) -> BrokenSink:
    """A mirror between whose parts a fault sits, level and without a violation so far."""
    sources: list[BrokenSource] = []

    def source() -> BrokenSource:
        sources.append(BrokenSource(open_source(rig.hosts, TREE), kind))
        return sources[-1]

    rig.level(rig.watch(Mirror(source, "diary"), "broken"))
    assert rig.first_violation() is None
    return sources[0].sink


def test_a_publisher_that_takes_a_tree_for_its_own_lineage(
    zookeeper_hosts: str, sqlite_url: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Rig(sqlite_url, zookeeper_hosts, seed, is_broken=True) as rig:
        with rig.publishing():
            rig.commits.fill()
            warm = rig.mirror()
            rig.level(warm)
        with Journal(f"sqlite:///{tmp_path / 'other.db'}") as other:
            fault = TrustedLineage(rig.truth.lineage)
            commits = Commits(other, seed)
            with monkeypatch.context() as patched:
                patched.setattr(publisher, "ZooKeeper", TamperedZooKeeper.by(fault))
                trusting = rig.publishing(journal=other, adopt=True)
            with trusting:
                commits.fill()
                assert caught(rig, lambda: commits.some(5), lambda: fault.done).promise is Promise.LINEAGE


def test_a_mirror_that_takes_another_lineage_for_its_own(
    zookeeper_hosts: str, sqlite_url: str, seed: int, tmp_path: Path
) -> None:
    with Rig(sqlite_url, zookeeper_hosts, seed, is_broken=True) as rig:
        with rig.publishing():
            rig.commits.fill()
            sink = broken_mirror(rig, TrustsLineages)
            sink.is_armed = True
        with Journal(f"sqlite:///{tmp_path / 'other.db'}") as other, rig.publishing(journal=other, adopt=True):
            commits = Commits(other, seed)
            commits.fill()
            assert caught(rig, lambda: commits.some(5), lambda: sink.done).promise is Promise.LINEAGE


def test_right_builds_pass_the_same_tests(zookeeper_hosts: str, sqlite_url: str, seed: int, tmp_path: Path) -> None:
    """Also when the tree becomes another journal's, which is told to adopt it."""
    with Rig(sqlite_url, zookeeper_hosts, seed) as rig:
        with rig.publishing():
            rig.commits.fill()
            warm = rig.mirror()
            for name in EXPECTED:
                committing(rig, name)()
            rig.commits.some(100)
            rig.level(warm)
        with Journal(f"sqlite:///{tmp_path / 'other.db'}") as other:
            Commits(other, seed).fill()
            with rig.publishing(journal=other) as refused:
                wait_until(lambda: [one["state"] for one in refused.status()] == ["refused"], 10, "a refusal")
            with rig.publishing(journal=other, adopt=True):
                other_truth = read_truth(other)
                wait_for_equality(warm, other_truth, 10)
            rig.earlier.append(other_truth)
