"""The golden vectors of the store's wire, exchanged with a real server."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.wire import Answer, Wire
from tests.services.rainer import RainerServer
from tests.unit.vectors import load, raw

VECTORS = load("store_wire")["exchanges"]


@pytest.fixture(scope="module")
def answers(_guardian: None) -> Iterator[dict[str, Answer]]:
    """What a server says to all of them, one after the other, by name; so some can be looked at alone."""
    found = {}
    with RainerServer() as server:
        for vector in VECTORS:
            wanted = vector["request"]
            body = raw(wanted["body"]) if "body" in wanted else None
            length = {} if body is None else {"Content-Length": str(len(body))}
            with Wire(server.url) as wire:
                found[vector["name"]] = wire.ask(
                    wanted["method"], f"/-/store{wanted['path']}", wanted["headers"] | length, body
                )
        yield found
        server.stop()
        assert "Traceback" not in server.output


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_server_answers_so(answers: dict[str, Answer], vector: dict[str, Any]) -> None:
    answer, wanted = answers[vector["name"]], vector["answer"]
    assert answer.status == wanted["status"], answer
    assert {name: answer.header(name) for name in wanted["headers"]} == wanted["headers"]
    assert [name for name in wanted.get("absent", ()) if answer.header(name) is not None] == []
    if "body" in wanted:
        assert answer.body == raw(wanted["body"])
    if "unpacked" in wanted:
        assert gzip.decompress(answer.body) == raw(wanted["unpacked"])
    if "code" in wanted:
        found = answer.problem(wanted["status"], wanted["code"])
        assert answer.header("X-Exception") == found["detail"]


def test_each_has_a_name_of_its_own_and_says_where_it_comes_from() -> None:
    names = [vector["name"] for vector in VECTORS]
    assert len(set(names)) == len(names)
    assert all(vector["from"].startswith(("filetracker 2.3.3, ", "rule")) for vector in VECTORS)
