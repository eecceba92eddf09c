"""The Java client against a real server, beside the Python client: what one commits, the other reads."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rainer import errors
from rainer.client import Client
from rainer.model import serialization, times
from rainer.model.commit import Commit
from tests.command_line import CommandLine
from tests.integration.clients import client_of_a_new_namespace
from tests.services.java_driver import JavaDriver, JavaError, draft
from tests.services.rainer import RainerServer
from tests.unit.ancestor_server import AncestorServer
from tests.unit.vectors import load, text

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("java")]

AT = "2014-02-11T22:01:28.839Z"
COMMENT = "Цена изменилась: 10 → 12\n\n  語の二行目\tü\r\nlast 😀"
EVERY_BYTE = bytes(range(256))


@pytest.fixture
def client(served: RainerServer) -> Iterator[Client]:
    """The Python client of a namespace of the test's own."""
    yield from client_of_a_new_namespace(served)


def told(commit: Commit) -> dict[str, Any]:
    """A commit of the Python client in the driver's words."""
    out: dict[str, Any] = {"namespace": commit.namespace, "key": commit.key, "version": commit.version}
    out |= {"empty": commit.is_empty, "author": commit.author, "comment": commit.comment}
    out["mtime"] = times.format_iso(times.to_ms(commit.mtime))
    if commit.revision is not None:
        out["revision"] = commit.revision
    if commit.payload is not None:
        out["payload"] = base64.b64encode(commit.payload).decode()
    return out


@pytest.fixture
def rainer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: Client) -> CommandLine:
    """The command line, in the namespace of the test's own."""
    return CommandLine(monkeypatch, tmp_path, client.url)


def test_a_commit_made_in_java_reads_the_same_in_python_and_in_the_log(
    client: Client, java_driver: JavaDriver, rainer: CommandLine
) -> None:
    spelt = draft("preis-été %2F?", 1, EVERY_BYTE, author="Jürgen Юрий", comment=COMMENT, mtime=AT)
    made = java_driver.call("commit", client.url, draft=spelt)
    assert (made["author"], made["comment"], made["mtime"]) == ("Jürgen Юрий", COMMENT, AT)
    assert made == told(client.get("preis-été %2F?")) == told(client.log("preis-été %2F?")[0])
    (shown,) = rainer.ok("log", "preis-été %2F?", "--json").json
    assert (shown["author"], shown["comment"]) == ("Jürgen Юрий", COMMENT)
    lines = rainer.ok("log", "preis-été %2F?").text
    assert "Jürgen Юрий" in lines
    assert all(line.strip() in lines for line in COMMENT.splitlines())


def test_commits_made_in_python_read_the_same_in_java_from_every_call(client: Client, java_driver: JavaDriver) -> None:
    first = client.commit("hey", b"", version=1, author="語", comment=COMMENT)
    gone = client.commit("hey", None, version=2, comment="away, like spaces at the end ")
    other = client.commit("é", EVERY_BYTE, version=1, comment="für später")
    url = client.url
    call = java_driver.call
    assert call("get", url, key="hey") == call("get", url, key="hey", version=2) == told(gone)
    assert call("get", url, key="hey", version=1) == call("get_at", url, key="hey", at=first.revision) == told(first)
    assert call("find", url, key="é") == told(other)
    assert call("find", url, key="absent") is None
    assert call("heads", url) == [told(other)]
    assert call("heads", url, include_empty=True) == [told(gone), told(other)]
    assert call("heads", url, include_empty=True, at=first.revision) == [told(first)]
    assert call("heads", url, prefix="h", include_empty=True, payloads=False) == [told(gone)]
    assert call("log", url, key="hey") == call("log", url, key="hey", **{"async": True}) == [told(gone), told(first)]
    assert call("log", url, key="hey", before=2) == call("log", url, key="hey", limit=1, before=2) == [told(first)]
    page = client.changes(payloads=True)
    found = call("changes", url)
    assert found == {"position": str(page.position), "more": False, "commits": [told(first), told(gone), told(other)]}
    assert call("changes", url, position=found["position"], wait_s=0)["commits"] == []
    paged = call("changes", url, limit=1)
    assert (len(paged["commits"]), paged["more"]) == (1, True)


def test_a_feed_that_waits_is_answered_when_something_comes(client: Client, java_driver: JavaDriver) -> None:
    client.commit("hey", b"1", version=1)
    position = str(client.changes().position)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(java_driver.call, "changes", client.url, position=position, wait_s=60)
        made = client.commit("hey", b"2", version=2)
        assert waiting.result()["commits"] == [told(made)]


def test_keys_of_every_kind_that_is_allowed(client: Client, java_driver: JavaDriver) -> None:
    keys = sorted({text(key) for key in load("names")["keys"]["taken"]}, key=str.encode)
    drafts = [draft(key, 1, key.encode(), author="me") for key in keys]
    made = java_driver.call("commit_many", client.url, drafts=drafts)
    assert [commit["key"] for commit in made] == keys
    assert java_driver.call("heads", client.url) == [told(commit) for commit in client.heads().values()] == made
    for key in keys:
        assert java_driver.call("commit", client.url, draft=draft(key, 2, b"", author="me"))["key"] == key
        assert java_driver.call("get", client.url, key=key, version=1)["payload"] == told(client.get(key, 1))["payload"]


def test_a_payload_of_8_mib_goes_both_ways(served: RainerServer, client: Client, java_driver: JavaDriver) -> None:
    size = 8 * 1024 * 1024
    payload = random.Random(1).randbytes(size)
    name = f"{client.namespace_name}-large"
    client.create_namespace(name, payload_bytes_max=size)
    large = client.in_namespace(name)
    made = java_driver.call("commit", large.url, draft=draft("large", 1, payload, author="me"))
    assert large.get("large").payload == payload
    assert java_driver.call("get", large.url, key="large") == made
    with pytest.raises(JavaError) as refused:
        java_driver.call("commit", large.url, draft=draft("large", 2, payload + b"x", author="me"))
    assert refused.value.code == "too-large"


def test_a_changeset_of_ten_thousand(client: Client, java_driver: JavaDriver) -> None:
    drafts = [draft(f"key-{n:05}", 1, b"%d" % n, author="me", comment=f"комментарий {n % 7}") for n in range(10_000)]
    made = java_driver.call("commit_many", client.url, drafts=drafts)
    revisions = [commit["revision"] for commit in made]
    assert revisions == list(range(revisions[0], revisions[0] + 10_000))
    heads = client.heads()
    assert made == [told(commit) for commit in heads.values()] == java_driver.call("heads", client.url)
    assert java_driver.call("count_heads", client.url, payloads=False) == 10_000
    found = java_driver.call("changes", client.url, limit=10)
    assert (len(found["commits"]), found["more"]) == (10_000, False)
    drafts = [draft(f"key-{n:05}", 1 if n % 5_000 == 4_999 else 2, b"", author="me") for n in range(10_000)]
    with pytest.raises(JavaError) as refused:
        java_driver.call("commit_many", client.url, drafts=drafts)
    assert [conflict["key"] for conflict in refused.value.conflicts] == ["key-04999", "key-09999"]
    assert client.heads() == heads


def test_the_ancestors_bytes_of_any_commit_are_the_same(java_driver: JavaDriver, seed: int) -> None:
    chance = random.Random(seed)
    alphabet = 'aZ09 "\\/\b\f\n\r\t\0\x01\x1f\x7f\x80éß語\u2028\ufffd😀'
    begin = datetime(1, 1, 2, tzinfo=UTC)
    commits = []
    for version in range(1, 301):
        words = ["".join(chance.choices(alphabet, k=chance.randrange(1, 40))) for _ in range(3)]
        moment = begin + timedelta(milliseconds=chance.randrange(9_998 * 365 * 86_400_000))
        payload = None if version % 5 == 0 else chance.randbytes(chance.randrange(50))
        commits.append(Commit(words[0], version, payload, words[1], words[2], moment, payload is None))
    written = [base64.b64encode(serialization.to_bytes(commit)).decode() for commit in commits]
    assert java_driver.call("bytes", commits=written) == written


def test_every_code_of_the_error_tree_is_known_in_java(java_driver: JavaDriver) -> None:
    assert set(java_driver.call("codes")) == set(errors.BY_CODE)


def test_an_ancestors_server_is_read_and_written(java_driver: JavaDriver) -> None:
    call = java_driver.call
    with AncestorServer() as server, Client(server.url) as client:
        server.store("hey", b"one", comment="plain")
        server.store("hey", None, author="Jürgen")
        server.store("語", b"\xff", comment="what?")
        for key in ("hey", "語"):
            assert call("get", server.url, key=key) == told(client.get(key))
        assert call("log", server.url, key="hey") == [told(commit) for commit in client.log("hey")]
        assert call("heads", server.url) == [told(commit) for commit in client.heads().values()]
        assert call("heads", server.url, prefix="x") == []
        made = call("commit", server.url, draft=draft("hey", 3, b"three", author="me", comment="why"))
        assert "revision" not in made
        assert told(client.get("hey")) == made
        server.lose_next()
        made = call("commit", server.url, draft=draft("hey", 4, b"four", author="me", comment="lost"))
        assert told(client.get("hey")) == made  # recognised after the repetition was refused
        for wrong in (draft("hey", 5, b"", author="Jürgen"), draft("hey", 5, b"", author="me", comment="two\nlines")):
            with pytest.raises(JavaError, match="one short line of ASCII"):
                call("commit", server.url, draft=wrong)
        with pytest.raises(JavaError) as refused:
            call("get_at", server.url, key="hey", at=1)
        assert refused.value.code == "invalid"
