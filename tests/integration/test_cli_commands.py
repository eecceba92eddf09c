"""The commands against a server, run in this process: what they print, what they commit, how they end."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import rainer as library
from rainer.client import Client
from rainer.errors import OutcomeUnknown, OverloadedError
from rainer.testing import TestServer, server
from tests.command_line import CommandLine


@pytest.fixture(scope="module", autouse=True)
def _event_loop_made_once() -> None:
    """The first event loop of a process makes a pipe that stays; made here, it is no test's leak."""
    with server():
        pass


@pytest.fixture
def journal() -> Iterator[TestServer]:
    with server() as running:
        yield running


@pytest.fixture
def client(journal: TestServer) -> Iterator[Client]:
    with journal.client(author="seed@example.com") as client:
        yield client


@pytest.fixture
def rainer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, journal: TestServer) -> CommandLine:
    return CommandLine(monkeypatch, tmp_path, f"{journal.url}/diary")


# list


def test_list_prints_columns_for_scripts(rainer: CommandLine, client: Client) -> None:
    client.commit("b.key", b"1", version=1, comment="first\tline\nsecond")
    client.commit("a", b"1", version=1)
    client.commit("a", None, version=2, comment="gone")
    rows = [line.split("\t") for line in rainer.ok("list").text.splitlines()]
    mtime = client.get("b.key").meta()["mtime"]
    assert rows == [["b.key", "1", mtime, "seed@example.com", "first line"]]
    rows = [line.split("\t") for line in rainer.ok("list", "-A").text.splitlines()]
    assert [(row[0], row[1], row[5]) for row in rows] == [("a", "2", "removed"), ("b.key", "1", "")]
    assert rainer.ok("list", "b.", "--keys").text == "b.key\n"
    assert rainer.ok("list", "zzz").text == ""


def test_list_as_json(rainer: CommandLine, client: Client) -> None:
    assert rainer.ok("list", "--json").json == []
    commit = client.commit("k", b"1", version=1, comment="why")
    assert rainer.ok("list", "--json").json == [commit.meta() | {"namespace": "diary", "revision": 1}]


def test_list_and_show_of_the_past(rainer: CommandLine, client: Client) -> None:
    client.commit("k", b"1", version=1)
    client.commit("k", b"2", version=2)
    client.commit("later", b"3", version=1)
    assert rainer.ok("list", "--at", "1", "--keys").text == "k\n"
    assert rainer.ok("show", "k", "--at", "1").out == b"1"
    assert rainer("show", "later", "--at", "1").code == 4


# show


@pytest.mark.parametrize("payload", [b"", b"no newline", b"\xff\x00\x1b[31m", "é\r\n".encode()])
def test_show_prints_the_bytes_as_they_are(rainer: CommandLine, client: Client, payload: bytes) -> None:
    client.commit("k", payload, version=1)
    client.commit("k", b"other", version=2)
    assert rainer.ok("show", "k", "1").out == payload


def test_show_as_json(rainer: CommandLine, client: Client) -> None:
    client.commit("k", b"text", version=1)
    client.commit("k", b"\xff", version=2)
    client.commit("k", None, version=3)
    assert rainer.ok("show", "k", "1", "--json").json["payload_utf8"] == "text"
    assert base64.b64decode(rainer.ok("show", "k", "2", "--json").json["payload_base64"]) == b"\xff"
    removed = rainer.ok("show", "k", "--json").json
    assert (removed["empty"], [name for name in removed if name.startswith("payload")]) == (True, [])


def test_show_of_what_is_not_there(rainer: CommandLine, client: Client) -> None:
    client.commit("k", b"1", version=1)
    client.commit("k", None, version=2)
    result = rainer("show", "k")
    assert (result.code, result.out) == (4, b"")
    assert "version 2 by seed@example.com removed it" in result.err
    assert "hint:  rainer show k 1" in result.err
    assert rainer("show", "nope").code == 4
    assert rainer("show", "k", "9").code == 4
    assert rainer("show", "nope", "--json").error["code"] == "not-found"


def test_commands_to_copy_quote_the_key(rainer: CommandLine, client: Client) -> None:
    key = "a b; echo $(id) 'x'"
    client.commit(key, b"\xff", version=1)
    assert f"rainer commit {shlex.quote(key)} FILE" in rainer("commit", key).err
    assert f"rainer commit-prepared {shlex.quote(key)}" in rainer("commit", key).err
    assert f"rainer uncommit {shlex.quote(key)}" in rainer("revert", key, "-y").err
    assert f"rainer show {shlex.quote(key)} > FILE" in rainer("edit", key).err
    client.commit(key, None, version=2)
    assert f"rainer show {shlex.quote(key)} 1" in rainer("show", key).err


def test_commands_to_copy_tell_a_key_from_an_option(rainer: CommandLine, client: Client) -> None:
    client.commit("-k", b"\xff", version=1)
    assert "rainer commit -m MESSAGE -- -k FILE\n" in rainer("commit", "--", "-k").err
    assert "rainer commit-prepared -- -k\n" in rainer("commit", "--", "-k").err
    assert "rainer uncommit -- -k\n" in rainer("revert", "-y", "--", "-k").err
    assert "rainer show -- -k > FILE" in rainer("edit", "--", "-k").err
    rainer.ok("uncommit", "-m", "x", "-y", "--", "-k")
    (command,) = (line.split(None, 2)[2] for line in rainer("show", "--", "-k").err.splitlines() if "hint:" in line)
    assert rainer.ok(*shlex.split(command)).out == b"\xff"


def test_an_unknown_namespace_is_not_found_and_no_new_key(rainer: CommandLine, journal: TestServer) -> None:
    url = f"{journal.url}/nowhere"
    for words in (["list"], ["show", "k"], ["commit", "k", "-m", "x"], ["edit", "k"]):
        result = rainer("--url", url, *words, "--json")
        assert (result.code, result.error["code"]) == (4, "namespace-not-found"), words


# log and diff


def test_log_shows_commits_with_their_differences(rainer: CommandLine, client: Client) -> None:
    client.commit("k", b"a\nb\n", version=1, comment="first\n\nwith a body")
    client.commit("k", b"a\nB\n", version=2)
    client.commit("k", None, version=3, comment="gone")
    text = rainer.ok("log", "k").text
    assert [line for line in text.splitlines() if line.startswith("commit")] == [
        "commit 3  revision 3  removed",
        "commit 2  revision 2",
        "commit 1  revision 1",
    ]
    assert "    first\n\n    with a body\n\n--- k 0\n+++ k 1\n@@ -0,0 +1,2 @@\n+a\n+b\n" in text
    assert "--- k 1\n+++ k 2\n@@ -1,2 +1,2 @@\n a\n-b\n+B\n" in text
    assert "--- k 2\n+++ k 3\n@@ -1,2 +0,0 @@\n-a\n-B\n" in text
    assert text.count("Author: seed@example.com") == 3


def test_log_is_limited_and_can_begin_at_a_version(rainer: CommandLine, client: Client) -> None:
    for version in range(1, 6):
        client.commit("k", b"%d\n" % version, version=version)
    assert rainer.ok("log", "k", "-n", "2").text.count("\n-") == 4  # two headers and two removed lines
    assert "--- k 3\n+++ k 4\n" in rainer.ok("log", "k", "-n", "2").text
    versions = [row["version"] for row in rainer.ok("log", "k", "4", "--json", "-n", "2").json]
    assert versions == [4, 3]
    assert [line.split()[0] for line in rainer.ok("log", "k", "3", "--oneline").text.splitlines()] == ["3", "2", "1"]
    assert "@@" not in rainer.ok("log", "k", "--no-diff").text
    assert rainer("log", "k", "9").code == 4
    assert rainer("log", "nope").code == 4


def test_diff_of_heads_and_versions(rainer: CommandLine, client: Client) -> None:
    client.commit("k", b"one\n", version=1)
    client.commit("k", b"two\n", version=2)
    client.commit("k", b"one\n", version=3)
    assert rainer.ok("diff", "k").text == "--- k 2\n+++ k 3\n@@ -1 +1 @@\n-two\n+one\n"
    assert rainer.ok("diff", "k", "1", "2").text == "--- k 1\n+++ k 2\n@@ -1 +1 @@\n-one\n+two\n"
    same = rainer.ok("diff", "k", "1")
    assert (same.out, "hold the same" in same.err) == (b"", True)
    record = rainer.ok("diff", "k", "--json").json
    assert (record["old"]["version"], record["new"]["version"], record["added"], record["removed"]) == (2, 3, 1, 1)
    assert record["hunks"][0]["lines"][0]["sign"] == "-"


def test_diff_of_binary_payloads_tells_sizes(rainer: CommandLine, client: Client) -> None:
    client.commit("k", b"\xff" * 120, version=1)
    client.commit("k", b"\xff" * 1300, version=2)
    client.commit("k", b"", version=3)
    client.commit("k", None, version=4)
    assert rainer.ok("diff", "k", "1", "2").text == "binary, 120 → 1,300 bytes\n"
    assert rainer.ok("diff", "k").text == "0 lines, 0 bytes → empty\n"


# commit and its kin


def test_commit_takes_a_file_or_a_pipe_and_the_next_version(rainer: CommandLine, client: Client) -> None:
    (rainer.folder / "file").write_bytes(b"\xff from a file")
    first = rainer.ok("commit", "k", "file", "-m", "why\nand more")
    assert "k: version 1 (a new key)" in first.err
    assert "committed k version 1, revision 1" in first.err
    assert first.out == b""
    second = rainer.ok("commit", "k", "-", "-m", "b", "--author", "bob@example.com", "--json", stdin=b"piped")
    assert (second.json["version"], second.json["author"]) == (2, "bob@example.com")
    stored = client.get("k", 1)
    assert (stored.payload, stored.comment, stored.author) == (b"\xff from a file", "why\nand more", "ann@example.com")
    assert client.get("k").payload == b"piped"
    assert "version 2 was committed by bob@example.com just now" in rainer.ok("commit", "k", "-m", "x", stdin=b"3").err


def test_commit_of_a_version_that_is_not_the_next_is_a_conflict(rainer: CommandLine, client: Client) -> None:
    client.commit("k", b"1", version=1)
    for version in ("1", "3"):
        result = rainer("commit", "k", "-m", "x", "--version", version, "--json", stdin=b"2")
        assert (result.code, result.error["conflicts"][0]["expectedVersion"]) == (3, 2)
    assert client.get("k").version == 1


def test_commit_if_changed(rainer: CommandLine, client: Client) -> None:
    client.commit("k", b"1", version=1)
    assert rainer("commit", "k", "-m", "x", "--if-changed", stdin=b"1").code == 1
    assert rainer("commit", "k", "-m", "x", "--if-changed", stdin=b"2").code == 0
    assert client.get("k").version == 2


def test_commit_of_nothing_at_all_is_done_and_remarked_on(rainer: CommandLine, client: Client) -> None:
    assert "warning: the payload has no bytes" in rainer.ok("commit", "k", "-m", "x").err
    assert client.get("k").payload == b""


def test_what_no_namespace_takes_is_refused_before_it_is_sent(rainer: CommandLine) -> None:
    result = rainer("commit", "k", "-m", "x", "--json", stdin=bytes(8 * 1024 * 1024 + 1))
    assert (result.code, result.error["code"]) == (5, "too-large")


def test_a_refused_payload_says_where(rainer: CommandLine, journal: TestServer) -> None:
    rainer.ok("namespace", "create", "strict", "--format", "json")
    result = rainer("--url", f"{journal.url}/strict", "commit", "k", "-m", "x", "--json", stdin=b'{\n"a": }')
    assert (result.code, result.error["code"]) == (5, "malformed-payload")
    assert result.error["detail"].endswith("at line 2, column 6")


def test_commit_value_is_pyrainers(rainer: CommandLine, client: Client) -> None:
    rainer.ok("commit-value", "k", "-m", "x", stdin=b"1")
    assert rainer("commit-value", "k", "-m", "x", stdin=b"2").code == 3
    rainer.ok("commit-value", "k", "2", "-m", "x", stdin=b"2")
    assert client.get("k").payload == b"2"


def test_prepare_and_commit_prepared_go_round(rainer: CommandLine, client: Client) -> None:
    client.commit("k", b"a\n---\n\xff", version=1)
    prepared = rainer.ok("prepare", "k").out
    assert prepared == b"author: ann@example.com\ncomment: ''\nversion: 2\n---\na\n---\n\xff"
    filled = prepared.replace(b"comment: ''", b"comment: |-\n  two\n  lines\nmtime: 2001-02-03T04:05:06.789Z")
    rainer.ok("commit-prepared", "k", stdin=filled + b"!")
    head = client.get("k")
    assert (head.version, head.payload, head.comment) == (2, b"a\n---\n\xff!", "two\nlines")
    assert head.meta()["mtime"] == "2001-02-03T04:05:06.789Z"
    assert b"version: 1\n---\n" in rainer.ok("prepare", "new").out
    assert rainer.ok("prepare", "k", "1").out == prepared
    assert rainer("commit-prepared", "k", stdin=filled).code == 3
    assert rainer("commit-prepared", "k", stdin=b"nonsense").code == 5


def test_uncommit_asks_and_removes(rainer: CommandLine, client: Client) -> None:
    client.commit("k", b"1", version=1)
    assert rainer("uncommit", "k", stdin=b"no\n").code == 1
    assert rainer("uncommit", "k").code == 1
    assert rainer("uncommit", "k", "7", "-y").code == 3
    assert client.get("k").version == 1
    asked = rainer.ok("uncommit", "k", "-m", "bye", stdin=b"what\nyes\n")
    assert "Remove k (1 line, 1 byte) from http" in asked.err
    assert (client.get("k").is_empty, client.get("k").comment) == (True, "bye")
    again = rainer("uncommit", "k", "-y")
    assert (again.code, "version 2 by ann@example.com removed 'k'" in again.err) == (1, True)
    assert rainer("uncommit", "nope", "-y").code == 4


def test_revert_makes_an_older_payload_the_newest(rainer: CommandLine, client: Client) -> None:
    client.commit("k", b"1\n", version=1)
    assert rainer("revert", "k", "-y").code == 1
    client.commit("k", b"2\n", version=2)
    refused = rainer("revert", "k", stdin=b"n\n")
    assert (refused.code, client.get("k").version) == (1, 2)
    assert "-2\n+1\n" in refused.err
    rainer.ok("revert", "k", stdin=b"y\n")
    assert (client.get("k").payload, client.get("k").comment) == (b"1\n", "Revert to version 1")
    rainer.ok("revert", "k", "--to", "2", "-y", "-m", "no, back", "--json")
    assert (client.get("k").payload, client.get("k").comment) == (b"2\n", "no, back")
    assert rainer("revert", "k", "--to", "2", "-y").code == 1
    rainer.ok("uncommit", "k", "-y")
    rainer.ok("revert", "k", "-y")
    assert client.get("k").payload == b"2\n"
    rainer.ok("revert", "k", "-y")
    assert client.get("k").is_empty


# checkout


def test_checkout_follows_the_journal(rainer: CommandLine, client: Client) -> None:
    client.commit("a.json", b"\xff1", version=1)
    client.commit("b", b"2", version=1)
    first = rainer.ok("checkout", "out")
    assert "checked out out: 2 written, 0 unchanged, 0 removed" in first.err
    assert (rainer.folder / "out" / "a.json").read_bytes() == b"\xff1"
    client.commit("b", None, version=2)
    client.commit("c", b"3", version=1)
    record = rainer.ok("checkout", "out", "--json").json
    assert record == {"written": ["c"], "unchanged": 1, "removed": ["b"], "refused": {}}
    rainer.ok("checkout", "past", "--at", "2", "--prefix", "b")
    assert sorted(path.name for path in (rainer.folder / "past").glob("[!.]*")) == ["b"]


def test_checkout_does_not_write_over_a_persons_files(rainer: CommandLine, client: Client) -> None:
    client.commit("a", b"1", version=1)
    (rainer.folder / "a").write_text("mine")
    result = rainer("checkout", ".", "--json")
    assert (result.code, result.error["files"]) == (3, ["a"])
    assert (rainer.folder / "a").read_text() == "mine"
    rainer.ok("checkout", ".", "--force")
    assert (rainer.folder / "a").read_text() == "1"
    (rainer.folder / "other").touch()
    assert rainer.ok("checkout", ".", "--delete", "--json").json["removed"] == ["other"]


# namespaces, status


def test_namespaces(rainer: CommandLine) -> None:
    made = rainer.ok("namespace", "create", "flags", "--format", "json", "--payload-bytes-max", "64KiB", "--json").json
    assert made == {"name": "flags", "format": "json", "payload_bytes_max": 65536, "closed": False}
    rainer.ok("namespace", "create", "flags", "--format", "json", "--payload-bytes-max", "64KiB")
    assert rainer("namespace", "create", "flags").code == 3
    assert rainer("namespace", "create", "Flags!").code == 5
    assert rainer("namespace", "create", "huge", "--payload-bytes-max", "1GiB").code == 5
    assert [row["name"] for row in rainer.ok("namespace", "list", "--json").json] == ["diary", "flags"]
    assert rainer.ok("namespace", "list").text.splitlines()[1] == "flags\tjson\t65536\t"
    assert rainer.ok("namespace", "show", "flags", "--json").json == made
    assert "diary" in rainer.ok("namespace", "show").text
    assert rainer("namespace", "show", "nope").code == 4


def test_status_tells_a_position_that_verify_takes(rainer: CommandLine, client: Client) -> None:
    client.commit("k", b"1", version=1)
    status = rainer.ok("status", "--json").json
    assert library.Position.parse(status["position"]).revision == 1
    lines = dict(line.split(None, 1) for line in rainer.ok("status").text.splitlines())
    assert lines["position"] == status["position"]


# Bad days


def test_a_server_that_is_not_there_is_exit_code_7(rainer: CommandLine) -> None:
    result = rainer("--url", "http://127.0.0.1:1/diary", "--timeout-s", "1", "list", "--json")
    assert (result.code, result.error["code"], result.error["retryable"]) == (7, "unavailable", True)


@pytest.mark.parametrize("url", ["nonsense", "ftp://h/diary", "http://h", "http://h/Diary"])
def test_a_url_that_is_none_is_invalid(rainer: CommandLine, url: str) -> None:
    result = rainer("--url", url, "list")
    assert (result.code, result.err.startswith("error: ")) == (5, True)


@pytest.mark.parametrize(
    ("error", "code"), [(OutcomeUnknown("sent, no answer", hint="look"), 8), (OverloadedError("full"), 7)]
)
def test_an_answer_that_failed_has_its_exit_code(
    rainer: CommandLine, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    def fail(*_arguments: object, **_named: object) -> None:
        raise error

    monkeypatch.setattr(Client, "commit", fail)
    result = rainer("commit", "k", "-m", "x", "--json", stdin=b"1")
    assert (result.code, json.loads(result.err.splitlines()[-1])["exit_code"]) == (code, code)
