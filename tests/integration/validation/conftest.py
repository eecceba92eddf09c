"""A server with rules and schemas in force, and what commits to it say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.client import Client
from rainer.testing import TestServer, server
from tests.command_line import CommandLine

RULES = b'rules:\n  - {on: "diary/app.*", schema: app}\n  - {on: "diary/sized*", size_change_max: 10x}\n'
SCHEMA = b"""\
type: object
required: [port]
properties:
  port: {type: integer}
  name: {$ref: "schema.common#/$defs/name"}
additionalProperties: false
"""
COMMON = b'{"$defs": {"name": {"type": "string", "pattern": "^[a-z]+$"}}}'
GOOD = b'{"port": 1}'
DIALECT = "https://json-schema.org/draft/2020-12/schema"
BAD = b'{\n  "port": "no"\n}'


@pytest.fixture(scope="module", autouse=True)
def _event_loop_made_once() -> None:
    """The first event loop of a process makes a pipe that stays; made here, it is no test's leak."""
    with server():
        pass


@pytest.fixture
def served() -> Iterator[TestServer]:
    with server() as running:
        yield running
        assert running.journal.verify().ok


@pytest.fixture
def system(served: TestServer) -> Iterator[Client]:
    """Namespace rainer, with rules and schemas."""
    with served.client(author="admin") as first:
        first.create_namespace("rainer", format="yaml")
        system = first.in_namespace("rainer")
        documents = (("schema.common", COMMON), ("schema.app", SCHEMA), ("rules", RULES))
        system.commit_many([{"key": key, "payload": payload, "version": 1} for key, payload in documents])
        yield system


@pytest.fixture
def client(system: Client) -> Client:
    return system.in_namespace("diary")


@pytest.fixture
def rainer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, served: TestServer, system: Client) -> CommandLine:
    return CommandLine(monkeypatch, tmp_path, f"{served.url}/diary")
