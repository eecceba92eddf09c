"""clients/java/README.md: every snippet is compiled, run, and does what its text says."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.client import Client
from rainer.mirror import Mirror
from tests.integration import readme
from tests.integration.clients import client_of_a_new_namespace
from tests.services import java_build
from tests.services.java_build import SOURCES
from tests.services.java_driver import JavaDriver
from tests.services.machine import find_binary, free_port
from tests.services.rainer import RainerServer

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("java")]

TEXT = (SOURCES / "README.md").read_text("utf-8")


def _lines(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines())


@pytest.mark.parametrize("block", readme.blocks(TEXT, "java"), ids=lambda block: f"line-{block.line}")
def test_each_snippet_stands_in_a_program_that_is_tested(block: readme.Block) -> None:
    programs = [path for name in java_build.module_names() for path in java_build.module(name).sources("test")]
    assert any(_lines(block.text) in _lines(path.read_text("utf-8")) for path in programs), block.text


@pytest.fixture
def client(served: RainerServer) -> Iterator[Client]:
    yield from client_of_a_new_namespace(served)


def test_the_clients_snippet(client: Client, java_driver: JavaDriver) -> None:
    assert java_driver.call("snippet", client.url, name="client") == '{"apple": 3}'
    assert [commit.comment for commit in client.log("prices")] == ["apples went up", "the first list"]


def test_the_changesets_snippet(client: Client, java_driver: JavaDriver) -> None:
    assert java_driver.call("snippet", client.url, name="changeset") == 3
    changes = client.changes().commits
    assert [(commit.key, commit.is_empty) for commit in changes[-3:]] == [
        ("prices", False), ("stock", False), ("obsolete", True)
    ]  # fmt: skip


def test_the_snippet_that_tells_outcomes_apart(client: Client, java_driver: JavaDriver) -> None:
    assert java_driver.call("snippet", client.url, name="a") == "somebody was first: 1 is next"
    for version in range(1, 7):
        client.commit("b", b"", version=version)
    assert java_driver.call("snippet", client.url, name="b") == "made"
    nowhere = client.in_namespace("nowhere").url.replace(client.url.split("/")[2], f"127.0.0.1:{free_port()}")
    assert java_driver.call("snippet", nowhere, name="c") == "nothing was done: try again later"


def test_the_snippet_that_begins_again_when_somebody_was_first(client: Client, java_driver: JavaDriver) -> None:
    assert [java_driver.call("snippet", client.url, name="count") for _ in range(3)] == ["1", "2", "3"]
    assert client.get("counter").version == 3


def test_the_mirrors_snippet(zookeeper_hosts: str, java_client: None, tmp_path: Path) -> None:
    hosts, chroot = zookeeper_hosts.partition("/")[::2]
    arguments = ["--zookeeper", hosts, "--zookeeper-path", f"/{chroot}/rainer"]
    with RainerServer(arguments=arguments) as server, Client(f"{server.url}/diary", author="me") as client:
        client.commit("prices", b'{"apple": 3}', version=1)
        with Mirror.zookeeper(zookeeper_hosts, "/rainer/diary") as published:
            published.wait_for("prices", 1, timeout_s=20)
        path = java_build.class_path("rainer-zookeeper")
        snapshot = tmp_path / "diary"
        command = [str(find_binary("java")), *java_build.JVM, "-cp", path, "io.rainer.zookeeper.Snippets"]
        done = subprocess.run(
            [*command, zookeeper_hosts, str(snapshot)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
        assert snapshot.read_bytes().startswith(b"RnS1")


def test_the_dependency_is_what_the_pom_makes() -> None:
    (block,) = readme.blocks(TEXT, "xml")
    shown = ET.fromstring(block.text)
    parent = ET.parse(SOURCES / "pom.xml").getroot()
    names = {"m": "http://maven.apache.org/POM/4.0.0"}
    assert shown.findtext("groupId") == parent.findtext("m:groupId", None, names)
    assert shown.findtext("version") == parent.findtext("m:version", None, names)
    assert shown.findtext("artifactId") in java_build.module_names()


def test_what_it_links_to_is_there() -> None:
    for target in readme.links(TEXT):
        assert (SOURCES / target).exists(), target
