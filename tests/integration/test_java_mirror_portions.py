"""A Java mirror over a connection that its program hands in: answers stay below what that client takes."""

from __future__ import annotations

import pytest
from kazoo.client import KazooClient

from rainer.model import serialization
from tests.faults.java_mirror import JavaMirror
from tests.mirrors import commit

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("java")]

_LARGE_BYTES = 400_000


@pytest.mark.usefixtures("java_client")
def test_large_heads_come_over_a_connection_whose_client_takes_one_megabyte(zookeeper_hosts: str) -> None:
    path = "/rainer/diary"
    sizes = {f"small-{number}": 100 for number in range(60)} | {f"large-{number}": _LARGE_BYTES for number in range(8)}
    client = KazooClient(zookeeper_hosts)
    client.start()
    try:
        client.ensure_path(f"{path}/data")
        for key, size in sizes.items():
            client.create(f"{path}/data/{key}", serialization.to_bytes(commit(key, 1, b"x" * size)))
        with JavaMirror(("curator", zookeeper_hosts, path)) as mirror:
            assert set(mirror) == set(sizes)
            client.set(f"{path}/data/large-1", serialization.to_bytes(commit("large-1", 2, b"y" * _LARGE_BYTES)))
            assert mirror.wait_for("large-1", 2, 10) is not None
    finally:
        client.stop()
        client.close()
