"""The publisher on real servers: what stands in ZooKeeper is what the journal says, in the ancestor's bytes."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator

import pytest

from rainer.errors import ConflictError, InvalidError
from rainer.journal import Journal
from rainer.model.commit import draft
from rainer.model.packed import Kind
from rainer.model.published import Beat
from rainer.publish import Publisher
from rainer.zk import Delete, Set, ZooKeeper, ZooKeeperOptions
from tests.integration.publish_view import ROOT, TreeView, commit, connect, publishing
from tests.services.database_service import DatabaseService
from tests.services.proxy import Proxy
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper as Server

BACKENDS = ("memory", "sqlite", "postgresql")


@pytest.fixture
def zk(zookeeper_hosts: str) -> Iterator[ZooKeeper]:
    with connect(zookeeper_hosts) as zk:
        yield zk


@pytest.fixture
def journal() -> Iterator[Journal]:
    with Journal("memory:") as journal:
        yield journal


@pytest.fixture
def view(zk: ZooKeeper, journal: Journal) -> TreeView:
    return TreeView(zk, journal)


def commit_at_random(journal: Journal, seed: int, count: int) -> None:
    """Changesets over a few keys, with removals, several versions of a key in one among them."""
    rng = random.Random(seed)
    versions = {c.key: c.version for c in journal.heads(include_empty=True)}
    for _ in range(count):
        drafts = []
        for _ in range(rng.choice((1, 1, 1, 5, 30))):
            key = rng.choice(("é中", "a b", "%2F", *(f"k{n}" for n in range(40))))
            versions[key] = versions.get(key, 0) + 1
            payload = None if rng.random() < 0.2 else rng.randbytes(rng.choice((0, 10, 300)))
            drafts.append(draft(key, payload, version=versions[key], author="me", comment="why\nnot ÿ"))
        journal.append_many(drafts)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_stands_in_zookeeper_is_what_the_journal_says(
    backend: str, zk: ZooKeeper, zookeeper_hosts: str, seed: int, request: pytest.FixtureRequest
) -> None:
    url = "memory:" if backend == "memory" else request.getfixturevalue(f"{backend}_url")
    with Journal(url) as journal:
        view = TreeView(zk, journal)
        commit_at_random(journal, seed, 20)
        with publishing(journal, zookeeper_hosts):
            first = view.wait()
            for turn in range(5):
                commit_at_random(journal, seed + turn, 10)
                view.wait()
        assert view.head.n > first.n
        held: dict[str, bytes] = view.expected(first.revision)
        for batch in view.batches(first.n):  # what a mirror follows that was there from the beginning
            view.apply(held, batch)
            assert held == view.expected(batch.position.revision)


def test_a_batch_holds_whole_changesets_and_each_key_once(
    journal: Journal, view: TreeView, zookeeper_hosts: str, seed: int
) -> None:
    with publishing(journal, zookeeper_hosts):
        view.wait()
        commit_at_random(journal, seed, 30)
        view.wait()
    ends = {row.changeset for row in journal.reads.changes(0, namespace=None, limit=10_000, payloads=False).rows}
    for batch in view.batches(view.numbers()[0] - 1):
        assert batch.position.revision in ends
        assert len({r.key for r in batch.records}) == len(batch.records)
        assert {r.kind for r in batch.records} <= {Kind.HEAD, Kind.REMOVED}


def test_namespaces_that_are_made_later_are_published(zk: ZooKeeper, journal: Journal, zookeeper_hosts: str) -> None:
    with publishing(journal, zookeeper_hosts) as publisher:
        journal.create_namespace("later")
        later = TreeView(zk, journal, "later")
        later.wait()
        commit(journal, "k", namespace="later")
        later.wait()
        commit(journal, "k")
        TreeView(zk, journal).wait()
        later.wait()
        told = {tree["namespace"]: tree for tree in publisher.status()}
    assert told.keys() == {"diary", "later"}
    assert (told["later"]["revision"], told["later"]["journal_revision"]) == (1, 2)


def test_a_payload_of_3_mb_goes_in_pieces_and_comes_back_small(
    zk: ZooKeeper, journal: Journal, zookeeper_hosts: str
) -> None:
    journal.create_namespace("big", payload_bytes_max=8_000_000)
    view = TreeView(zk, journal, "big")
    with publishing(journal, zookeeper_hosts) as publisher:
        commit(journal, "k", b"small", "big")
        commit(journal, "other", b"small", "big")
        view.wait()
        commit(journal, "k", os.urandom(3_000_000), "big")
        view.wait()
        assert view.data().keys() == {"other"}
        assert view.batches()[-1].records[-1].kind is Kind.PARTS
        wait_until(lambda: publisher.status()[0]["large"] == 1, 5, "the status to tell of it")
        commit(journal, "k", os.urandom(2_000_000), "big")
        view.wait()
        commit(journal, "k", b"small again", "big")
        view.wait()
        assert view.zk.children(view.tree.large) == []
        commit(journal, "k", os.urandom(2_000_000), "big")
        view.wait()
        commit(journal, "k", None, "big")
        view.wait()
        assert (view.data().keys(), view.zk.children(view.tree.large)) == ({"other"}, [])


def test_a_commit_that_fits_a_node_alone_is_seen_by_the_ancestors_readers(
    zk: ZooKeeper, journal: Journal, zookeeper_hosts: str
) -> None:
    view = TreeView(zk, journal)
    with publishing(journal, zookeeper_hosts):
        view.wait()
        commit(journal, "k", os.urandom(400_000))
        commit(journal, "l", os.urandom(900_000))
        commit(journal, "m", b"1")
        view.wait()
    assert view.data().keys() == {"k", "l", "m"}


def test_a_tree_that_an_ancestor_left_is_brought_to_the_journal(
    zk: ZooKeeper, journal: Journal, view: TreeView, zookeeper_hosts: str
) -> None:
    for key in ("same", "other", "gone"):
        commit(journal, key)
    commit(journal, "gone", None)
    zk.ensure(view.tree.data)
    for key, data in {"same": view.expected()["same"], "other": b"garbage", "invented": b"x", "gone": b"x"}.items():
        zk.ensure(view.tree.key(key))
        zk.write([Set(view.tree.key(key), data)])
    untouched = zk.exists(view.tree.key("same"))
    with publishing(journal, zookeeper_hosts):
        view.wait()
    assert zk.exists(view.tree.key("same")) == untouched


def test_a_wiped_tree_is_made_again_and_never_counts_from_the_beginning(
    zk: ZooKeeper, journal: Journal, view: TreeView, zookeeper_hosts: str
) -> None:
    with publishing(journal, zookeeper_hosts):
        for _ in range(5):
            commit(journal, "k")
            view.wait()
        before = view.head
        with contextlib.suppress(ConflictError):  # the publisher may be quicker with its place in the queue
            zk.delete_tree(ROOT)
        commit(journal, "k")
        wait_until(lambda: zk.get(view.tree.head) is not None, 10, "a head")
        assert view.wait().n > before.n


def test_a_head_that_is_garbage_is_made_again(
    zk: ZooKeeper, journal: Journal, view: TreeView, zookeeper_hosts: str
) -> None:
    with publishing(journal, zookeeper_hosts):
        commit(journal, "k")
        before = view.wait()
        zk.write([Set(view.tree.head, b"garbage")])
        wait_until(lambda: (zk.get(view.tree.head) or (b"",))[0] != b"garbage", 10, "a head")
        commit(journal, "k")
        assert view.wait().n > before.n


def test_the_log_keeps_a_bounded_number_of_batches(
    journal: Journal, view: TreeView, zookeeper_hosts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rainer.publish.log_window.KEEP_BATCHES", 10)
    with publishing(journal, zookeeper_hosts):
        view.wait()
        for _ in range(25):
            commit(journal, "k")
            view.wait()
    assert len(view.numbers()) <= 11


def test_zookeeper_away_at_the_start_delays_nothing_but_publishing(zookeeper: Server, journal: Journal) -> None:
    if not zookeeper.owned:
        pytest.skip("the proxy stands before a server on this machine")
    with Proxy(zookeeper.port) as proxy:
        proxy.cut()
        hosts = zookeeper.make_chroot()
        chroot = hosts.partition("/")[2]
        with publishing(journal, f"{proxy.hosts}/{chroot}") as publisher, connect(hosts) as zk:
            commit(journal, "k")
            wait_until(lambda: publisher.status(), 10, "a status")
            assert {tree["state"] for tree in publisher.status()} == {"away"}
            proxy.heal()
            TreeView(zk, journal).wait(20)


def test_the_beat_says_who_publishes_and_how_current_the_tree_is(
    zk: ZooKeeper, journal: Journal, view: TreeView, zookeeper_hosts: str
) -> None:
    revision = commit(journal, "k")
    with publishing(journal, zookeeper_hosts) as publisher:
        wait_until(lambda: _beat(view) is not None and _beat(view).revision == revision, 10, "a beat")
        first = _beat(view)
        assert first.who == publisher.status()[0]["leader"]
        zk.write([Delete(view.tree.beat)])
        wait_until(lambda: zk.exists(view.tree.beat) is not None, 10, "another beat")
        assert _beat(view).time_ms > first.time_ms


def _beat(view: TreeView) -> Beat:
    found = view.zk.get(view.tree.beat)
    return Beat(0, -1, "") if found is None else Beat.from_bytes(found[0])


def test_nothing_changed_means_nothing_written(
    zk: ZooKeeper, journal: Journal, view: TreeView, zookeeper_hosts: str
) -> None:
    commit(journal, "k")
    with publishing(journal, zookeeper_hosts):
        view.wait()
    before = zk.exists(view.tree.head)
    with publishing(journal, zookeeper_hosts) as publisher:
        wait_until(lambda: [t["state"] for t in publisher.status()] == ["publishing"], 10, "the publisher")
    assert zk.exists(view.tree.head) == before


def test_a_path_that_is_none_is_refused(journal: Journal) -> None:
    with pytest.raises(InvalidError):
        Publisher(journal, ZooKeeperOptions("localhost"), "rainer")


def test_an_end_publishes_what_was_committed(journal: Journal, view: TreeView, zookeeper_hosts: str) -> None:
    with publishing(journal, zookeeper_hosts):
        view.wait()
        for _ in range(20):
            commit(journal, "k")
    view.assert_published()
    assert view.is_published()


def test_postgresql_tells_of_commits_elsewhere(
    postgresql: DatabaseService, postgresql_url: str, zk: ZooKeeper, zookeeper_hosts: str
) -> None:
    with Journal(postgresql_url) as ours, Journal(postgresql_url) as theirs, publishing(ours, zookeeper_hosts):
        view = TreeView(zk, ours)
        view.wait()
        for _ in range(10):
            commit(theirs, "k")
            view.wait(1.5)  # the poll beside notifications takes two seconds
