"""The JVM program that stands for services with the original's mirror."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from rainer.journal import Journal
from rainer.model.commit import Commit, draft
from rainer.model.serialization import from_bytes
from rainer.publish import Publisher
from rainer.zk import ZooKeeperOptions
from tests.integration.test_zookeeper_service import connected
from tests.services.curator.mirror import CuratorMirror
from tests.services.process_service import ServiceError
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper

pytestmark = [pytest.mark.slow]
FULL = {"plain": b"\x00\xff", "größe €": b"", 'quote"\\': bytes(200_000)}


@pytest.fixture
def client(zookeeper_hosts: str, curator: type[CuratorMirror]) -> Iterator[KazooClient]:
    with connected(zookeeper_hosts) as client:
        client.create("/data")
        yield client


def test_it_begins_with_everything_and_follows_every_change(client: KazooClient, zookeeper_hosts: str) -> None:
    for key, data in FULL.items():
        client.create(f"/data/{key}", data)
    with CuratorMirror(zookeeper_hosts, "/data") as mirror:
        assert mirror.data() == FULL
        kinds = {event.kind for event in mirror.events}
        # When it has reconnected, Curator reads all anew, and tells of what its first reading had not brought yet.
        again = {"connection_reconnected", "added"} if "connection_reconnected" in kinds else set()
        assert kinds <= {"initial", "ready"} | again
        client.create("/data/new", b"1")
        client.set("/data/plain", b"2")
        client.delete("/data/größe €")
        wanted = {"plain": b"2", 'quote"\\': FULL['quote"\\'], "new": b"1"}
        mirror.wait_until(lambda data: data == wanted, what="a creation, an update and a removal")
        assert {event.kind for event in mirror.events} >= {"added", "updated", "removed"}


def test_a_wait_in_vain_says_what_is_there(client: KazooClient, zookeeper_hosts: str) -> None:
    with CuratorMirror(zookeeper_hosts, "/data") as mirror:
        client.create("/data/only", b"1")
        mirror.wait_until(lambda data: len(data) == 1)
        with pytest.raises(TimeoutError, match="it holds 1 keys"):
            mirror.wait_until(lambda data: "other" in data, timeout_s=0.05, what="another key")


def test_a_program_that_died_is_told_apart_from_a_slow_one(client: KazooClient, zookeeper_hosts: str) -> None:
    with CuratorMirror(zookeeper_hosts, "/data") as mirror:
        os.kill(mirror.pid, 9)
        with pytest.raises(ServiceError, match="ended before"):
            mirror.wait_until(lambda data: bool(data), timeout_s=20)


def test_it_follows_through_a_restart_of_the_server(own_zookeeper: ZooKeeper, curator: type[CuratorMirror]) -> None:
    with connected(own_zookeeper.hosts) as client:
        client.create("/data")
        client.create("/data/key", b"1")
    with CuratorMirror(own_zookeeper.hosts, "/data") as mirror:
        own_zookeeper.kill()
        own_zookeeper.start()
        with connected(own_zookeeper.hosts) as client:
            client.set("/data/key", b"2")
        mirror.wait_until(lambda data: data == {"key": b"2"}, timeout_s=30, what="the update after the restart")


# What a publisher feeds it


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(f"sqlite:///{tmp_path / 'journal.db'}") as journal:
        yield journal


def heads(journal: Journal) -> dict[str, Commit]:
    """What a JVM service should hold; the ancestor's bytes tell neither namespace nor revision."""
    return {head.key: head for head in journal.heads()}


def parsed(data: dict[str, bytes], journal: Journal) -> dict[str, Commit]:
    """What the bytes say, read as the ancestor reads them."""
    found = {}
    for key, raw in data.items():
        length, _, rest = raw.partition(b"\n")
        header = json.loads(rest[: int(length)])
        assert list(header) == ["key", "version", "author", "comment", "mtime", "empty"]
        assert (header["key"], header["empty"], rest[int(length) : int(length) + 1], raw[-1:]) == (
            key, False, b"\n", b"\n"
        )  # fmt: skip
        assert rest[int(length) + 1 : -1] == journal.get(key).payload
        commit = from_bytes(raw, namespace="diary")
        object.__setattr__(commit, "revision", journal.get(key).revision)
        found[key] = commit
    return found


def wait_for_heads(mirror: CuratorMirror, journal: Journal) -> None:
    """Wait until the JVM holds the journal's heads, every byte of them."""
    wanted = heads(journal)

    def is_level(data: dict[str, bytes]) -> bool:
        versions = {key: int(json.loads(raw.split(b"\n", 2)[1])["version"]) for key, raw in data.items()}
        return versions == {key: head.version for key, head in wanted.items()}

    mirror.wait_until(is_level, 20, "the journal's heads")
    assert parsed(mirror.data(), journal) == wanted


def test_it_starts_with_every_key_that_is_published_and_follows(
    zookeeper_hosts: str, curator: type[CuratorMirror], journal: Journal
) -> None:
    texts = ["plain", "größe €", 'quote"\\', "a b", "\u00a0"]
    journal.append_many(
        [draft(key, key.encode(), version=1, author="mé", comment="two\nlines €") for key in texts]
        + [draft(f"key-{n:03d}", bytes([n % 256]) * n, version=1, author="me") for n in range(300)]
        + [draft("gone", b"1", version=1, author="me"), draft("empty", b"", version=1, author="me")]
    )
    journal.append("gone", None, version=2, author="me")
    with Publisher(journal, ZooKeeperOptions(zookeeper_hosts), "/rainer") as publisher:
        wait_until(lambda: [s["state"] for s in publisher.status()] == ["publishing"], 20, "everything published")
        with CuratorMirror(zookeeper_hosts, "/rainer/diary/data") as mirror:
            assert parsed(mirror.data(), journal) == heads(journal)
            journal.append("plain", b"\x00\xff", version=2, author="me")
            journal.append("größe €", None, version=2, author="me")
            journal.append("gone", b"again", version=3, author="me")
            journal.append_many([draft(f"key-{n:03d}", b"together", version=2, author="me") for n in range(100)])
            wait_for_heads(mirror, journal)
            assert {event.kind for event in mirror.events} >= {"added", "updated", "removed"}


def test_what_is_too_large_for_a_znode_is_absent_and_never_stale(
    zookeeper_hosts: str, curator: type[CuratorMirror], journal: Journal
) -> None:
    journal.append("large", b"small", version=1, author="me")
    with Publisher(journal, ZooKeeperOptions(zookeeper_hosts), "/rainer") as publisher:
        wait_until(lambda: [s["state"] for s in publisher.status()] == ["publishing"], 20, "everything published")
        with CuratorMirror(zookeeper_hosts, "/rainer/diary/data") as mirror:
            journal.append("large", bytes(990_000), version=2, author="me")
            journal.append("after", b"1", version=1, author="me")
            mirror.wait_until(lambda data: set(data) == {"after"}, 20, "the removal of what no znode carries")
            assert publisher.status()[0]["large"] == 1
            journal.append("large", b"small again", version=3, author="me")
            wait_for_heads(mirror, journal)


def test_what_a_hand_changed_in_the_tree_reaches_it_again(
    zookeeper_hosts: str, curator: type[CuratorMirror], journal: Journal
) -> None:
    journal.append_many([draft(f"key-{n}", b"1", version=1, author="me") for n in range(5)])
    with Publisher(journal, ZooKeeperOptions(zookeeper_hosts), "/rainer") as publisher:
        wait_until(lambda: [s["state"] for s in publisher.status()] == ["publishing"], 20, "everything published")
        with CuratorMirror(zookeeper_hosts, "/rainer/diary/data") as mirror, connected(zookeeper_hosts) as hand:
            hand.set("/rainer/diary/data/key-0", b"scrawl")
            hand.delete("/rainer/diary/data/key-1")
            mirror.wait_until(lambda data: data.get("key-0") == b"scrawl" and "key-1" not in data)
            wanted = {f"key-{n}" for n in range(5)}
            repaired = lambda data: set(data) == wanted and b"scrawl" not in data.values()  # noqa: E731
            mirror.wait_until(repaired, 30, "the repair")
            assert parsed(mirror.data(), journal) == heads(journal)
