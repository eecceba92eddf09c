"""The Java mirror through a kill -9 and ten seconds without a network, over ZooKeeper and over HTTP at once."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.conftest import Serve
from tests.faults.java_mirror import JavaRig
from tests.faults.mirror_rig import TREE, pass_time, wait_for_revision
from tests.services.proxy import Proxy
from tests.services.zookeeper import ZooKeeper

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("java_client")]
_CUT_S = 10.0
_PAUSE_S = 8.0  # longer than a session


def test_a_kill_and_ten_seconds_without_a_network(
    own_zookeeper: ZooKeeper, sqlite_url: str, serve: Serve, seed: int, thorough: bool
) -> None:
    chance = random.Random(seed)
    server = serve(sqlite_url)
    with Proxy(own_zookeeper.port) as line, Proxy(server.port) as web, JavaRig(
        sqlite_url, own_zookeeper.hosts, seed
    ) as rig:  # fmt: skip
        rig.publisher()
        rig.commits.fill()
        warm = rig.java("zookeeper", line.hosts, TREE, name="over ZooKeeper")
        also = rig.java("http", f"http://{web.hosts}/diary", name="over HTTP")
        for _ in range(3 if thorough else 1):
            with rig.commits.running():
                wait_for_revision(warm, rig.commits.made + chance.randint(1, 60))
                own_zookeeper.kill()
                server.kill()
                rig.pass_commits(20)
            own_zookeeper.start()
            server.start()
            rig.healed(warm, also)
        for cut in (line.cut, line.hang) if thorough else (line.cut,):
            with rig.commits.running():
                cut()
                (web.cut if cut == line.cut else web.hang)()
                pass_time(_CUT_S)
            begun = time.monotonic()
            line.heal()
            web.heal()
            rig.healed(warm, also, since=begun)
        if thorough:
            with rig.commits.running():
                own_zookeeper.pause()
                pass_time(_PAUSE_S)
            begun = time.monotonic()
            own_zookeeper.resume()
            rig.healed(warm, also, since=begun)
