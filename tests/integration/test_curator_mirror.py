"""The JVM program that stands for services with the original's mirror."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from kazoo.client import KazooClient

from tests.integration.test_zookeeper_service import connected
from tests.services.curator.mirror import CuratorMirror
from tests.services.process_service import ServiceError
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
        assert {event.kind for event in mirror.events} <= {"initial", "ready", "connection_reconnected"}
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
