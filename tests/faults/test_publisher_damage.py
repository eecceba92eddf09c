"""Hands in a published tree: whatever they do to data/, head or log, the journal's word stands again soon."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NotEmptyError

from rainer.model.commit import Commit
from rainer.model.serialization import from_bytes, to_bytes
from tests.faults.mirror_history import Value, values
from tests.faults.mirror_rig import REPAIRED_S, TREE, Rig, hand
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper

pytestmark = pytest.mark.faults


def nodes(client: KazooClient) -> dict[str, Value]:
    """What a JVM reader of data/ holds."""
    found = {}
    for key in client.get_children(f"{TREE}/data"):
        commit = from_bytes(client.get(f"{TREE}/data/{key}")[0])
        assert commit.key == key
        found[key] = Value.of(commit.version, commit.payload)
    return found


def forged(key: str, version: int, payload: bytes = b"by hand") -> bytes:
    return to_bytes(Commit(key, version, payload, "hand", "", datetime(2026, 1, 1, tzinfo=UTC)))


def is_repaired(rig: Rig, client: KazooClient) -> bool:
    try:
        return nodes(client) == rig.truth.heads()
    except Exception:  # garbage, or a node that just went
        return False


def test_edits_deletions_inventions_and_garbage_in_data(own_zookeeper: ZooKeeper, sqlite_url: str, seed: int) -> None:
    chance = random.Random(seed)
    with Rig(sqlite_url, own_zookeeper.hosts, seed) as rig, hand(own_zookeeper.hosts) as client:
        publisher = rig.publisher()
        rig.commits.fill()
        for payload in (b"2", b"3", b"4", b"5"):
            rig.commits.every(payload, ["key-000", "key-001"])
        rig.commits.one("key-002", None)
        warm = rig.mirror()
        rig.level(warm)
        wait_until(lambda: is_repaired(rig, client), 5, "data/ as the journal has it")
        begun = time.monotonic()
        client.set(f"{TREE}/data/key-000", forged("key-000", 99))
        client.set(f"{TREE}/data/key-001", chance.randbytes(100))
        client.create(f"{TREE}/data/key-002", forged("key-002", 1))
        present = sorted(set(rig.truth.heads()) - {"key-000", "key-001"})
        client.delete(f"{TREE}/data/{present[0]}")
        client.set(f"{TREE}/data/{present[1]}", forged("another key", 1))
        client.set(f"{TREE}/data/{present[2]}", b"")
        client.create(f"{TREE}/data/invented", forged("invented", 7))
        client.create(f"{TREE}/data/scrawl", b"scrawl")
        # Who comes now believes what is there, but what cannot be read is said, and never taken.
        deceived = rig.start_unwatched()
        assert deceived["key-000"].version in (5, 99)
        assert "key-001" not in deceived or deceived["key-001"].version == 5
        wait_until(lambda: is_repaired(rig, client), REPAIRED_S, "the repair of data/")
        rig.level(warm, deceived, within_s=begun + REPAIRED_S - time.monotonic())
        print(f"repaired in {time.monotonic() - begun:.1f} s")
        assert rig.commits.one("key-000", b"six") == 6
        deceived.wait_for("key-000", 6, timeout_s=5)
        assert rig.commits.one("key-000", b"seven") == 7
        assert values({"": deceived.wait_for("key-000", 7, timeout_s=5)})[""] == Value.of(7, b"seven")
        rig.healed(warm, deceived)
        assert deceived.rejected == {}
        assert publisher.status()[0]["repaired"] >= 8


def _delete_all(client: KazooClient) -> None:
    """The publisher may be at work in the same moment."""
    while True:
        try:
            client.delete(TREE, recursive=True)
        except NotEmptyError:
            continue
        return


@pytest.mark.parametrize(
    "what", ["head deleted", "head scrawled", "log deleted", "batch deleted", "everything deleted"]
)
def test_damage_to_head_and_log(what: str, own_zookeeper: ZooKeeper, sqlite_url: str, seed: int) -> None:
    with Rig(sqlite_url, own_zookeeper.hosts, seed) as rig, hand(own_zookeeper.hosts) as client:
        rig.publisher()
        rig.commits.fill()
        warm = rig.mirror()
        rig.commits.some(40)
        rig.level(warm)
        begun = time.monotonic()
        if what == "head deleted":
            client.delete(f"{TREE}/head")
        elif what == "head scrawled":
            client.set(f"{TREE}/head", b"scrawl")
        elif what == "log deleted":
            client.delete(f"{TREE}/log", recursive=True)
        elif what == "batch deleted":
            client.delete(f"{TREE}/log/{max(client.get_children(f'{TREE}/log'))}")
        else:
            _delete_all(client)
        rig.commits.some(20)
        rig.healed(warm, since=begun, within_s=REPAIRED_S)
        wait_until(lambda: is_repaired(rig, client), REPAIRED_S, "data/ as the journal has it")
