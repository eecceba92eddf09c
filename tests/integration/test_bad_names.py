"""Names and numbers in the path that the journal does not take: each refused with its reason, none leaving a trace."""

from __future__ import annotations

import contextlib
from urllib.parse import quote

import pytest

from rainer.limits import MiB
from tests.integration.wire import Wire, ask, commit
from tests.services.rainer import RainerServer

POST = {"X-Rainer-Author": "test"}

KEYS = {
    "a slash": ("a%2Fb", "it holds a '/'"),
    "NUL": ("a%00b", "it holds U+0000"),
    "a tab": ("a%09b", "it holds U+0009"),
    "a line break": ("a%0Ab", "it holds U+000A"),
    "DEL": ("a%7Fb", "it holds U+007F"),
    "a C1 control": ("a%C2%85b", "it holds U+0085"),
    "private use": ("%EE%80%80", "it holds U+E000"),
    "a replacement character": ("%EF%BF%BD", "it holds U+FFFD"),
    "a noncharacter": ("%EF%BF%BF", "it holds U+FFFF"),
    "beyond the BMP": ("%F0%9F%98%80", "it holds U+1F600"),
    "one dot": (".", "'.' and '..' are not names"),
    "one encoded dot": ("%2e", "'.' and '..' are not names"),
    "two dots": ("..", "'.' and '..' are not names"),
    "two encoded dots": ("%2E%2e", "'.' and '..' are not names"),
    "a byte that is not UTF-8": ("a%FFb", "is not UTF-8"),
    "half a character": ("a%C3", "is not UTF-8"),
    "an overlong slash": ("%C0%AF", "is not UTF-8"),
    "a surrogate": ("%ED%A0%80", "is not UTF-8"),
    "256 bytes": ("k" * 256, "256 bytes, over the 255"),
    "256 bytes in 128 characters": ("%C3%A9" * 128, "256 bytes, over the 255"),
    "a huge one": ("k" * 60_000, "60000 bytes, over the 255"),
}
KEY_CASES = pytest.mark.parametrize(("key", "reason"), KEYS.values(), ids=KEYS.keys())


@KEY_CASES
def test_a_key_that_zookeeper_could_not_name_is_refused(served: RainerServer, key: str, reason: str) -> None:
    for path in (f"/diary/{key}", f"/diary/{key}/1", f"/diary/{key}/meta", f"/diary/{key}/log", f"/diary/{key}?at=0"):
        ask(served.url, "GET", path).problem(400, "invalid", reason)
    ask(served.url, "POST", f"/diary/{key}/1", POST, b"x").problem(400, "invalid", reason)


@pytest.mark.parametrize(
    "key",
    [
        "k" * 255, "é" * 127, "-", "%", "a b", " ", "a+b", "a%2Fb", "~", "...", "a?b", "a#b", "meta", "log", "1", "\\",
        '"', "￯", "한국어", "e\u0301", "<script>",
    ],
)  # fmt: skip
def test_an_unusual_key_is_the_same_everywhere(served: RainerServer, key: str) -> None:
    path = f"/diary/{quote(key, safe='')}"
    made = ask(served.url, "POST", f"{path}/1", POST, b"x")
    assert (made.status, made.json()["key"]) == (200, key), made
    assert ask(served.url, "GET", path).body == b"x"
    assert ask(served.url, "GET", f"{path}/1").body == b"x"
    assert ask(served.url, "GET", f"{path}/meta").json()["key"] == key
    assert ask(served.url, "GET", f"{path}/log").json()["commits"][0]["key"] == key
    assert key in ask(served.url, "GET", "/diary").json()


NAMESPACES = {
    "a capital": "Diary",
    "a digit first": "1st",
    "65 characters": "n" * 65,
    "dots": "..",
    "a space": "my%20diary",
    "a slash": "my%2Fdiary",
    "NUL": "diary%00",
    "an encoded line break": "diary%0A",
    "bytes that are not UTF-8": "%FF%FE",
}


@pytest.mark.parametrize("name", NAMESPACES.values(), ids=NAMESPACES.keys())
def test_a_namespace_that_cannot_be_is_refused(served: RainerServer, name: str) -> None:
    for path in (f"/{name}", f"/{name}/k", f"/{name}/k/1", f"/{name}/k/meta", f"/-/namespaces/{name}"):
        ask(served.url, "GET", path).problem(400, "invalid")
    ask(served.url, "POST", f"/{name}/k/1", POST, b"x").problem(400, "invalid")


def test_a_namespace_that_is_not_there_is_named(served: RainerServer) -> None:
    for path in ("/other", "/other/k", "/other/k?at=0", "/other/k/1", "/other/k/meta", "/other/k/log",
                 "/-/namespaces/other", "/-/changes?namespace=other", "/other?limit=1"):  # fmt: skip
        ask(served.url, "GET", path).problem(404, "namespace-not-found", "'other'", "rainer namespace create")
    ask(served.url, "POST", "/other/k/1", POST, b"x").problem(404, "namespace-not-found", "'other'")
    changeset = b'{"author": "me", "commits": [{"namespace": "other", "key": "k", "version": 1, "empty": true}]}'
    ask(served.url, "POST", "/-/changesets", {}, changeset).problem(404, "namespace-not-found", "'other'")


VERSIONS = [
    "0", "-1", "01", "1e9", "+1", "1.0", "0x1", "%201", "1_0", "%D9%A3", "2147483648", "9" * 400, "one", "1%00",
]  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_that_is_no_number_is_refused(served: RainerServer, version: str) -> None:
    for path in (f"/diary/k/{version}", f"/diary/k/{version}/meta"):
        ask(served.url, "GET", path).problem(400, "invalid", "is not a whole number from 1 to 2147483647")
    refused = ask(served.url, "POST", f"/diary/k/{version}", POST, b"x")
    refused.problem(400, "invalid", "is not a whole number from 1 to 2147483647", "leading zeros")


def test_a_version_far_ahead_is_told_which_is_next(served: RainerServer) -> None:
    expected = {"conflict": {"key": "ahead", "expectedVersion": 1, "providedVersion": 1_000_000_000}}
    answer = commit(served.url, "ahead", 1_000_000_000)
    assert (answer.status, answer.json()) == (409, expected)
    assert answer.header("Content-Type") == "application/json"
    assert commit(served.url, "ahead", 1).status == 200
    expected["conflict"]["expectedVersion"] = 2
    assert commit(served.url, "ahead", 1_000_000_000).json() == expected


def test_a_version_that_stands_already_is_told_which_is_next(served: RainerServer) -> None:
    assert commit(served.url, "stands", 1).status == 200
    answer = commit(served.url, "stands", 1)
    assert (answer.status, answer.json()) == (
        409, {"conflict": {"key": "stands", "expectedVersion": 2, "providedVersion": 1}}
    )  # fmt: skip


def test_a_key_that_never_was_is_the_ancestors_404(served: RainerServer) -> None:
    for path in ("/diary/never", "/diary/never/1", "/diary/never/meta", "/diary/never/1/meta", "/diary/never/log"):
        ask(served.url, "GET", path).refusal(404, "Key not found")
        ask(served.url, "GET", path, {"Accept": "application/problem+json"}).problem(404, "not-found", "Key not found")


NOTHING_THERE = [
    "/", "/diary/", "/diary/k/", "/diary/k/1/", "/diary//1", "//", "//diary/k", "/diary/k/1/meta/more", "/-", "/-/",
    "/-/nothing", "/-/nothing/1", "/-/status/meta",
]  # fmt: skip


@pytest.mark.parametrize("path", NOTHING_THERE)
def test_a_path_without_a_call_is_404(served: RainerServer, path: str) -> None:
    ask(served.url, "GET", path).problem(404, "not-found", path, "/-/openapi.json")
    assert ask(served.url, "HEAD", path).status == 404


@pytest.mark.parametrize(
    ("path", "reason"), [("/diary//1", "it is empty"), ("/diary/k/", "version ''"), ("//k/1", "namespace ''")]
)
def test_a_commit_with_a_part_of_its_path_empty_is_told_which(served: RainerServer, path: str, reason: str) -> None:
    ask(served.url, "POST", path, POST, b"x").problem(400, "invalid", reason)


@pytest.mark.parametrize("target", ["*", "diary/k", "?all=yes", "/diary/k k", "/diary/\xe9"])
def test_a_request_target_that_is_no_path_is_refused(served: RainerServer, target: str) -> None:
    for method in ("GET", "POST"):
        assert ask(served.url, method, target, POST).status in (400, 404)


def test_a_request_target_may_be_absolute(served: RainerServer) -> None:
    assert ask(served.url, "GET", "http://elsewhere/-/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("start", [b"GET /diary/", b"GET /diary/k?prefix=", b"GET /diary/k HTTP/1.1\r\nX-Long: "])
def test_a_request_line_or_header_without_end_is_cut_off(served: RainerServer, start: bytes) -> None:
    sent = 0
    with Wire(served.url) as wire:
        wire.send(start)
        with contextlib.suppress(ConnectionError):
            while sent < 64 * MiB:
                wire.send(b"k" * 65_536)
                sent += 65_536
    assert sent < 16 * MiB  # the server reads 256 KiB; the rest stands in the two sockets' buffers
