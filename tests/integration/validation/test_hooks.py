"""Hooks that are up, down, slow, refusing and lying, over HTTP and in the server itself."""

from __future__ import annotations

import base64
import gzip
import importlib.metadata
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rainer.client import Client
from rainer.errors import RuleBroken, UnavailableError
from rainer.testing import TestServer, server
from rainer.validation import hooks
from rainer.validation.hooks import HookRefusal, Proposed


@pytest.fixture
def served() -> Iterator[TestServer]:
    with server() as running:
        yield running


@pytest.fixture
def client(served: TestServer) -> Iterator[Client]:
    with served.client(author="ann", retries=0) as client:
        client.create_namespace("rainer", format="yaml")
        yield client


def demand(client: Client, rule: str, version: int = 1) -> None:
    """Put one rule in force."""
    client.in_namespace("rainer").commit("rules", f"rules:\n  - {{{rule}}}\n".encode(), version=version)


class Checker:
    """A hook that answers as it is told: status and body of the next answers, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = self.say(204, b"")
        self.go_on = threading.Event()
        self.url = ""

    def say(self, status: int, body: bytes, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)

        return answer

    def wait(self, handler: BaseHTTPRequestHandler) -> None:
        """Say nothing, until the test is over."""
        self.go_on.wait(60)
        handler.close_connection = True

    def drip(self, handler: BaseHTTPRequestHandler) -> None:
        """Begin to answer, and never end."""
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not self.go_on.wait(0.05):
            try:
                handler.wfile.write(b" ")
            except OSError:
                return

    def pour(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer with more than anybody wants to read."""
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(1_000):
                handler.wfile.write(b"x" * 100_000)
        except OSError:
            pass
        handler.close_connection = True


@pytest.fixture
def checker() -> Iterator[Checker]:
    checker = Checker()
    with checking(checker):
        yield checker
        checker.go_on.set()


@contextmanager
def checking(checker: Checker) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            checker.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            checker.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = False
        checker.url = f"http://127.0.0.1:{http.server_address[1]}/check"
        thread = threading.Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            http.shutdown()
            thread.join()


def test_a_hook_is_asked_about_everything_and_its_refusal_is_told_with_its_place(
    client: Client, checker: Checker
) -> None:
    demand(client, f'on: "diary/*", hook: "{checker.url}"')
    client.commit("k.json", b'{"a": 1}', version=1, comment="why")
    (asked,) = checker.asked
    assert asked == {
        "namespace": "diary", "key": "k.json", "version": 1, "author": "ann", "comment": "why", "empty": False,
        "payload_base64": base64.b64encode(b'{"a": 1}').decode(), "previous_base64": None, "dry_run": False,
    }  # fmt: skip
    checker.answer = checker.say(422, b'{"message": "no\\nsuch  port", "pointer": "/a"}')
    with pytest.raises(RuleBroken) as caught:
        client.commit("k.json", b'{\n  "a": 2}', version=2, dry_run=True)
    assert "no such port (/a, line 2, column 8)" in str(caught.value)
    details = caught.value.details
    assert (details["pointer"], details["line"], details["column"]) == ("/a", 2, 8)
    assert details["rule"] == f"hook {checker.url} on diary/*"
    assert (checker.asked[1]["dry_run"], checker.asked[1]["previous_base64"]) == (True, asked["payload_base64"])
    with pytest.raises(RuleBroken):
        client.commit("k.json", None, version=2)
    assert (checker.asked[2]["empty"], checker.asked[2]["payload_base64"]) == (True, None)
    client.commit("k.json", b"x", version=2, force=True, comment="the fire")
    assert len(checker.asked) == 3, "force asks nobody"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"not JSON", b'{"pointer": "/a"}', b'{"message": 7, "pointer": 7}', b"[" * 60_000,
     b'{"message": "no", "pointer": "/nowhere/~2/9"}', b'{"message": "no", "pointer": "a"}'],
    ids=range(8),
)  # fmt: skip
def test_a_refusal_that_explains_nothing_is_a_refusal(client: Client, checker: Checker, body: bytes) -> None:
    demand(client, f'on: "diary/*", hook: "{checker.url}"')
    checker.answer = checker.say(422, body)
    for key, payload in (("k.json", b"{}"), ("k", b"\xff")):
        with pytest.raises(RuleBroken):
            client.commit(key, payload, version=1)


@pytest.mark.parametrize("how", ["500", "redirect", "slow", "dripping", "pouring", "gone", "no HTTP"])
def test_a_hook_that_is_down_refuses_or_accepts_as_its_rule_says(client: Client, checker: Checker, how: str) -> None:
    url = checker.url
    match how:
        case "500":
            checker.answer = checker.say(500, b"{}")
        case "redirect":
            checker.answer = checker.say(307, b"", Location=checker.url)
        case "slow":
            checker.answer = checker.wait
        case "dripping":
            checker.answer = checker.drip
        case "pouring":
            checker.answer = checker.pour
        case "no HTTP":
            checker.answer = lambda handler: (handler.wfile.write(b"what?\r\n\r\n"), None)[1]
        case _:
            url = "http://127.0.0.1:1/nobody"
    rule = f'on: "diary/*", hook: "{url}", timeout_s: 0.3'
    demand(client, rule)
    with pytest.raises(UnavailableError, match=r"diary/k cannot be checked by the rule 'hook http"):
        client.commit("k", b"1", version=1)
    demand(client, f"{rule}, when_down: accept", version=2)
    assert client.commit("k", b"1", version=1).revision == 3


def test_a_slow_hook_keeps_nobody_else_waiting(client: Client, checker: Checker) -> None:
    demand(client, f'on: "diary/slow*", hook: "{checker.url}", timeout_s: 30')
    checker.answer = checker.wait
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(client.commit, f"slow{n}", b"1", version=1) for n in range(3)]
        for version in range(1, 20):
            client.commit("quick", b"1", version=version)
        assert not any(one.done() for one in waiting)
        checker.answer = checker.say(200, b"")
        checker.go_on.set()
        for one in waiting:
            with pytest.raises(UnavailableError):
                one.result()


# In the server itself.


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[Proposed], object]]:
    """Python hooks by name, as if a package brought them."""
    functions: dict[str, Callable[[Proposed], object]] = {}

    class Entry:
        def __init__(self, name: str) -> None:
            self.name = name

        def load(self) -> Callable[[Proposed], object]:
            return functions[self.name]

    def entry_points(group: str) -> list[Entry]:
        assert group == "rainer.hooks"
        return [Entry(name) for name in ("flags", "late")]

    monkeypatch.setattr(hooks, "entry_points", entry_points)
    return functions


def test_a_python_hook_is_asked(client: Client, installed: dict[str, Callable[[Proposed], object]]) -> None:
    demand(client, 'on: "diary/flags*", hook: "python:flags"')
    seen: list[Proposed] = []

    def check(proposed: Proposed) -> object:
        seen.append(proposed)
        answers = {
            b"text": "not so",
            b"place": HookRefusal("not there", "/a"),
            b"odd": 7,
            b"raise": 1 / (proposed.payload != b"raise"),
        }
        return None if proposed.payload == b"fine" else answers[proposed.payload or b""]

    installed["flags"] = check
    client.commit("flags", b"fine", version=1)
    assert seen == [Proposed("diary", "flags", 1, b"fine", "ann", "")]
    with pytest.raises(RuleBroken, match="not so"):
        client.commit("flags", b"text", version=2)
    with pytest.raises(RuleBroken, match="not there"):
        client.commit("flags", b"place", version=2)
    with pytest.raises(UnavailableError, match="it returned int, neither None nor a reason"):
        client.commit("flags", b"odd", version=2)
    with pytest.raises(UnavailableError, match="it failed: ZeroDivisionError"):
        client.commit("flags", b"raise", version=2)


def test_python_hooks_that_hang_are_down_and_so_are_too_many(
    client: Client, installed: dict[str, Callable[[Proposed], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "THREADS_MAX", 2)
    monkeypatch.setattr(hooks, "_GRACE_S", 0.0)
    demand(client, 'on: "diary/flags*", hook: "python:late", timeout_s: 0.1')
    go_on, ended = threading.Event(), threading.Semaphore(0)

    def hang(_: Proposed) -> None:
        go_on.wait(60)
        ended.release()

    installed["late"] = hang
    for words in ("did not answer within 0.1 s", "did not answer within 0.1 s", "2 calls of hooks have not come back"):
        with pytest.raises(UnavailableError, match=words):
            client.commit("flags", b"1", version=1)
    client.commit("other", b"1", version=1)
    go_on.set()
    for _ in range(2):
        assert ended.acquire(timeout=30)


def test_the_groups_name_is_the_documented_one() -> None:
    assert list(importlib.metadata.entry_points(group=hooks.GROUP)) == []


def test_an_answer_is_not_unpacked(client: Client, checker: Checker) -> None:
    """It was not asked to be packed, and a little of it may be anything when it is unpacked."""
    demand(client, f'on: "diary/*", hook: "{checker.url}"')
    packed = gzip.compress(b'{"message": "' + b"x" * 10_000_000 + b'"}')
    checker.answer = checker.say(422, packed, **{"Content-Encoding": "gzip"})
    with pytest.raises(RuleBroken, match="the hook refuses, and does not say why"):
        client.commit("a", b"x", version=1)


def test_one_that_is_silent_is_told_of_in_words(client: Client, checker: Checker) -> None:
    demand(client, f'on: "diary/*", hook: "{checker.url}", timeout_s: 0.2')
    checker.answer = checker.wait
    with pytest.raises(UnavailableError, match=r"it did not answer within 0\.2 s$"):
        client.commit("a", b"x", version=1)
