"""The golden vectors of calls: what the client sends, what a server answers, and what the client makes of that."""

from __future__ import annotations

import asyncio
import functools
import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from rainer.api import create_app
from rainer.api.app import RainerApp
from rainer.client import Client, Retries
from rainer.errors import RainerError
from rainer.journal import Journal
from rainer.model import times
from rainer.model.commit import Commit, Draft
from tests.unit.http_script import ScriptedServer, answer
from tests.unit.vectors import load, marks_of, name_of, raw

VECTORS = load("commit_requests")
CLIENTS_AFFAIR = {"host", "content-length", "user-agent", "connection", "accept-encoding"}
SENT_BY_SERVER = ("content-type", "x-rainer-")


def draft_of(told: dict[str, Any]) -> Draft:
    payload = None if told["payload"] is None else raw(told["payload"])
    mtime_ms = None if told["mtime"] is None else times.parse_iso(told["mtime"])
    return Draft(told["namespace"], told["key"], told["version"], payload, told["author"], told["comment"], mtime_ms)


def commit_of(told: dict[str, Any], **granted: Any) -> Commit:
    told = told | granted
    payload = None if told["payload"] is None else raw(told["payload"])
    return Commit(
        told["key"], told["version"], payload, told["author"], told["comment"],
        times.from_ms(times.parse_iso(told["mtime"])), payload is None, told["namespace"], told["revision"],
        marks_of(told),
    )  # fmt: skip


def headers_of(told: dict[str, Any]) -> dict[str, bytes]:
    return {name: value.encode() if isinstance(value, str) else raw(value) for name, value in told.items()}


def sent_by(client: Client, vector: dict[str, Any]) -> list[Commit]:
    drafts, wish = [draft_of(one) for one in vector["drafts"]], vector.get("wish", {})
    if vector["call"] == "commit_many":
        return client.commit_many(drafts, commit_id=vector["commit_id"], **wish)
    (made,) = drafts
    mtime = None if made.mtime_ms is None else times.from_ms(made.mtime_ms)
    with client.in_namespace(made.namespace) as there:
        return [
            there.commit(
                made.key, made.payload, version=made.version, author=made.author, comment=made.comment, mtime=mtime,
                commit_id=vector["commit_id"], **wish,
            )
        ]  # fmt: skip


@pytest.mark.parametrize("vector", VECTORS["commits"] + VECTORS["wished"], ids=name_of)
def test_a_commit_is_sent_as_exactly_this_and_its_answer_read(vector: dict[str, Any]) -> None:
    told = vector["answer"]
    with (
        ScriptedServer(answer(told["status"], raw(told["body"]), told["headers"])) as server,
        Client(server.url, retries=0) as client,
    ):
        commits = sent_by(client, vector)
    (received,) = server.received
    asked = vector["request"]
    assert (received.method, received.target, received.body) == (asked["method"], asked["path"], raw(asked["body"]))
    sent = {name.lower(): value for name, value in headers_of(asked["headers"]).items()}
    ignored = CLIENTS_AFFAIR if "accept" in sent else {*CLIENTS_AFFAIR, "accept"}
    assert {n: v for n, v in received.headers.items() if n not in ignored} == sent
    expected = [commit_of(one, **granted) for one, granted in zip(vector["drafts"], vector["granted"], strict=True)]
    assert commits == expected
    assert [commit.marks for commit in commits] == [commit.marks for commit in expected]


@pytest.mark.parametrize("vector", VECTORS["reads"] + VECTORS["marked"], ids=name_of)
def test_the_answer_to_a_read_is_this_commit(vector: dict[str, Any]) -> None:
    script = [answer(200, raw(vector["body"]), headers_of(vector["headers"]))]
    paths = [vector["path"]]
    if "then" in vector:
        script.append(answer(200, raw(vector["then"]["body"]), {"X-Rainer-Revision": "1"}))
        paths.append(vector["then"]["path"])
    with ScriptedServer(*script) as server, Client(server.url, retries=0) as client:
        found = client.in_namespace(vector["namespace"]).get(vector["key"], vector["version"])
    assert found == commit_of(vector["commit"])
    assert found.marks == marks_of(vector["commit"])
    assert [received.target for received in server.received] == paths


@pytest.mark.parametrize("vector", VECTORS["calls"], ids=name_of)
def test_a_call_asks_for_exactly_this(vector: dict[str, Any]) -> None:
    args = dict(vector["args"])
    positional = [args.pop("key")] if "key" in args else []
    with (
        ScriptedServer(answer(404, "Key not found", {"X-Rainer-Revision": "1"})) as server,
        Client(server.url, retries=Retries(0)) as client,
        pytest.raises(RainerError),
    ):
        functools.partial(getattr(client, vector["call"]), *positional, **args)()
    (received,) = server.received
    told, asked = urlsplit(vector["path"]), urlsplit(received.target)
    assert (received.method, asked.path) == (vector["method"], told.path)
    assert sorted(parse_qsl(asked.query)) == sorted(parse_qsl(told.query))


async def ask(app: RainerApp, method: str, path: str, headers: dict[str, bytes], body: bytes) -> Any:
    """Status, headers and body of a call of the app."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    path, _, query = path.partition("?")
    scope = {
        "type": "http", "method": method, "path": unquote(path), "raw_path": path.encode(), "root_path": "",
        "query_string": query.encode(), "server": ("test", 80), "scheme": "http",
        "headers": [(name.lower().encode(), value) for name, value in headers.items()],
    }  # fmt: skip
    await app(scope, receive, send)
    found = {name.decode(): value for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:])


def test_a_server_gives_exactly_these_answers() -> None:
    async def run(journal: Journal) -> None:
        app = create_app(journal)
        try:
            for commits, reads in (("commits", "reads"), ("wished", "marked")):
                for vector in VECTORS[commits]:
                    await check_commit(app, vector)
                for vector in VECTORS[reads]:
                    if vector["by"] == "server":
                        await check_read(app, vector)
        finally:
            await app.service.close()

    with Journal("memory:") as journal:
        journal.create_namespace("prices-eu")
        asyncio.run(run(journal))


async def check_commit(app: RainerApp, vector: dict[str, Any]) -> None:
    asked, told = vector["request"], vector["answer"]
    status, headers, body = await ask(
        app, asked["method"], asked["path"], headers_of(asked["headers"]), raw(asked["body"])
    )
    expected = raw(told["body"])
    if vector["drafts"][0]["mtime"] is None:
        body = json.dumps(json.loads(body) | {"mtime": json.loads(expected)["mtime"]}, separators=(",", ":")).encode()
    assert (status, body) == (told["status"], expected), vector["name"]
    assert told_by_server(headers) == headers_of(told["headers"])


async def check_read(app: RainerApp, vector: dict[str, Any]) -> None:
    status, headers, body = await ask(app, "GET", vector["path"], {}, b"")
    assert (status, body) == (200, raw(vector["body"])), vector["name"]
    assert told_by_server(headers) == headers_of(vector["headers"])
    if "then" in vector:
        status, _, body = await ask(app, "GET", vector["then"]["path"], {}, b"")
        assert (status, body) == (200, raw(vector["then"]["body"]))


def told_by_server(headers: dict[str, bytes]) -> dict[str, bytes]:
    """Those headers, in exactly their letter case, that vectors tell; a new journal's lineage is its own."""
    return {n: v for n, v in headers.items() if n.lower().startswith(SENT_BY_SERVER) and n != "X-Rainer-Lineage"}
