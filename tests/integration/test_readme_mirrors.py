"""README's chapter on mirrors is true: its five commands, on a real ZooKeeper, as a person types them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration import readme
from tests.integration.test_readme import ServedByCommand, _environment
from tests.services.waiting import wait_until
from tests.terminal import Terminal

TEXT = readme.PATH.read_text("utf-8")
HOSTS = "zk1:2181,zk2:2181,zk3:2181"
COMMANDS = [
    line.split("  #")[0].strip()
    for block in readme.blocks(readme.chapter(TEXT, "Live mirrors"), "sh")
    for line in block.text.splitlines()
    if line.startswith("rainer ")
]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return _environment(tmp_path, RAINER_DATA_DIR=str(tmp_path / "data"), RAINER_AUTHOR="ada@example.com")


@pytest.fixture
def started() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_the_commands_on_mirrors_do_what_the_readme_says(
    started: ExitStack, zookeeper_hosts: str, environment: dict[str, str], tmp_path: Path
) -> None:
    serve, mirror, watch, commit, status = COMMANDS
    server = started.enter_context(ServedByCommand(serve.replace(HOSTS, zookeeper_hosts), environment))
    mirror = re.sub(r"--port \d+", "", mirror).replace(HOSTS, zookeeper_hosts)
    mirrored = started.enter_context(
        ServedByCommand(mirror, environment | {"RAINER_DATA_DIR": str(tmp_path / "mirror")})
    )
    at_server = environment | {"RAINER_URL": f"http://127.0.0.1:{server.port}/diary"}
    terminal = started.enter_context(Terminal(watch.split(), environment=at_server, folder=tmp_path))
    (tmp_path / "new.json").write_text('{"retries": 2}\n')
    wait_until(lambda: _mirrors(status, at_server), 30, "the mirror server reported in")
    done = _run(commit, at_server, tmp_path)
    assert done.returncode == 0, done.stderr
    terminal.expect("limits.json")
    at_mirror = environment | {"RAINER_URL": f"http://127.0.0.1:{mirrored.port}/diary"}
    assert _run("rainer show limits.json", at_mirror, tmp_path).stdout == '{"retries": 2}\n'
    (found,) = _mirrors(status, at_server)
    assert (found["via"], found["namespace"], found["revision"]) == ("zookeeper", "diary", 1)


def _run(command: str, environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def _mirrors(status: str, environment: dict[str, str]) -> list[dict[str, object]]:
    done = _run(f"{status} --json", environment, Path(environment["HOME"]))
    assert done.returncode == 0, done.stderr
    mirrors: list[dict[str, object]] = json.loads(done.stdout)["mirrors"]
    return mirrors
