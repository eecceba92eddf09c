"""The Java mirror beside everything of Python's: what servers list and wait for, snapshots, trees, passwords."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kazoo.security import make_digest_acl_credential

from rainer import Mirror
from rainer.client import Client
from rainer.errors import UnavailableError
from rainer.journal import Journal
from rainer.mirror.snapshot import Snapshot
from rainer.model.commit import draft
from rainer.publish import Publisher
from rainer.zk import ZooKeeperOptions
from tests.command_line import CommandLine
from tests.faults.java_mirror import JavaMirror
from tests.faults.mirror_history import values
from tests.integration.test_vectors_mirrored import Planted, as_told, walk
from tests.services import java_build
from tests.services.machine import find_binary, free_port
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("java"), pytest.mark.usefixtures("java_client")]
PATIENCE_S = 20.0


def test_servers_list_java_mirrors_wait_for_them_and_their_snapshots_are_everybodys(
    zookeeper_hosts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts, chroot = zookeeper_hosts.partition("/")[::2]
    kept, by_python = tmp_path / "kept" / "diary", tmp_path / "python's"
    arguments = ["--zookeeper", hosts, "--zookeeper-path", f"/{chroot}/rainer"]
    with RainerServer(arguments=arguments) as server, Client(f"{server.url}/diary", author="me") as client:
        client.commit_many([draft(f"key-{n}", b"\x00\xff" * n, version=1, author="me") for n in range(50)])
        # With the chroot in the hosts, as Curator takes it.
        with Mirror.zookeeper(zookeeper_hosts, "/rainer/diary", snapshot=by_python) as published:
            published.wait_for_revision(50, PATIENCE_S)
            first = values(published.snapshot())
        in_zookeeper = JavaMirror(("zookeeper", zookeeper_hosts, "/rainer/diary"), snapshot=kept)
        over_http = JavaMirror(("http", client.url))
        with in_zookeeper, over_http:
            wait_until(lambda: _listed(client, 50) == ["http", "zookeeper"], PATIENCE_S, lambda: str(client.mirrors()))
            monkeypatch.setenv("RAINER_CACHE_DIR", str(tmp_path / "cache"))
            rainer = CommandLine(monkeypatch, tmp_path, client.url)
            text = "naïve — 𝄞\n".encode()
            result = rainer.ok("commit", "late", "-", "-m", "two\nlines, ключ", "--wait", "100%", stdin=text)
            assert "applied by 2 of 2 mirrors of diary" in result.err
            held = values(client.heads(payloads=True))
            wait_until(lambda: dict(in_zookeeper) == dict(over_http) == held, PATIENCE_S, "both as the server has it")
        wait_until(lambda: not client.mirrors(), PATIENCE_S, lambda: f"nobody listed, not {client.mirrors()}")
    _read_by_python(kept)
    nowhere = f"http://127.0.0.1:{free_port()}/diary"
    with JavaMirror(("http", nowhere), snapshot=by_python) as java:
        wait_until(lambda: dict(java) == first, PATIENCE_S, "what Python kept")
        assert java.state == "stale"


def _listed(client: Client, revision: int) -> list[str]:
    return sorted(one["via"] for one in client.mirrors() if one["revision"] == revision and one["state"] == "current")


def _read_by_python(kept: Path) -> None:
    """The file that Java kept, byte for byte and in a Python mirror with nothing behind it."""
    found = Snapshot.from_bytes(kept.read_bytes())
    assert found.to_bytes() == kept.read_bytes()
    assert len(found.records) == 51
    with Mirror.http(f"http://127.0.0.1:{free_port()}/diary", snapshot=kept, reports=False) as mirror:
        assert mirror["late"].comment == "two\nlines, ключ"
        assert mirror["key-49"].payload == b"\x00\xff" * 49
        assert mirror.state == "stale"


# Trees of the vectors


class PlantedInJava(Planted):
    """One tree of the vectors, and what a Java mirror of it holds."""

    jvm: subprocess.Popen[str]

    def check(self, name: str, told: dict[str, Any] | None, ends: contextlib.ExitStack) -> None:
        if told is None:
            assert self._holds() == (None, [], [])
            return
        wanted = as_told(told)
        wait_until(
            lambda: self._holds() == wanted, PATIENCE_S,
            lambda: f"{self.tree['name']}, {name}: {self._holds()}, not {wanted}",
        )  # fmt: skip

    def _holds(self) -> Any:
        assert self.jvm.stdin is not None
        assert self.jvm.stdout is not None
        self.jvm.stdin.write(f"{self.root}\n")
        self.jvm.stdin.flush()
        told = json.loads(self.jvm.stdout.readline())
        position = None if told["position"] is None else told["position"].split(":")
        at = None if position is None else (position[0], int(position[1]), position[2])
        heads = [(key, version, bytes.fromhex(payload), comment) for key, version, payload, comment in told["heads"]]
        return at, sorted(heads), sorted(told["rejected"])


@contextlib.contextmanager
def _trees(hosts: str) -> Iterator[subprocess.Popen[str]]:
    path = java_build.class_path("rainer-zookeeper")
    quiet = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=off",)
    process = subprocess.Popen(
        [str(find_binary("java")), *java_build.JVM, *quiet, "-cp", path, "io.rainer.zookeeper.TreesDriver", hosts],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8",
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(PATIENCE_S)


def test_a_java_mirror_holds_what_the_vectors_say(zookeeper_hosts: str) -> None:
    with _trees(zookeeper_hosts) as PlantedInJava.jvm:
        walk(zookeeper_hosts, PlantedInJava)


# Users of ZooKeeper


def test_a_tree_that_only_its_user_may_read(zookeeper_hosts: str, sqlite_url: str) -> None:
    options = ZooKeeperOptions(
        zookeeper_hosts,
        user="me",
        password="secret",
        acl=(f"digest:{make_digest_acl_credential('me', 'secret')}:rwcda",),
    )
    with Journal(sqlite_url) as journal:
        journal.append("a", b"1", version=1, author="me")
        with Publisher(journal, options, "/rainer") as publisher:
            wait_until(lambda: any(one["revision"] == 1 for one in publisher.status()), PATIENCE_S, "a published tree")
            tree = ("zookeeper", zookeeper_hosts, "/rainer/diary")
            with JavaMirror((*tree, "user", "me", "secret")) as java:
                wait_until(lambda: list(java) == ["a"], PATIENCE_S, "what its user may read")  # told after it is ready
            begun = time.monotonic()
            with pytest.raises(UnavailableError, match="does not allow it"):
                JavaMirror(tree).start(timeout_s=3)
            assert time.monotonic() - begun < PATIENCE_S
