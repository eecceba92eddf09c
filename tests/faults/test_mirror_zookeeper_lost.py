"""Mirrors and publishers whose ZooKeeper is killed, loses its data, forgets their sessions, or is not there at all."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.mirror_rig import Rig, wait_for_revision
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper

pytestmark = pytest.mark.faults


def test_zookeeper_killed_and_started_again(own_zookeeper: ZooKeeper, sqlite_url: str, seed: int) -> None:
    chance = random.Random(seed)
    with Rig(sqlite_url, own_zookeeper.hosts, seed) as rig:
        rig.publisher()
        rig.commits.fill()
        warm = rig.mirror()
        for _ in range(2):
            with rig.commits.running():
                wait_for_revision(warm, rig.commits.made + chance.randint(1, 60))
                own_zookeeper.kill()
                rig.pass_commits(20)
            own_zookeeper.start()
            rig.healed(warm)


def test_the_data_of_zookeeper_wiped(own_zookeeper: ZooKeeper, sqlite_url: str, seed: int) -> None:
    with Rig(sqlite_url, own_zookeeper.hosts, seed) as rig:
        rig.publisher()
        rig.commits.fill()
        warm = rig.mirror()
        rig.commits.some(100)
        rig.level(warm)
        with rig.commits.running():
            own_zookeeper.kill()
            own_zookeeper.wipe()
            rig.pass_commits(20)
        own_zookeeper.start()
        rig.healed(warm)


def test_sessions_expired(own_zookeeper: ZooKeeper, sqlite_url: str, seed: int) -> None:
    with Rig(sqlite_url, own_zookeeper.hosts, seed) as rig:
        publisher = rig.publisher()
        rig.commits.fill()
        warm = rig.mirror()
        for parts in ([warm._source], [publisher], [warm._source, publisher]):
            with rig.commits.running():
                wait_for_revision(warm, rig.commits.made + 10)
                for part in parts:
                    _expire(own_zookeeper, part)
                rig.pass_commits(20)
            rig.healed(warm)


def _expire(server: ZooKeeper, part: Any) -> None:
    """End the session of a mirror's source or a publisher behind its back, and wait until it has another one."""
    ended = part._zk.session_id
    server.expire_session(part._zk._client.client_id)
    wait_until(lambda: part._zk.session_id not in (0, ended), 10, "another session")


def test_everything_down_at_the_start(own_zookeeper: ZooKeeper, sqlite_url: str, seed: int, tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    with Rig(sqlite_url, own_zookeeper.hosts, seed) as rig:
        with rig.publishing():
            rig.commits.fill()
            with rig.brief("the one that keeps a snapshot", snapshot=snapshot) as first:
                rig.level(first)
                held = dict(first)
            rig.commits.some(30)
        own_zookeeper.kill()
        begun = time.monotonic()
        from_disk = rig.mirror("from disk", snapshot=snapshot)
        print(f"started from disk in {time.monotonic() - begun:.2f} s")
        assert dict(from_disk) == held
        assert from_disk.state == "stale"
        rig.publisher()
        rig.commits.some(30)
        own_zookeeper.start()
        rig.healed(from_disk)
        wait_until(lambda: from_disk.state == "current", 5, "a current mirror")
