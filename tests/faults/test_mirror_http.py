"""Mirrors over HTTP whose server is killed, out of reach, or not there when they start."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from rainer import Mirror
from tests.faults.conftest import Serve
from tests.faults.mirror_rig import Rig, pass_time
from tests.services.proxy import Proxy
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

pytestmark = pytest.mark.faults


class HttpRig(Rig):
    """The same over HTTP; cold mirrors ask the server itself."""

    def __init__(self, server: RainerServer, seed: int) -> None:
        super().__init__(server.database, f"{server.url}/diary", seed)

    def open(self, url: str, **options: object) -> Mirror:
        return Mirror.http(url, **options)  # type: ignore[arg-type]


def test_the_server_killed_while_a_mirror_follows(sqlite_url: str, serve: Serve, seed: int) -> None:
    chance = random.Random(seed)
    server = serve(sqlite_url)
    with HttpRig(server, seed) as rig:
        rig.commits.fill()
        warm = rig.mirror()
        for _ in range(3):
            with rig.commits.running():
                rig.pass_commits(chance.randint(10, 100))
                server.kill()
                rig.pass_commits(20)
            server.start()
            rig.healed(warm)


def test_the_server_gone_for_longer_than_anybody_waits(sqlite_url: str, serve: Serve, seed: int) -> None:
    server = serve(sqlite_url)
    with HttpRig(server, seed) as rig:
        rig.commits.fill()
        warm = rig.mirror()
        rig.level(warm)
        held = dict(warm)
        server.kill()
        wait_until(lambda: warm.state == "stale", 10, "a mirror that knows that it is stale")
        age_s = warm.age_s
        pass_time(1.0)
        assert warm.age_s >= age_s + 0.9
        assert dict(warm) == held
        rig.commits.some(30)
        server.start()
        rig.healed(warm)
        wait_until(lambda: warm.state == "current" and warm.age_s < 5, 5, "a current mirror")


def test_a_bad_line_to_the_server(sqlite_url: str, serve: Serve, seed: int) -> None:
    chance = random.Random(seed)
    server = serve(sqlite_url)
    with Proxy(server.port) as line, HttpRig(server, seed) as rig:
        rig.commits.fill(200)
        warm = rig.mirror(hosts=f"http://{line.hosts}/diary")
        until = time.monotonic() + 4
        with rig.commits.running(rig.commits.change_each(200)):
            while time.monotonic() < until:
                fault = chance.choice((line.cut, line.drop, line.hang, lambda: line.delay(0.3), line.heal))
                fault()
                pass_time(chance.uniform(0.05, 0.8))
        line.hang()
        pass_time(0.5)
        line.heal()
        rig.healed(warm)


def test_everything_down_at_the_start(sqlite_url: str, serve: Serve, seed: int, tmp_path: Path) -> None:
    server = serve(sqlite_url)
    with HttpRig(server, seed) as rig:
        rig.commits.fill()
        with rig.brief("the one that keeps a snapshot", snapshot=tmp_path / "kept") as first:
            rig.level(first)
            held = dict(first)
        server.kill()
        rig.commits.some(30)
        warm = rig.mirror("from disk", snapshot=tmp_path / "kept")
        assert dict(warm) == held
        assert warm.state == "stale"
        server.start()
        rig.healed(warm)
