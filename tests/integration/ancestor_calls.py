"""The original's calls over one connection, and its answers held to their form."""

from __future__ import annotations

from typing import Any

from tests.integration.wire import Answer, Wire

AUTHOR = {"X-Rainer-Author": "dude"}
SIX = ["key", "version", "author", "comment", "mtime", "empty"]
NOT_FOUND = (404, b"Key not found")


def post(wire: Wire, key: str, version: int, body: bytes = b"", **headers: str) -> Answer:
    return wire.ask(
        "POST", f"/diary/{key}/{version}", AUTHOR | {k.replace("_", "-"): v for k, v in headers.items()}, body
    )


def got(answer: Answer) -> tuple[int, bytes]:
    return answer.status, answer.body


def meta(answer: Answer) -> dict[str, Any]:
    """The six members, in their order, of a JSON answer."""
    assert answer.status == 200, answer
    assert answer.header("Content-Type") == "application/json"
    found: dict[str, Any] = answer.json()
    assert list(found) == SIX
    return found
