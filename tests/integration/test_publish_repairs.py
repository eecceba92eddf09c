"""What hands do to a tree is undone: edits, deletions, inventions, garbage, and what a publisher may not write."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from kazoo.client import KazooClient
from kazoo.security import ACL, OPEN_ACL_UNSAFE, make_acl

from rainer.errors import ConflictError
from rainer.journal import Journal
from rainer.model.commit import draft
from rainer.model.packed import Kind, PackedHead
from rainer.model.published import Beat, Parts
from rainer.publish.large import LargeHeads, parts_of
from rainer.zk import Create, Delete, Set, ZooKeeper
from tests.integration.publish_view import TreeView, commit, connect, publishing
from tests.services.waiting import wait_until

QUICK_S = 0.5


@pytest.fixture(autouse=True)
def quick_audits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rainer.publish.audit.CYCLE_S", QUICK_S)


@pytest.fixture
def zk(zookeeper_hosts: str) -> Iterator[ZooKeeper]:
    with connect(zookeeper_hosts) as zk:
        yield zk


@pytest.fixture
def journal() -> Iterator[Journal]:
    with Journal("memory:") as journal:
        journal.append_many([draft(f"k{n}", b"x%d" % n, version=1, author="me") for n in range(50)])
        commit(journal, "gone")
        commit(journal, "gone", None)
        yield journal


@pytest.fixture
def view(zk: ZooKeeper, journal: Journal, zookeeper_hosts: str) -> Iterator[TreeView]:
    """A tree that is published, under a publisher that goes on."""
    with publishing(journal, zookeeper_hosts):
        view = TreeView(zk, journal)
        view.wait()
        yield view


def delete_tree(zk: ZooKeeper, path: str) -> None:
    """Delete a tree whose nodes a repair may bring back meanwhile."""

    def deleted() -> bool:
        try:
            zk.delete_tree(path)
        except ConflictError:  # a repair was faster
            return False
        return True

    wait_until(deleted, 30, f"the end of {path}")


def forged(view: TreeView, key: str, version: int) -> bytes:
    return view.expected()[key].replace(b'"version":1', b'"version":%d' % version)


DAMAGE: dict[str, Callable[[TreeView], object]] = {
    "garbage": lambda view: Set(view.tree.key("k1"), b"garbage"),
    "nothing": lambda view: Set(view.tree.key("k1"), b""),
    "an edit": lambda view: Set(view.tree.key("k1"), view.expected()["k2"]),
    "version 99": lambda view: Set(view.tree.key("k1"), forged(view, "k1", 99)),
    "a deletion": lambda view: Delete(view.tree.key("k1")),
    "an invention": lambda view: Create(view.tree.key("invented"), b"whatever"),
    "a return": lambda view: Create(view.tree.key("gone"), b"whatever"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_hand_made_change_is_undone_and_mirrors_are_told(damage: str, view: TreeView) -> None:
    before = view.head
    operation = DAMAGE[damage](view)
    view.zk.write([operation])  # type: ignore[list-item]
    wait_until(lambda: view.data() == view.expected(), 30, "the repair")
    head = view.assert_published()
    assert head.position == before.position
    (repair,) = view.batches(before.n)
    (record,) = repair.records
    assert repair.repair
    assert view.tree.key(record.key) == operation.path  # type: ignore[attr-defined]
    if damage == "an invention":
        assert (record.kind, record.version, record.data) == (Kind.REMOVED, 0, b"")
    commit(view.journal, "k1", b"goes on")
    view.wait()


def test_versions_go_on_after_a_hand_written_one(view: TreeView) -> None:
    view.zk.write([Set(view.tree.key("k1"), forged(view, "k1", 99))])
    for _ in range(3):
        commit(view.journal, "k1")
        view.wait()


def test_all_of_it_deleted(view: TreeView) -> None:
    view.zk.write([Delete(view.tree.key(key)) for key in view.expected()])
    wait_until(lambda: view.data() == view.expected(), 30, "the repair")
    view.assert_published()


def test_the_folder_of_the_nodes_deleted(view: TreeView) -> None:
    delete_tree(view.zk, view.tree.data)
    wait_until(lambda: view.data() == view.expected(), 30, "the repair")
    commit(view.journal, "k1")
    view.wait()


def test_damage_done_while_nobody_published(zk: ZooKeeper, journal: Journal, zookeeper_hosts: str) -> None:
    view = TreeView(zk, journal)
    with publishing(journal, zookeeper_hosts):
        view.wait()
    zk.write([Set(view.tree.key("k1"), b"garbage"), Delete(view.tree.key("k2")), Create(view.tree.key("invented"))])
    with publishing(journal, zookeeper_hosts):
        wait_until(lambda: view.data() == view.expected(), 30, "the repair")
        view.assert_published()


def test_pieces_of_a_large_commit_damaged(zk: ZooKeeper, journal: Journal, zookeeper_hosts: str) -> None:
    journal.create_namespace("big", payload_bytes_max=8_000_000)
    view = TreeView(zk, journal, "big")
    commit(journal, "k", os.urandom(2_000_000), "big")
    with publishing(journal, zookeeper_hosts):
        view.wait()
        path = view.tree.large_key("k")
        names = Parts.from_bytes(view.zk.get(path)[0]).names  # type: ignore[index]
        for operation in (
            Set(f"{path}/{names[1]}", b"garbage"),
            Delete(f"{path}/{names[0]}"),
            Set(path, b"garbage"),
            Create(view.tree.key("k"), b"stale"),
        ):
            zk.write([operation])
            wait_until(lambda: not view.data() and _joined(view) == view.expected(), 30, f"the repair of {operation}")
        delete_tree(view.zk, path)
        wait_until(lambda: _joined(view) == view.expected(), 30, "the repair of all")
        view.assert_published()


def test_a_piece_damaged_just_after_it_was_compared(
    zk: ZooKeeper, journal: Journal, zookeeper_hosts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_whole, damaged = LargeHeads.is_whole, []

    def and_then_damaged(self: LargeHeads, head: PackedHead) -> bool:
        found = is_whole(self, head)
        if found and not damaged:
            damaged.append(f"{view.tree.large_key('k')}/{parts_of(head).names[1]}")
            zk.write([Set(damaged[0], b"garbage")])
        return found

    monkeypatch.setattr(LargeHeads, "is_whole", and_then_damaged)
    journal.create_namespace("big", payload_bytes_max=8_000_000)
    view = TreeView(zk, journal, "big")
    commit(journal, "k", os.urandom(2_000_000), "big")
    with publishing(journal, zookeeper_hosts):
        wait_until(lambda: damaged and _joined(view) == view.expected(), 30, "the repair of what was just compared")


def _joined(view: TreeView) -> dict[str, bytes] | None:
    try:
        return view.large()
    except Exception:  # it is damaged
        return None


def test_superseded_pieces_go_after_a_while(
    zk: ZooKeeper, journal: Journal, zookeeper_hosts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rainer.publish.audit._SUPERSEDED_S", QUICK_S)
    journal.create_namespace("big", payload_bytes_max=8_000_000)
    view = TreeView(zk, journal, "big")
    with publishing(journal, zookeeper_hosts):
        commit(journal, "k", os.urandom(2_000_000), "big")
        view.wait()
        commit(journal, "k", os.urandom(1_000_000), "big")
        view.wait()
        wait_until(lambda: len(zk.children(view.tree.large_key("k")) or []) == 2, 10, "the end of the old pieces")
        view.assert_published()


def _denied(hosts: str, path: str, acl: list[ACL]) -> None:
    client = KazooClient(hosts)
    client.start()
    client.set_acls(path, acl)
    client.stop()
    client.close()


READ_ONLY = [make_acl("world", "anyone", read=True, admin=True)]


def test_a_key_that_may_not_be_written_blocks_no_other(view: TreeView, zookeeper_hosts: str) -> None:
    _denied(zookeeper_hosts, view.tree.data, READ_ONLY)  # so that what is there can be changed, and not removed
    commit(view.journal, "k1", None)
    commit(view.journal, "k2", b"goes on")
    commit(view.journal, "new")
    wait_until(lambda: view.data().get("k2") == view.expected()["k2"], 10, "the others to be published")
    head = view.head
    assert head.n == head.data_n
    wait_until(lambda: _unpublishable(view) == {"k1", "new"}, 10, lambda: f"the report, not {_unpublishable(view)}")
    held = view.expected(view.batches()[0].position.revision)
    for batch in view.batches(view.batches()[0].n):  # mirrors that follow the log get them all the same
        view.apply(held, batch)
    assert held == view.expected()
    grown = len(view.numbers())
    wait_until(lambda: len(_beats(view)) >= 2, 10, "more audits")
    assert len(view.numbers()) == grown  # what cannot be repaired fills no log
    _denied(zookeeper_hosts, view.tree.data, list(OPEN_ACL_UNSAFE))
    wait_until(lambda: view.data() == view.expected(), 30, "the repair once it is allowed")
    wait_until(lambda: not _unpublishable(view), 10, "the end of the report")


def _unpublishable(view: TreeView) -> set[str]:
    found = view.zk.get(view.tree.beat)
    return set() if found is None else set(Beat.from_bytes(found[0]).unpublishable)


_seen: dict[str, set[int]] = {}


def _beats(view: TreeView) -> set[int]:
    found = view.zk.get(view.tree.beat)
    seen = _seen.setdefault(view.zk.options.hosts, set())
    if found is not None:
        seen.add(Beat.from_bytes(found[0]).time_ms)
    return seen


def test_an_invention_with_children_blocks_no_repair(view: TreeView) -> None:
    view.zk.ensure(f"{view.tree.key('invented')}/below/it")
    view.zk.write([Set(view.tree.key("k1"), b"garbage")])
    wait_until(lambda: view.data().get("k1") == view.expected()["k1"], 10, "the repair of the other")
    wait_until(lambda: _unpublishable(view) == {"invented"}, 10, "the report")
    view.zk.delete_tree(view.tree.key("invented"))
    wait_until(lambda: not _unpublishable(view), 10, "the end of the report")
