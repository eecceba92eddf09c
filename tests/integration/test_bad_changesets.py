"""Changesets and namespaces asked for wrongly: told what and where, and nothing of them is written."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any

import pytest

from rainer.journal import Journal
from rainer.journal.administration import set_namespace_closed
from rainer.limits import CHANGESET_COMMITS_MAX, PAYLOAD_BYTES_CEILING
from tests.integration.wire import Answer, ask
from tests.services.rainer import RainerServer

_numbers = itertools.count(1)


@pytest.fixture
def key() -> str:
    """A key of the test's own."""
    return f"changeset-{next(_numbers)}"


def post(server: RainerServer, body: object, **headers: str) -> Answer:
    """Send a changeset; text and bytes go as they are, everything else as JSON."""
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return ask(server.url, "POST", "/-/changesets", {n.replace("_", "-"): v for n, v in headers.items()}, raw)


def changeset(server: RainerServer, *commits: dict[str, Any], **headers: str) -> Answer:
    return post(server, {"author": "me", "commits": list(commits)}, **headers)


def one(key: str, version: int = 1, **members: Any) -> dict[str, Any]:
    return {"key": key, "version": version} | (members or {"payload_utf8": f"{key} {version}"})


def revision(server: RainerServer) -> int:
    found: int = ask(server.url, "GET", "/-/status").json()["revision"]
    return found


# Conflicts


def test_one_key_several_times_in_version_order_is_fine(served: RainerServer, key: str) -> None:
    answer = changeset(served, one(key, 1), one(f"{key}-b", 1), one(key, 2), one(key, 3, empty=True))
    assert answer.status == 200, answer
    commits = answer.json()["commits"]
    assert [(c["key"], c["version"]) for c in commits] == [(key, 1), (f"{key}-b", 1), (key, 2), (key, 3)]
    last = answer.json()["revision"]
    assert [c["revision"] for c in commits] == [last - 3, last - 2, last - 1, last]
    assert answer.header("X-Rainer-Revision") == str(last)
    assert answer.header("X-Rainer-Lineage") == ask(served.url, "GET", "/-/status").json()["lineage"]
    assert [c["changeset"] for c in ask(served.url, "GET", f"/diary/{key}/log").json()["commits"]] == [last] * 3


@pytest.mark.parametrize(
    ("versions", "expected", "provided"), [((2, 1), 1, 2), ((1, 1), 2, 1), ((1, 3), 2, 3), ((1, 2, 2, 3), 3, 2)]
)
def test_one_key_several_times_in_another_order_is_a_conflict(
    served: RainerServer, key: str, versions: tuple[int, ...], expected: int, provided: int
) -> None:
    before = revision(served)
    answer = changeset(served, *(one(key, version) for version in versions))
    conflict = {"namespace": "diary", "key": key, "expectedVersion": expected, "providedVersion": provided}
    assert answer.problem(409, "version-conflict", f"'{key}'", f"{expected} is next")["conflicts"] == [conflict]
    assert revision(served) == before


def test_one_stale_version_among_ten_thousand_is_named_alone(served: RainerServer, key: str) -> None:
    assert changeset(served, one(f"{key}-7000")).status == 200
    before = revision(served)
    commits = [one(f"{key}-{n}") for n in range(10_000)]
    answer = changeset(served, *commits)
    conflict = {"namespace": "diary", "key": f"{key}-7000", "expectedVersion": 2, "providedVersion": 1}
    assert answer.problem(409, "version-conflict")["conflicts"] == [conflict]
    assert revision(served) == before
    ask(served.url, "GET", f"/diary/{key}-0").refusal(404, "Key not found")

    commits[7_000]["version"] = 2
    answer = changeset(served, *commits)
    assert (answer.status, answer.json()["revision"]) == (200, before + 10_000)
    assert ask(served.url, "GET", f"/diary/{key}-9999").body.decode() == f"{key}-9999 1"


def test_every_stale_version_is_named(served: RainerServer, key: str) -> None:
    answer = changeset(served, one(f"{key}-a", 5), one(f"{key}-b", 1), one(f"{key}-c", 7))
    conflicts = answer.problem(409, "version-conflict", "(and 1 more)")["conflicts"]
    assert [(c["key"], c["expectedVersion"], c["providedVersion"]) for c in conflicts] == [
        (f"{key}-a", 1, 5), (f"{key}-c", 1, 7)
    ]  # fmt: skip


def test_more_commits_than_a_changeset_may_have_are_refused(served: RainerServer, key: str) -> None:
    answer = changeset(served, *(one(f"{key}-{n}", empty=True) for n in range(CHANGESET_COMMITS_MAX + 1)))
    assert answer.problem(413, "too-large", "20001 commits", "20000")["limit"] == CHANGESET_COMMITS_MAX


def test_a_changeset_repeated_with_its_commit_id_is_answered_again(served: RainerServer, key: str) -> None:
    commits = one(key), one(f"{key}-b", empty=True)
    first = changeset(served, *commits, X_Rainer_Commit_Id=key)
    again = changeset(served, *commits, X_Rainer_Commit_Id=key)
    assert (first.status, again.status, again.json()) == (200, 200, first.json())
    other = changeset(served, one(key), one(f"{key}-b", payload_utf8=""), X_Rainer_Commit_Id=key)
    other.problem(422, "commit-id-reused", key)


# Form

NO_CHANGESETS = {
    "nothing": (b"", "not JSON"),
    "not JSON": (b'{"author": "me",\n "commits": [}', "not JSON"),
    "not UTF-8": (b'{"author": "\xff"}', "not JSON"),
    "a lone surrogate": (b'{"author": "\\ud800", "commits": []}', "not JSON"),
    "nesting without end": (b"[" * 100_000, "not JSON"),
    "nesting within": (b'{"author": ' + b'{"a":' * 100_000, "not JSON"),
    "a number beyond all": (b'{"author": 1e999}', "not JSON"),
    "NaN": (b'{"author": NaN}', "not JSON"),
    "a list": (b"[]", "not a JSON object"),
    "a text": (b'"changeset"', "not a JSON object"),
    "null": (b"null", "not a JSON object"),
    "no commits": (b'{"author": "me"}', "a list of commits"),
    "an empty list": (b'{"author": "me", "commits": []}', "a list of commits"),
    "commits in an object": (b'{"author": "me", "commits": {"key": "k"}}', "a list of commits"),
    "an unknown member": (b'{"autor": "me", "commits": [1]}', "'autor'"),
    "a form": (b"author=me&commits=1", "not JSON"),
}


@pytest.mark.parametrize(("body", "reason"), NO_CHANGESETS.values(), ids=NO_CHANGESETS.keys())
def test_what_is_no_changeset_is_refused(served: RainerServer, body: bytes, reason: str) -> None:
    post(served, body).problem(400, "invalid", reason)


def test_where_json_breaks_off_is_told(served: RainerServer) -> None:
    found = post(served, '{"author": "me",\n "commits": [}').problem(400, "invalid")
    assert (found["line"], found["column"]) == (2, 14)


BAD_COMMITS = {
    "not an object": (["key", "k"], "not a JSON object"),
    "an unknown member": (one("k", payload_utf8="", colour="red"), "no member 'colour'"),
    "no key": ({"version": 1, "empty": True}, "it is empty"),
    "a key that is no text": (one("k", empty=True) | {"key": 5}, "key is 5, not text"),
    "a key with a slash": (one("a/b", empty=True), "it holds a '/'"),
    "a key beyond the BMP": (one("😀", empty=True), "U+1F600"),
    "no version": ({"key": "k", "empty": True}, "needs a version"),
    "version 0": (one("k", 0), "version 0"),
    "version -1": (one("k", -1), "version -1"),
    "a version as text": (one("k") | {"version": "1"}, 'version is "1"'),
    "a version that is true": (one("k") | {"version": True}, "version is true"),
    "a version with a fraction": (one("k") | {"version": 1.0}, "version is 1.0"),
    "a version beyond counting": (one("k", 10**30), "version"),
    "a version of 2147483648": (one("k", 2**31), "version 2147483648"),
    "no payload": ({"key": "k", "version": 1}, "given: none"),
    "not empty, and no payload": (one("k", empty=False), "given: none"),
    "two payloads": (one("k", payload_utf8="x", payload_base64="eA=="), "given: payload_utf8, payload_base64"),
    "empty with a payload": (one("k", payload_utf8="x", empty=True), "given: payload_utf8, empty"),
    "empty with no bytes": (one("k", payload_utf8="", empty=True), "given: payload_utf8, empty"),
    "empty as text": (one("k", empty="yes"), 'empty is "yes"'),
    "empty as a number": (one("k", empty=1), "empty is 1"),
    "a payload that is null": (one("k", payload_utf8=None), "payload_utf8 is null, not text"),
    "a payload that is JSON": (one("k", payload_utf8={"a": 1}), "not text"),
    "not base64": (one("k", payload_base64="!"), "not base64"),
    "base64 cut short": (one("k", payload_base64="eHh"), "not base64"),
    "base64 of another alphabet": (one("k", payload_base64="-_-_"), "not base64"),
    "base64 with line breaks": (one("k", payload_base64="eHh4\n"), "not base64"),
    "base64 beyond ASCII": (one("k", payload_base64="é"), "not base64"),
    "an empty author": (one("k", empty=True, author=""), "the author is empty"),
    "an author of two lines": (one("k", empty=True, author="a\nb"), "U+000A"),
    "an author who is null": (one("k", empty=True, author=None), "author is null"),
    "NUL in a comment": (one("k", empty=True, comment="a\0b"), "U+0000"),
    "NUL in an author": (one("k", empty=True, author="a\0b"), "U+0000"),
    "a comment that is a list": (one("k", empty=True, comment=["a"]), "comment is"),
    "a time that is none": (one("k", empty=True, mtime="yesterday"), "'yesterday'"),
    "a time that is a number": (one("k", empty=True, mtime=5), "mtime is 5"),
    "a namespace that cannot be": (one("k", empty=True, namespace="My Diary"), "'My Diary'"),
    "a namespace that is a number": (one("k", empty=True, namespace=1), "namespace is 1"),
}


@pytest.mark.parametrize(("bad", "reason"), BAD_COMMITS.values(), ids=BAD_COMMITS.keys())
def test_a_commit_that_cannot_be_is_named_by_its_place(served: RainerServer, key: str, bad: Any, reason: str) -> None:
    before = revision(served)
    answer = changeset(served, one(key), bad, one(f"{key}-b"))
    answer.problem(400, "invalid", "commits[1]", reason)
    assert revision(served) == before


def test_texts_over_their_limits_are_refused_by_their_place(served: RainerServer, key: str) -> None:
    long = changeset(served, one(key), one(f"{key}-b", empty=True, comment="é" * 40_000))
    assert long.problem(413, "too-large", "commits[1]", "the comment has 80000 bytes")["limit"] == 65_536
    long = changeset(served, one(key), one(f"{key}-b", payload_utf8="x" * 1_000_001))
    long.problem(413, "too-large", "commits[1]", f"'{key}-b'", "1000001 bytes", "1000000")
    long = changeset(served, one(key), one(f"{key}-b", payload_base64=base64.b64encode(bytes(1_000_001)).decode()))
    long.problem(413, "too-large", f"'{key}-b'", "1000001 bytes")
    ask(served.url, "GET", f"/diary/{key}").refusal(404, "Key not found")


def test_the_changeset_speaks_for_its_commits_unless_they_do(served: RainerServer, key: str) -> None:
    body = {
        "author": "all", "comment": "why", "mtime": "2026-01-31T12:34:56Z",
        "commits": [one(key), one(f"{key}-b", empty=True, author="b", comment="", mtime="2027-01-31T12:34:56Z")],
    }  # fmt: skip
    metas = post(served, body).json()["commits"]
    assert [(m["author"], m["comment"], m["mtime"]) for m in metas] == [
        ("all", "why", "2026-01-31T12:34:56.000Z"), ("b", "", "2027-01-31T12:34:56.000Z")
    ]  # fmt: skip
    nobody = post(served, {"commits": [one(key, 2)]})
    nobody.problem(400, "invalid", "commits[0]", "the author is empty")


def test_a_body_need_not_say_that_it_is_json(served: RainerServer, key: str) -> None:
    body = json.dumps({"author": "me", "commits": [one(key)]})
    assert post(served, body, Content_Type="text/plain").status == 200
    spaced = "\r\n \t" + json.dumps({"author": "me", "commits": [one(key, 2)]}, indent=4) + "\n\n"
    assert post(served, spaced, Content_Type="nonsense").status == 200


# Namespaces with rules


def test_a_namespace_is_made_once_and_keeps_its_rules(served: RainerServer) -> None:
    made = ask(served.url, "POST", "/-/namespaces", {}, b'{"name": "flags", "format": "json"}')
    expected = {"name": "flags", "format": "json", "payload_bytes_max": 1_000_000, "closed": False}
    assert (made.status, made.json()) == (201, expected)
    assert ask(served.url, "POST", "/-/namespaces", {}, b'{"name": "flags", "format": "json"}').status == 200
    other = ask(served.url, "POST", "/-/namespaces", {}, b'{"name": "flags", "format": "yaml"}')
    other.problem(409, "namespace-exists", "'flags'", "json")
    assert ask(served.url, "GET", "/-/namespaces/flags").json() == expected
    assert expected in ask(served.url, "GET", "/-/namespaces").json()["namespaces"]


BAD_NAMESPACES = {
    "no name": ({}, "namespace ''"),
    "a name that cannot be": ({"name": "Flags"}, "'Flags'"),
    "a name of ours": ({"name": "-"}, "'-'"),
    "a name that is a number": ({"name": 5}, "name is 5"),
    "a format nobody knows": ({"name": "n", "format": "xml"}, "'xml'"),
    "a format that is null": ({"name": "n", "format": None}, "format is null"),
    "no bytes at all": ({"name": "n", "payload_bytes_max": 0}, "payload_bytes_max 0"),
    "more than any database takes": ({"name": "n", "payload_bytes_max": PAYLOAD_BYTES_CEILING + 1}, "8388608"),
    "a size that is true": ({"name": "n", "payload_bytes_max": True}, "payload_bytes_max is true"),
    "a size with a fraction": ({"name": "n", "payload_bytes_max": 1.5}, "payload_bytes_max is 1.5"),
    "an unknown member": ({"name": "n", "closed": True}, "'closed'"),
}


@pytest.mark.parametrize(("body", "reason"), BAD_NAMESPACES.values(), ids=BAD_NAMESPACES.keys())
def test_a_namespace_that_cannot_be_is_not_made(served: RainerServer, body: dict[str, Any], reason: str) -> None:
    ask(served.url, "POST", "/-/namespaces", {}, json.dumps(body).encode()).problem(400, "invalid", reason)
    assert "n" not in {n["name"] for n in ask(served.url, "GET", "/-/namespaces").json()["namespaces"]}


def test_a_payload_that_its_namespace_cannot_parse_is_refused_in_the_ancestors_words(served: RainerServer) -> None:
    ask(served.url, "POST", "/-/namespaces", {}, b'{"name": "strict", "format": "json"}')
    headers = {"X-Rainer-Author": "me"}
    refused = ask(served.url, "POST", "/strict/k/1", headers, b'{"a": 1,\n // why\n}')
    assert (refused.status, refused.header("Content-Type")) == (400, "text/plain; charset=utf-8")
    assert refused.body.startswith(b"Malformed input: not JSON: ")
    assert refused.body.endswith(b"at line 2, column 2")
    headers["Accept"] = "application/problem+json"
    told = ask(served.url, "POST", "/strict/k/1", headers, b'{"a": 1,\n // why\n}').problem(400, "malformed-payload")
    assert (told["line"], told["column"]) == (2, 2)
    within = changeset(
        served, one("k", namespace="strict", payload_utf8="{}"), one("k2", namespace="strict", payload_utf8="{")
    )
    told = within.problem(400, "malformed-payload", "commits[1]: Malformed input")
    assert told["line"] == 1
    ask(served.url, "GET", "/strict/k").refusal(404, "Key not found")


def test_a_closed_namespace_is_read_and_not_written(served: RainerServer) -> None:
    ask(served.url, "POST", "/-/namespaces", {}, b'{"name": "closed"}')
    assert ask(served.url, "POST", "/closed/k/1", {"X-Rainer-Author": "me"}, b"x").status == 200
    with Journal(served.database) as journal:
        set_namespace_closed(journal.engine, "closed", True)
    refused = ask(served.url, "POST", "/closed/k/2", {"X-Rainer-Author": "me"}, b"x")
    refused.problem(403, "namespace-closed", "'closed'", "it takes no commits")
    changeset(served, one("k", 2, namespace="closed", empty=True)).problem(403, "namespace-closed")
    assert ask(served.url, "GET", "/closed/k").body == b"x"
    assert ask(served.url, "GET", "/-/namespaces/closed").json()["closed"] is True
