"""A Java mirror of an ancestor's tree: of large nodes over a small client, and of a tree that is made anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kazoo.client import KazooClient

from rainer.model import serialization
from tests.faults.java_mirror import JavaMirror
from tests.mirrors import commit
from tests.services.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("java")]

_LARGE_BYTES = 400_000


@contextmanager
def connected(hosts: str) -> Iterator[KazooClient]:
    client = KazooClient(hosts)
    client.start()
    try:
        yield client
    finally:
        client.stop()
        client.close()


@pytest.mark.usefixtures("java_client")
def test_large_heads_come_over_a_connection_whose_client_takes_one_megabyte(zookeeper_hosts: str) -> None:
    path = "/rainer/diary"
    sizes = {f"small-{number}": 100 for number in range(60)} | {f"large-{number}": _LARGE_BYTES for number in range(8)}
    with connected(zookeeper_hosts) as client:
        client.ensure_path(f"{path}/data")
        for key, size in sizes.items():
            client.create(f"{path}/data/{key}", serialization.to_bytes(commit(key, 1, b"x" * size)))
        with JavaMirror(("curator", zookeeper_hosts, path)) as mirror:
            assert set(mirror) == set(sizes)
            client.set(f"{path}/data/large-1", serialization.to_bytes(commit("large-1", 2, b"y" * _LARGE_BYTES)))
            assert mirror.wait_for("large-1", 2, 10) is not None


@pytest.mark.usefixtures("java_client")
def test_a_tree_that_is_removed_whole_and_made_anew_is_followed_again(zookeeper_hosts: str) -> None:
    path = "/rainer/diary"
    with connected(zookeeper_hosts) as client:
        client.create(f"{path}/data/a", serialization.to_bytes(commit("a", 7)), makepath=True)
        with JavaMirror(("zookeeper", zookeeper_hosts, path)) as mirror:
            assert set(mirror) == {"a"}
            client.delete(path, recursive=True)
            wait_until(lambda: mirror.state == "stale", 10, "the loss being said")
            client.create(f"{path}/data/b", serialization.to_bytes(commit("b", 1)), makepath=True)
            assert mirror.wait_for("b", 1, 10) is not None
            assert set(mirror) == {"b"}
