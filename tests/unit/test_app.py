"""The app called as a server calls it: after its end, and when it fails."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any
from urllib.parse import unquote

import pytest

from rainer.api import create_app, hot
from rainer.api.app import RainerApp
from rainer.errors import UnavailableError
from rainer.journal import Journal
from rainer.service import Service


async def ask(app: RainerApp, raw_path: str) -> tuple[int, dict[str, Any]]:
    """The status and the problem that a GET is answered with."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": unquote(raw_path), "raw_path": raw_path.encode(), "root_path": "",
        "query_string": b"", "headers": [], "server": ("test", 80), "scheme": "http",
    }  # fmt: skip
    await app(scope, hot.no_body, send)
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


def test_a_request_after_the_end_starts_nothing_again() -> None:
    async def run(journal: Journal) -> None:
        app = create_app(journal)
        assert (await ask(app, "/-/healthz"))[0] == 200
        await app.service.close()
        for path in ("/diary/k", "/-/healthz"):
            status, body = await ask(app, path)
            assert (status, body["code"], body["retryable"]) == (503, "unavailable", True)
        assert not app.service.is_started

    with Journal("memory:") as journal:
        asyncio.run(run(journal))


def test_an_end_during_the_start_leaves_nothing_running() -> None:
    async def run(journal: Journal) -> None:
        service = Service(journal)
        starts = [asyncio.create_task(service.start()) for _ in range(2)]
        await asyncio.sleep(0)
        await service.close()
        await asyncio.gather(*starts, return_exceptions=True)
        assert not service.is_started
        with pytest.raises(UnavailableError, match="shutting down"):
            await service.start()

    with Journal("memory:") as journal:
        asyncio.run(run(journal))


def test_an_end_before_the_start_is_told_in_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """As a worker is told that SIGTERM reaches before it serves."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.shutdown" if sent else "lifespan.startup"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    with Journal("memory:") as journal:
        app = create_app(journal)
        app.service.begin_shutdown()
        asyncio.run(app({"type": "lifespan"}, receive, send))
    assert [message["type"] for message in sent] == ["lifespan.startup.failed", "lifespan.shutdown.complete"]
    assert "shutting down" in sent[0]["message"]
    assert "Traceback" not in caplog.text
    assert [record.getMessage() for record in caplog.records if record.name == "rainer.api"] == [
        "startup failed: the server is shutting down"
    ]


def test_a_path_cannot_forge_a_line_of_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(*_args: Any) -> None:
        raise ValueError("a bug")

    async def run(journal: Journal) -> None:
        app = create_app(journal)
        assert (await ask(app, "/diary/k%0Aforged"))[0] == 500
        await app.service.close()

    monkeypatch.setattr(hot, "get_head", failing)
    with caplog.at_level(logging.ERROR, "rainer.api"), Journal("memory:") as journal:
        asyncio.run(run(journal))
    assert [record.getMessage() for record in caplog.records] == ["GET '/diary/k%0Aforged' failed"]
