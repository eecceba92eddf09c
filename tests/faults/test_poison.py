"""One poisonous request among 64 at once: it alone is refused, and the server goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from rainer import limits
from tests.faults.conftest import Serve
from tests.faults.connections import Connections
from tests.faults.contents import read_contents

pytestmark = pytest.mark.faults
_REQUESTS = 64
_TIMEOUT_S = 60.0

Request = tuple[str, dict[str, str], bytes]
"""Path, headers and body of a POST."""


def _good(number: int) -> Request:
    return f"/diary/good-{number}/1", {"X-Rainer-Author": "writer"}, b"payload %d" % number


def _changeset(**commit: object) -> Request:
    body = {"author": "poisoner", "commits": [{"key": "poison", "version": 1, "payload_utf8": "x", **commit}]}
    return "/-/changesets", {"Content-Type": "application/json"}, json.dumps(body).encode()


def _oversize() -> Request:
    return "/diary/poison/1", {"X-Rainer-Author": "poisoner"}, bytes(limits.PAYLOAD_BYTES_DEFAULT + 1)


POISONS: dict[str, tuple[Callable[[], Request], int]] = {
    "nul-in-comment": (lambda: _changeset(comment="before\0after"), 400),
    "nul-in-author": (lambda: _changeset(author="before\0after"), 400),
    "lone-surrogate": (lambda: _changeset(comment="before\ud800after"), 400),
    "oversize": (_oversize, 413),
    "oversize-in-changeset": (lambda: _changeset(payload_utf8="x" * (limits.PAYLOAD_BYTES_DEFAULT + 1)), 413),
}


@pytest.mark.parametrize("poison", POISONS)
def test_one_poisonous_request_of_64_is_refused_alone(database_url: str, serve: Serve, poison: str) -> None:
    make, status = POISONS[poison]
    server = serve(database_url)
    requests = [_good(number) for number in range(1, _REQUESTS)]
    requests.insert(_REQUESTS // 2, make())
    answers = _ask_at_once(server.url, requests)
    refused = answers.pop(_REQUESTS // 2)
    assert (answers, refused) == ([200] * (_REQUESTS - 1), status)
    assert _ask_at_once(server.url, [_good(_REQUESTS)]) == [200]
    server.stop()
    contents = read_contents(database_url)
    assert not contents.problems
    assert {(row.key, row.payload) for row in contents.commits} == {
        (f"good-{number}", b"payload %d" % number) for number in range(1, _REQUESTS + 1)
    }


def _ask_at_once(server: str, requests: list[Request]) -> list[int]:
    """The statuses of requests sent at the same moment, each on a connection of its own."""
    together = threading.Barrier(len(requests))

    def ask(request: Request) -> int:
        path, headers, body = request
        connections = Connections(_TIMEOUT_S)
        try:
            connections.ask(server, "GET", "/-/healthz")  # connected before all begin
            together.wait(_TIMEOUT_S)
            return connections.ask(server, "POST", path, headers, body).status
        finally:
            connections.close()

    with ThreadPoolExecutor(len(requests)) as threads:
        return list(threads.map(ask, requests))
