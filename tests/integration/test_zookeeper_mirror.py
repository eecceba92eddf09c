"""Mirror and source together on a real ZooKeeper: what neither shows alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import rainer
from rainer.mirror.mirror import Mirror
from rainer.mirror.zookeeper_source import ZooKeeperSource
from rainer.model.packed import Kind, PackedHead
from tests.integration.tree_writer import OTHER_LINEAGE, TreeWriter, commit, record
from tests.services.waiting import wait_until

ROOT = "/rainer/diary"


@pytest.fixture
def writer(zookeeper_hosts: str) -> Iterator[TreeWriter]:
    with TreeWriter(zookeeper_hosts) as writer:
        writer.make()
        yield writer


def payloads(mirror: Mirror) -> dict[str, bytes | None]:
    return {key: commit.payload for key, commit in mirror.snapshot().items()}


def test_a_mirror_is_current_when_it_has_started(zookeeper_hosts: str, writer: TreeWriter) -> None:
    writer.publish({"a": b"1", "ключ": b"\0\xff"})
    writer.publish_large("big", bytes(3_000_000))
    writer.beat()
    with Mirror.zookeeper(zookeeper_hosts, ROOT) as mirror:
        assert (mirror.state, mirror.position) == ("current", writer.position)
        assert mirror.age_s < 10
        assert payloads(mirror) == writer.payloads
        writer.publish({"a": b"2", "big": None})
        found = mirror.wait_for("a", 2, 10)
        assert found is not None
        assert (found.payload, found.revision, found.author) == (b"2", 4, "me")
        assert payloads(mirror) == writer.payloads


def test_a_keepers_removal_is_followed_and_a_key_may_begin_anew(zookeeper_hosts: str) -> None:
    with rainer.Keeper(zookeeper_hosts, ROOT) as keeper:
        keeper.save(commit("a", 7, b"7"))
        with keeper.mirror() as mirror:
            assert mirror["a"].version == 7
            keeper.save(commit("a", 8, None))
            wait_until(lambda: "a" not in mirror, 10, "the removal")
            keeper.save(commit("a", 1, b"1"))
            assert mirror.wait_for("a", 1, 10) == commit("a", 1, b"1")
            assert mirror.rejected == {}


def test_an_invented_key_is_forgotten_with_its_version(zookeeper_hosts: str, writer: TreeWriter) -> None:
    writer.publish({"a": b"1"})
    writer.client.create(f"{ROOT}/data/invented", record("invented", 99, b"x", 0).data)
    with Mirror.zookeeper(zookeeper_hosts, ROOT) as mirror:
        assert sorted(mirror) == ["a", "invented"]
        writer.write([PackedHead("invented", 0, 0, Kind.REMOVED, b"")], repair=True)
        wait_until(lambda: "invented" not in mirror, 10, "the repair")
        writer.publish({"invented": b"real"})
        found = mirror.wait_for("invented", 1, 10)
        assert found is not None
        assert found.payload == b"real"


def test_a_snapshot_from_the_future_gives_way(zookeeper_hosts: str, writer: TreeWriter, tmp_path: Path) -> None:
    """The journal came back from a backup, and nobody told it to begin another lineage."""
    writer.publish({"a": b"1"})
    for number in range(5):
        writer.publish({"b": b"%d" % number})
    with Mirror.zookeeper(zookeeper_hosts, ROOT, snapshot=tmp_path / "diary") as mirror:
        assert mirror.revision == 6
    writer.wipe()
    writer.n = writer.data_n = writer.revision = 0
    writer.versions, writer.payloads = {}, {}
    writer.make()
    writer.publish({"a": b"1"})
    with Mirror.zookeeper(zookeeper_hosts, ROOT, snapshot=tmp_path / "diary") as mirror:
        wait_until(lambda: mirror.revision == 1, 10, "the journal's word")
        assert payloads(mirror) == {"a": b"1"}


def test_a_snapshot_of_another_lineage_is_replaced(zookeeper_hosts: str, writer: TreeWriter, tmp_path: Path) -> None:
    writer.publish({"a": b"1", "b": b"1"})
    with Mirror.zookeeper(zookeeper_hosts, ROOT, snapshot=tmp_path / "diary"):
        pass
    writer.lineage, writer.revision = OTHER_LINEAGE, 0
    writer.publish({"b": None})
    with Mirror.zookeeper(zookeeper_hosts, ROOT, snapshot=tmp_path / "diary") as mirror:
        wait_until(lambda: mirror.position == writer.position, 10, "the other lineage")
        assert payloads(mirror) == {"a": b"1"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_leaves_the_parents_session_alone(zookeeper_hosts: str, writer: TreeWriter) -> None:
    writer.publish({"a": b"1"})
    with Mirror.zookeeper(zookeeper_hosts, ROOT) as mirror:
        source = mirror._source
        assert isinstance(source, ZooKeeperSource)
        session = source._zk.session_id
        child = os.fork()
        if child == 0:
            try:
                ok = mirror["a"].payload == b"1"
                wait_until(lambda: mirror["a"].version >= 2, 20, "what is published after the fork")
                mirror.close()
                os._exit(0 if ok else 1)
            except BaseException:
                os._exit(2)
        writer.publish({"a": b"2"})
        assert os.waitpid(child, 0)[1] == 0
        writer.publish({"a": b"3"})
        assert mirror.wait_for("a", 3, 10) is not None
        assert source._zk.session_id == session


def test_nothing_to_mirror_is_an_error_that_names_the_place(zookeeper_hosts: str) -> None:
    mirror = Mirror.zookeeper(zookeeper_hosts, "/rainer/nothing")
    with pytest.raises(rainer.UnavailableError, match="/rainer/nothing"):
        mirror.start(timeout_s=0.5)
