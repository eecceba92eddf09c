"""Publishing as users start it: `rainer serve --zookeeper`, `rainer publish`, and what status and metrics say."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from rainer.client import Client
from rainer.journal import Journal, administration
from rainer.zk import ZooKeeper
from tests.integration.figures import figures
from tests.integration.publish_view import ROOT, TreeView, commit, connect
from tests.integration.wire import Wire
from tests.services.machine import free_port
from tests.services.rainer import RainerServer, clean_environment
from tests.services.waiting import wait_until


@pytest.fixture
def zk(zookeeper_hosts: str) -> Iterator[ZooKeeper]:
    with connect(zookeeper_hosts) as zk:
        yield zk


def rainer(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rainer.cli.main", *arguments]
    return subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def running(tmp_path: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """`rainer publish` as a process, which is killed at the end unless it ended."""
    with (tmp_path / "publish.log").open("wb") as log:
        command = [sys.executable, "-m", "rainer.cli.main", "publish", *arguments]
        process = subprocess.Popen(command, env=clean_environment(), stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_publishes_and_says_so(workers: int, zk: ZooKeeper, zookeeper_hosts: str) -> None:
    arguments = ["--zookeeper", zookeeper_hosts, "--zookeeper-path", ROOT]
    with (
        RainerServer(workers=workers, arguments=arguments) as server,
        Journal(server.database) as journal,
        Client(f"{server.url}/diary") as client,
    ):
        view = TreeView(zk, journal)
        for version in range(1, 21):
            client.commit("k", b"x", version=version, author="me")
        view.wait()
        wait_until(lambda: _told(client)["revision"] == 20, 10, lambda: f"the status, now {_told(client)}")
        told = _told(client)
        assert told["state"] in ("publishing", "standby")
        assert re.fullmatch(r".+:\d+", str(told["leader"]))
        assert (told["journal_revision"], told["unpublishable"], told["error"]) == (20, {}, "")
        label = '{namespace="diary"}'
        with Wire(server.url) as wire:
            for name, value in (("rainer_published_revision", 20), ("rainer_publisher_leading", 1)):
                # Each worker takes its sample once a second.
                wait_until(partial(is_figure, wire, f"{name}{label}", value), 10, name)
            now = figures(wire)
        assert now[f"rainer_unpublished_seconds{label}"] == 0
        assert now[f"rainer_publisher_errors_total{label}"] >= 0
        text = rainer("--url", f"{server.url}/diary", "status").stdout
        assert re.search(r"^publishing +diary, (publishing|standby), revision 20, batch \d+, by ", text, re.MULTILINE)
        client.commit("k", b"last", version=21, author="me")
        server.stop()
        view.assert_published()


def is_figure(wire: Wire, figure: str, wanted: float) -> bool:
    return figures(wire)[figure] == wanted


def _told(client: Client) -> dict[str, object]:
    (tree,) = client.status()["publishing"]
    return dict(tree)


def test_a_server_without_zookeeper_publishes_nothing() -> None:
    with RainerServer() as server, Client(f"{server.url}/diary") as client:
        assert client.status()["publishing"] == []


def test_a_server_whose_zookeeper_is_away_serves_all_the_same() -> None:
    arguments = ["--zookeeper", f"127.0.0.1:{free_port()}"]
    with RainerServer(arguments=arguments) as server, Client(f"{server.url}/diary") as client:
        client.commit("k", b"1", version=1, author="me")
        wait_until(lambda: client.status()["publishing"], 10, "the status")
        assert _told(client)["state"] == "away"
        wait_until(lambda: float(str(_told(client)["oldest_unpublished_s"])) > 0, 10, "the age of the commit")
        wait_until(lambda: "no ZooKeeper answers at 127.0.0.1" in server.output, 20, "the warning")
        assert "no ZooKeeper answers" in rainer("--url", f"{server.url}/diary", "status").stdout
        server.stop()
        assert server.output.count("no ZooKeeper answers") == 1


def test_publish_alone_and_adopt(zk: ZooKeeper, zookeeper_hosts: str, tmp_path: Path, sqlite_url: str) -> None:
    where = ["--database", sqlite_url, "--zookeeper", zookeeper_hosts]
    with Journal(sqlite_url) as journal:
        view = TreeView(zk, journal)
        commit(journal, "k")
        with running(tmp_path, *where) as process:
            view.wait(20)
            commit(journal, "k")
            view.wait()
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
    administration.adopt(sqlite_url)
    with Journal(sqlite_url) as journal:
        view = TreeView(zk, journal)
        before = view.head
        with running(tmp_path, *where):
            wait_until(lambda: "rainer publish --adopt" in _log(tmp_path), 20, "the refusal")
        assert view.head == before
        with running(tmp_path, *where, "--adopt"):
            wait_until(lambda: view.head.lineage == journal.position().lineage, 20, "the adoption")
            view.wait()


def _log(folder: Path) -> str:
    return (folder / "publish.log").read_text()


def test_publish_needs_a_zookeeper_and_a_journal(tmp_path: Path) -> None:
    told = rainer("publish", "--database", f"sqlite:///{tmp_path / 'journal.db'}")
    assert told.returncode != 0
    assert "no ZooKeeper is named" in told.stderr
    told = rainer("publish", "--database", f"sqlite:///{tmp_path / 'journal.db'}", "--zookeeper", "localhost:1")
    assert told.returncode != 0
    assert "there is no journal" in told.stderr
    assert not os.listdir(tmp_path)  # noqa: PTH208 - nothing else is asked


def test_passwords_are_not_shown() -> None:
    told = rainer("config", "show")
    assert "zookeeper_password" in told.stdout
