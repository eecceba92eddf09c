"""The app mounted under a path of somebody else's service, on somebody else's server."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from rainer.api import create_app
from rainer.client import Client
from rainer.journal import Journal
from tests.integration.hosted import hosted
from tests.integration.wire import Answer, Wire, ask, request

POST = {"X-Rainer-Author": "test"}


@dataclass(frozen=True, slots=True)
class Mounted:
    """Where a server answers, and the path below which the app is mounted, as a client writes it."""

    url: str
    path: str

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
        return ask(self.url, method, self.path + path, headers, body)


async def _hello(_request: Request) -> Response:
    return PlainTextResponse("hello")


def _service(journal: Journal, path: str) -> Starlette:
    """A service of somebody else's, with a call of its own beside ours, and another app around ours at each step."""
    ours = create_app(journal)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await ours.service.close()

    app: Any = ours
    for step in reversed(path.split("/")[1:]):
        app = Starlette(routes=[Route("/hello", _hello), Mount(f"/{step}", app)], lifespan=lifespan)
    assert isinstance(app, Starlette)
    return app


@pytest.fixture(params=["/conf", "/team/conf", "/my conf", "/naïve"])
def mounted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mounted]:
    """Our app in a service, below several kinds of path; it starts with its first request."""
    with Journal(f"sqlite:///{tmp_path / 'journal.db'}") as journal:
        with hosted(_service(journal, request.param)) as url:
            yield Mounted(url, quote(request.param))
        assert journal.verify().ok


def test_every_call_works_below_a_path(mounted: Mounted) -> None:
    assert mounted.ask("GET", "/-/healthz").json() == {"status": "ok"}
    assert mounted.ask("POST", "/diary/k/1", POST, b"one").json()["version"] == 1
    changeset = {"author": "me", "commits": [{"key": "k", "version": 2, "payload_utf8": "two"}]}
    assert mounted.ask("POST", "/-/changesets", {}, json.dumps(changeset).encode()).status == 200
    for path in ("/diary/k", "/diary/k/2", "/diary/k?at=2"):
        assert mounted.ask("GET", path).body == b"two"
    assert mounted.ask("HEAD", "/diary/k").header("X-Rainer-Version") == "2"
    assert mounted.ask("GET", "/diary/k/meta").json()["version"] == 2
    assert mounted.ask("GET", "/diary/k/1/meta").json()["version"] == 1
    assert [c["version"] for c in mounted.ask("GET", "/diary/k/log").json()["commits"]] == [2, 1]
    assert list(mounted.ask("GET", "/diary").json()) == ["k"]
    assert mounted.ask("POST", "/-/namespaces", {}, b'{"name": "other"}').status == 201
    assert mounted.ask("GET", "/-/namespaces/other").json()["name"] == "other"
    for path in ("/-/readyz", "/-/status", "/-/metrics", "/-/openapi.json", "/-/namespaces", "/-/changes"):
        assert mounted.ask("GET", path).status == 200
    assert ask(mounted.url, "GET", "/hello").body == b"hello"


def test_refusals_are_the_same_below_a_path(mounted: Mounted) -> None:
    mounted.ask("GET", "/diary/a%2Fb").problem(400, "invalid", "it holds a '/'")
    mounted.ask("POST", "/diary/a%2Fb/1", POST, b"x").problem(400, "invalid", "it holds a '/'")
    mounted.ask("GET", "/diary/a%2Fmeta").problem(400, "invalid", "it holds a '/'")
    mounted.ask("GET", "/diary/never").refusal(404, "Key not found")
    mounted.ask("GET", "/other/k").problem(404, "namespace-not-found", "'other'")
    mounted.ask("GET", "/-/nothing").problem(404, "not-found", "'/-/nothing'")
    mounted.ask("GET", "/diary/").problem(404, "not-found", "'/diary/'")
    assert mounted.ask("PUT", "/diary/k/1").header("Allow") == "GET, HEAD, POST"
    mounted.ask("POST", "/diary/k/2", POST, b"x").json()["conflict"]["expectedVersion"] = 1
    for path in ("", "/"):
        assert mounted.ask("GET", path).status in (307, 404)


def test_the_next_page_is_below_the_path(mounted: Mounted) -> None:
    commits = [{"key": f"k{n}", "version": 1, "empty": False, "payload_utf8": ""} for n in range(5)]
    mounted.ask("POST", "/-/changesets", {}, json.dumps({"author": "me", "commits": commits}).encode())
    found: list[str] = []
    path = f"{mounted.path}/diary?limit=2"
    while path:
        page = ask(mounted.url, "GET", path)
        found += page.json()
        link = re.fullmatch(r'<(.+)>; rel="next"', page.header("Link") or "")
        path = link[1] if link else ""
    assert found == [f"k{n}" for n in range(5)]


def test_our_client_works_below_a_path(mounted: Mounted) -> None:
    with Client(f"{mounted.url}{mounted.path}/diary") as client:
        assert client.commit("k", b"one", version=1, author="me").revision == 1
        assert client.get("k").payload == b"one"
        assert list(client.heads()) == ["k"]
        assert [c.version for c in client.log("k")] == [1]
        assert client.changes(since=0).revision == 1


@pytest.mark.parametrize("spelt", ["/%63onf", "/conf", "/c%6Fn%66"])
def test_the_path_may_be_percent_encoded_in_any_way(tmp_path: Path, spelt: str) -> None:
    with Journal(f"sqlite:///{tmp_path / 'journal.db'}") as journal, hosted(_service(journal, "/conf")) as url:
        assert ask(url, "POST", f"{spelt}/diary/k/1", POST, b"x").status == 200
        assert ask(url, "GET", f"{spelt}/diary/k").body == b"x"
        assert ask(url, "GET", f"{spelt}/diary").status == 200


def test_a_server_that_was_told_its_root_path(tmp_path: Path) -> None:
    proxied = {"root_path": "/proxied"}
    with Journal(f"sqlite:///{tmp_path / 'journal.db'}") as journal, hosted(create_app(journal), **proxied) as url:
        assert ask(url, "POST", "/diary/k/1", POST, b"x").status == 200
        assert ask(url, "GET", "/diary/k").body == b"x"
        assert list(ask(url, "GET", "/diary").json()) == ["k"]


@pytest.mark.parametrize("http", ["httptools", "h11"])
def test_a_foreign_server_cannot_empty_a_commit(tmp_path: Path, http: str) -> None:
    upgrade = POST | {"Connection": "Upgrade", "Upgrade": "h2c"}
    chunked = upgrade | {"Transfer-Encoding": "chunked"}
    with Journal(f"sqlite:///{tmp_path / 'journal.db'}") as journal, hosted(create_app(journal), http=http) as url:
        for version, (headers, body) in enumerate([(upgrade, b"payload"), (chunked, b"7\r\npayload\r\n0\r\n\r\n")], 1):
            with Wire(url) as wire:
                wire.send(request("POST", f"/diary/k{version}/1", headers, body))
                answer = wire.answer()
            kept = ask(url, "GET", f"/diary/k{version}")
            assert (answer.status, kept.status, kept.body) in ((200, 200, b"payload"), (400, 404, b"Key not found"))
            if answer.status == 400:
                assert "body" in answer.problem(400, "invalid")["detail"]


def test_an_app_that_was_closed_says_so(tmp_path: Path) -> None:
    with Journal(f"sqlite:///{tmp_path / 'journal.db'}") as journal:
        ours = create_app(journal)

        async def close(_request: Request) -> Response:
            await ours.service.close()
            return PlainTextResponse("closed")

        with hosted(Starlette(routes=[Route("/close", close), Mount("/conf", ours)])) as url:
            assert ask(url, "POST", "/conf/diary/k/1", POST, b"x").status == 200
            assert ask(url, "GET", "/close").body == b"closed"
            for method, path in (("GET", "/conf/diary/k"), ("POST", "/conf/diary/k/2"), ("GET", "/conf/-/readyz")):
                ask(url, method, path, POST).problem(503, "unavailable", "is shutting down")
        assert journal.get("k").version == 1


def test_a_mounted_app_serves_a_journal_that_others_use_too(tmp_path: Path) -> None:
    with Journal(f"sqlite:///{tmp_path / 'journal.db'}") as journal, hosted(_service(journal, "/conf")) as url:
        assert ask(url, "GET", "/conf/diary").body == b"{}\r\n"
        journal.append("k", b"by the library", version=1, author="me")
        assert ask(url, "GET", "/conf/diary/k").body == b"by the library"
        assert ask(url, "POST", "/conf/diary/k/2", POST, b"by http").status == 200
        assert journal.get("k").payload == b"by http"
