"""Publishers that die at any of their writes, and two at once: what a mirror would see is whole at every moment."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from rainer.journal import Journal
from rainer.model.commit import draft
from rainer.publish import election
from rainer.zk import Set, ZooKeeper
from tests.integration.publish_driven import Driven, FailingZooKeeper
from tests.integration.publish_view import TreeView, commit, connect, publishing

KEYS = 300
SMALL_WRITE_BYTES = 20_000


@pytest.fixture
def zk(zookeeper_hosts: str) -> Iterator[ZooKeeper]:
    with connect(zookeeper_hosts) as zk:
        yield zk


@pytest.fixture
def journal() -> Iterator[Journal]:
    with Journal("memory:") as journal:
        yield journal


@pytest.fixture(autouse=True)
def small_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("changes", "steps"):
        monkeypatch.setattr(f"rainer.publish.{module}.WRITE_BYTES", SMALL_WRITE_BYTES)


@contextmanager
def connection(hosts: str, fails_at: int | None = None, *, is_lost: bool = False) -> Iterator[FailingZooKeeper]:
    zk = FailingZooKeeper(hosts, fails_at, is_lost=is_lost)
    with closing(zk):
        zk.start()
        yield zk


def large_changeset(journal: Journal, version: int, *, removing: int = 0) -> None:
    """One of all keys, some of them removed."""
    journal.append_many(
        [
            draft(f"k{n:04d}", None if n < removing else b"%d" % version * 40, version=version, author="me")
            for n in range(KEYS)
        ]
    )


def die_and_go_on(journal: Journal, hosts: str, view: TreeView, fails_at: int, *, is_lost: bool) -> bool:
    """Let a publisher die at a write and another go on; whether it got as far as to die."""
    namespace = view.namespace
    with connection(hosts, fails_at, is_lost=is_lost) as zk:
        one = Driven(zk, journal, namespace)
        one.run(lambda: zk.has_failed or (one.feed.state == journal.reads.state() and one.tree.is_level))
        has_died = zk.has_failed
    if view.zk.get(view.tree.head) is not None:
        view.assert_whole()
    with connection(hosts) as zk:
        Driven(zk, journal, namespace).run()
    view.assert_published()
    return has_died


@pytest.mark.parametrize("is_lost", [False, True], ids=["not sent", "sent and not answered"])
def test_a_large_changeset_with_its_publisher_dying_at_every_write(
    is_lost: bool, journal: Journal, zk: ZooKeeper, zookeeper_hosts: str
) -> None:
    view = TreeView(zk, journal)
    large_changeset(journal, 1)
    with connection(zookeeper_hosts) as first:
        Driven(first, journal).run()
    version, fails_at, has_died = 1, 0, True
    while has_died:
        version, fails_at = version + 1, fails_at + 1
        large_changeset(journal, version, removing=20 if version % 2 else 0)
        has_died = die_and_go_on(journal, zookeeper_hosts, view, fails_at, is_lost=is_lost)
    assert fails_at > 10  # so many writes it takes, at the least


@pytest.mark.parametrize("is_lost", [False, True], ids=["not sent", "sent and not answered"])
def test_a_first_publication_that_dies_at_every_write(
    is_lost: bool, journal: Journal, zk: ZooKeeper, zookeeper_hosts: str
) -> None:
    large_changeset(journal, 1, removing=10)
    view = TreeView(zk, journal)
    fails_at, has_died = 0, True
    while has_died:
        fails_at += 1
        zk.delete_tree(view.tree.root)
        has_died = die_and_go_on(journal, zookeeper_hosts, view, fails_at, is_lost=is_lost)
    assert fails_at > 5


@pytest.mark.parametrize("is_lost", [False, True], ids=["not sent", "sent and not answered"])
def test_a_large_payload_that_dies_at_every_write(
    is_lost: bool, journal: Journal, zk: ZooKeeper, zookeeper_hosts: str
) -> None:
    journal.create_namespace("big", payload_bytes_max=8_000_000)
    view = TreeView(zk, journal, "big")
    commit(journal, "k", b"small", "big")
    with connection(zookeeper_hosts) as first:
        Driven(first, journal, "big").run()
    fails_at, has_died = 0, True
    while has_died:
        fails_at += 1
        commit(journal, "k", os.urandom(2_000_000), "big")
        has_died = die_and_go_on(journal, zookeeper_hosts, view, fails_at, is_lost=is_lost)
    assert fails_at > 3


def test_an_adoption_that_dies_at_every_write(journal: Journal, zk: ZooKeeper, zookeeper_hosts: str) -> None:
    large_changeset(journal, 1)
    with Journal("memory:") as other:
        commit(other, "k0001")
        commit(other, "stranger")
        theirs, ours = TreeView(zk, other), TreeView(zk, journal)
        fails_at, has_died = 0, True
        while has_died:
            fails_at += 1
            zk.delete_tree(ours.tree.root)
            with connection(zookeeper_hosts) as before:
                Driven(before, other).run()
            with connection(zookeeper_hosts, fails_at) as one:
                adopting = Driven(one, journal, adopt=True)
                adopting.run(lambda one=one, at=adopting: one.has_failed or at.tree.is_level)  # type: ignore[misc]
                has_died = one.has_failed
            (ours if ours.head.lineage == journal.position().lineage else theirs).assert_whole()
            with connection(zookeeper_hosts) as last:
                Driven(last, journal, adopt=True).run()
            ours.assert_published()
        assert fails_at > 10


def test_two_publishers_that_both_believe_they_lead(
    journal: Journal, zk: ZooKeeper, zookeeper_hosts: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = election.Election.look
    monkeypatch.setattr(election.Election, "look", lambda self: look(self) or True)
    rng = random.Random(seed)
    view = TreeView(zk, journal)
    with connection(zookeeper_hosts) as first, connection(zookeeper_hosts) as second:
        both = [Driven(first, journal), Driven(second, journal)]
        both[0].run()
        for version in range(1, 60):
            if version % 20 == 0:
                large_changeset(journal, version // 20)
            else:
                commit(journal, rng.choice("abc"), rng.choice((b"1", None)))
            for _ in range(rng.randrange(4)):
                rng.choice(both).turn()
            try:
                view.assert_whole()
            except AssertionError:
                print(
                    "DBG",
                    version,
                    [
                        (
                            x.n,
                            x.repair,
                            x.part,
                            x.parts,
                            x.position.revision,
                            [(r.key, r.version, r.kind.name) for r in x.records][:5],
                        )
                        for x in view.batches(0)[-12:]
                    ],
                    [
                        (
                            b.tree.writer.nodes._versions.get("a"),
                            b.tree.writer.nodes.is_complete,
                            b.tree.writer.unpublishable,
                        )
                        for b in both
                    ],
                )
                raise
        for one in both:
            one.run()
        view.assert_published()


def test_two_publishers_that_both_believe_they_lead_in_their_own_threads(
    zk: ZooKeeper, zookeeper_hosts: str, sqlite_url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = election.Election.look
    monkeypatch.setattr(election.Election, "look", lambda self: look(self) or True)
    rng = random.Random(seed)
    with (
        Journal(sqlite_url) as journal,
        Journal(sqlite_url) as elsewhere,
        publishing(journal, zookeeper_hosts),
        publishing(elsewhere, zookeeper_hosts),
    ):
        view = TreeView(zk, journal)
        start = view.wait()
        for version in range(1, 200):
            if version % 50 == 0:
                large_changeset(journal, version // 50)
            else:
                commit(rng.choice((journal, elsewhere)), rng.choice("abcdef"), rng.choice((b"1", b"2" * 9_000, None)))
        view.wait(30)
        held = view.expected(start.revision)
        for batch in view.batches(start.n):
            view.apply(held, batch)
            if batch.part == batch.parts:
                assert held == view.expected(batch.position.revision)
        assert held == view.expected()


def test_a_publisher_that_slept_writes_nothing_old(journal: Journal, zk: ZooKeeper, zookeeper_hosts: str) -> None:
    view = TreeView(zk, journal)
    with connection(zookeeper_hosts) as first, connection(zookeeper_hosts) as second:
        sleeper = Driven(first, journal)
        commit(journal, "k", b"old")
        sleeper.run()
        other = Driven(second, journal)
        other.tree._leads = True  # as after the end of the sleeper's session
        other.tree.election.look = lambda: True  # type: ignore[method-assign]
        commit(journal, "k", b"new")
        other.run()
        for n in range(5):
            commit(journal, "k", b"%d" % n)
            other.run()
        before = view.assert_published()
        # The sleeper wakes in the middle of a write of what was new when it fell asleep.
        stale = [Set(view.tree.key("k"), b"stale")]
        with pytest.raises(Exception, match="moved on"):
            first.write([sleeper.tree.writer.check(), *stale])
        sleeper.run()
        assert view.assert_published() == before
        commit(journal, "k", b"and on")
        sleeper.run()
        other.run()
        view.assert_published()


def test_a_damaged_log_where_it_is_needed(journal: Journal, zk: ZooKeeper, zookeeper_hosts: str) -> None:
    view = TreeView(zk, journal)
    large_changeset(journal, 1)
    with connection(zookeeper_hosts) as first:
        Driven(first, journal).run()
    large_changeset(journal, 2)
    with connection(zookeeper_hosts, 8) as one:  # after the head has moved, before the nodes have
        dying = Driven(one, journal)
        dying.run(lambda: one.has_failed)
    assert view.head.data_n < view.head.n
    zk.write([Set(view.tree.batch(view.head.n), b"garbage")])
    with connection(zookeeper_hosts) as last:
        Driven(last, journal).run()
    view.assert_published()
