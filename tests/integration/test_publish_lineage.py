"""Trees of another life of the journal: refused, and made this journal's when somebody says so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.journal import Journal, administration
from rainer.publish import Publisher
from rainer.zk import ZooKeeper
from tests.integration.publish_view import TreeView, commit, connect, publishing
from tests.services.waiting import wait_until


@pytest.fixture
def zk(zookeeper_hosts: str) -> Iterator[ZooKeeper]:
    with connect(zookeeper_hosts) as zk:
        yield zk


def publish_once(journal: Journal, hosts: str, zk: ZooKeeper) -> None:
    with publishing(journal, hosts):
        TreeView(zk, journal).wait()


def is_refused(publisher: Publisher) -> bool:
    return [tree["state"] for tree in publisher.status()] == ["refused"]


def refusal(publisher: Publisher) -> str:
    wait_until(lambda: is_refused(publisher), 10, "the refusal")
    return str(publisher.status()[0]["error"])


def test_a_tree_of_another_journal_is_refused_and_adopted(zk: ZooKeeper, zookeeper_hosts: str) -> None:
    with Journal("memory:") as first, Journal("memory:") as second:
        for key in ("same", "other", "only-first"):
            commit(first, key)
        for key in ("same", "other", "other", "only-second"):
            commit(second, key)
        publish_once(first, zookeeper_hosts, zk)
        theirs, ours = TreeView(zk, first), TreeView(zk, second)
        before, data = theirs.head, theirs.data()
        with publishing(second, zookeeper_hosts) as publisher:
            assert "rainer publish --adopt" in refusal(publisher)
            commit(second, "other")
            wait_until(lambda: publisher.status()[0]["journal_revision"] == 5, 10, "the publisher to hear of it")
            assert (theirs.head, theirs.data()) == (before, data)
            with publishing(second, zookeeper_hosts, adopt=True):
                head = ours.wait()
            assert head.n > before.n
            assert head.lineage == second.position().lineage
            wait_until(lambda: not is_refused(publisher), 10, "the end of the refusal")
            commit(second, "other")
            assert ours.wait().n > head.n
        repairs = [batch for batch in ours.batches(before.n) if batch.repair]
        assert {r.key for batch in repairs for r in batch.records} >= {"other", "only-first", "only-second"}


def test_a_restored_journal_that_lost_its_end_is_refused(zk: ZooKeeper, zookeeper_hosts: str, tmp_path: Path) -> None:
    with Journal(f"sqlite:///{tmp_path / 'journal.db'}") as journal:
        commit(journal, "k")
    shutil.copy(tmp_path / "journal.db", tmp_path / "backup.db")
    with Journal(f"sqlite:///{tmp_path / 'journal.db'}") as journal:
        commit(journal, "k", b"lost")
        commit(journal, "l", b"lost")
        publish_once(journal, zookeeper_hosts, zk)
    with Journal(f"sqlite:///{tmp_path / 'backup.db'}") as journal:
        with publishing(journal, zookeeper_hosts) as publisher:
            refusal(publisher)
            for _ in range(3):  # now it has a revision of that number, and another commit at it
                commit(journal, "k", b"other")
            wait_until(lambda: publisher.status()[0]["journal_revision"] == 4, 10, "the publisher to hear of it")
            assert "stands at" in refusal(publisher)
        view = TreeView(zk, journal)
        with publishing(journal, zookeeper_hosts, adopt=True):
            view.wait()


def test_a_new_lineage_of_the_same_journal_is_adopted_without_touching_its_nodes(
    zk: ZooKeeper, zookeeper_hosts: str, sqlite_url: str
) -> None:
    with Journal(sqlite_url) as journal:
        commit(journal, "k")
        publish_once(journal, zookeeper_hosts, zk)
    administration.adopt(sqlite_url)
    with Journal(sqlite_url) as journal:
        view = TreeView(zk, journal)
        before, node = view.head, zk.exists(view.tree.key("k"))
        with publishing(journal, zookeeper_hosts) as publisher:
            refusal(publisher)
        with publishing(journal, zookeeper_hosts, adopt=True):
            wait_until(lambda: view.head.lineage == journal.position().lineage, 10, "the adoption")
            head = view.assert_published()
        assert (head.n, zk.exists(view.tree.key("k"))) == (before.n + 1, node)


def test_a_journal_replaced_while_it_is_published_is_refused(
    zk: ZooKeeper, zookeeper_hosts: str, tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    with Journal(f"sqlite:///{path}") as journal:
        commit(journal, "k")
    shutil.copy(path, tmp_path / "backup.db")
    with Journal(f"sqlite:///{path}") as journal, publishing(journal, zookeeper_hosts) as publisher:
        view = TreeView(zk, journal)
        commit(journal, "k", b"lost")
        before, data = view.wait(), view.data()
        (tmp_path / "backup.db").rename(path)
        refusal(publisher)
        assert (view.head, view.data()) == (before, data)
