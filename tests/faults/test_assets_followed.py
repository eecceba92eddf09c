"""A service follows a manifest through ZooKeeper: whole sets only, and the last one when all else is dead."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rainer
from rainer.assets.publishing import AssetPublisher
from tests.services.proxy import Proxy
from tests.services.rainer import RainerServer, clean_environment
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper

PATHS = [f"/set/{n}.txt" for n in range(6)]
TREE = "/rainer/diary"


class Service:
    """The process, and what it said."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def told(self) -> list[dict[str, Any]]:
        # The last line may be half written.
        lines = self._log.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def sees(self, text: str) -> bool:
        assert self.process.poll() is None, self._log.read_text()[-4000:]
        told = self.told
        return bool(told) and told[-1].get("texts") == dict.fromkeys(PATHS, text)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def service(hosts: str, store: str, folder: Path, name: str) -> Iterator[Service]:
    log = folder / f"{name}.log"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "tests.faults.asset_service", hosts, TREE, store, str(folder)]
        process = subprocess.Popen(command, stdout=file, stderr=file, env=clean_environment())
    started = Service(process, log)
    try:
        yield started
    finally:
        started.kill()


def contents(folder: Path, text: str) -> dict[str, Path]:
    file = folder / f"{text}.txt"
    file.write_text(text)
    return dict.fromkeys(PATHS, file)


def test_whole_sets_are_seen_and_the_last_one_when_everything_is_dead(own_zookeeper: ZooKeeper, tmp_path: Path) -> None:
    hosts = own_zookeeper.hosts
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(RainerServer(arguments=["--zookeeper", hosts]))
        network = stack.enter_context(Proxy(server.port))
        store = f"http://{network.hosts}/-/store"
        client = stack.enter_context(rainer.Client(f"{server.url}/diary", author="publisher@example.com"))
        publisher = stack.enter_context(AssetPublisher(client))
        publisher.add_many(contents(tmp_path, "one"))
        first = stack.enter_context(service(hosts, store, tmp_path, "first"))
        wait_until(lambda: first.sees("one"), 30, lambda: f"the first set was seen: {first.told[-3:]}")

        # The manifest moves, but the files do not come: the service stays with what it has.
        network.hang()
        publisher.update_many(contents(tmp_path, "two"))
        wait_until(lambda: first.told[-1]["status"] == "fetching", 30, "the service heard of the second set")
        assert first.told[-1]["texts"] == dict.fromkeys(PATHS, "one")
        network.heal()
        wait_until(lambda: first.sees("two"), 30, lambda: f"the second set was seen: {first.told[-3:]}")
        whole = [dict.fromkeys(PATHS, text) for text in ("one", "two")]
        assert all(told["texts"] in whole for told in first.told if "texts" in told)

        # The third set is named, and its files never come; then everything is killed.
        network.cut()
        third = publisher.update_many(contents(tmp_path, "three"))
        wait_until(lambda: first.told[-1]["status"] in ("fetching", "failed"), 30, "the service heard of the third set")
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        server.kill()
        own_zookeeper.kill()

        with service(hosts, store, tmp_path, "offline") as offline:
            wait_until(lambda: offline.sees("two"), 30, lambda: f"the last set was opened: {offline.told[-3:]}")
            assert all(told["texts"] == whole[1] for told in offline.told if "texts" in told)

            # All comes back, and so does the third set.
            own_zookeeper.restart()
            server.restart()
            network.heal()
            wait_until(lambda: offline.sees("three"), 60, lambda: f"the third set was seen: {offline.told[-3:]}")
            assert offline.told[-1]["revision"] >= (third[-1].commit.revision or 0)
