"""The client against a real server: every call, conflicts, repetition by commit id, pages while others commit."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests

from rainer.client import Client
from rainer.errors import (
    CommitIdReused,
    InvalidError,
    MalformedPayload,
    NamespaceExists,
    NamespaceNotFound,
    NotFoundError,
    PositionGone,
    TooLargeError,
    VersionConflict,
)
from rainer.model.commit import Commit
from tests.integration.clients import client_of_a_new_namespace
from tests.services.rainer import RainerServer

AT = datetime(2014, 2, 11, 22, 1, 28, 839000, tzinfo=UTC)


@pytest.fixture
def client(served: RainerServer) -> Iterator[Client]:
    """A client of a namespace of the test's own."""
    yield from client_of_a_new_namespace(served)


def seen(commit: Commit) -> tuple[str, int, bytes | None]:
    return commit.key, commit.version, commit.payload


def test_a_commit_is_read_back_as_it_was_made(client: Client) -> None:
    made = client.commit("prix-été %2F?", b"\x00\xff\r\n", version=1, comment="Grüße 語", author="Jürgen", mtime=AT)
    assert (made.author, made.comment, made.mtime, made.namespace) == ("Jürgen", "Grüße 語", AT, client.namespace_name)
    assert made.revision == client.status()["revision"]
    assert client.get("prix-été %2F?") == client.get("prix-été %2F?", 1) == made
    assert client.heads() == {"prix-été %2F?": made}
    assert client.log("prix-été %2F?") == [made]
    assert client.changes(payloads=True).commits == (made,)


@pytest.mark.parametrize(
    ("author", "comment"),
    [
        ("me", ""),
        ("me", "two\nlines\n"),
        (" me ", "\tspaced "),
        ("語", "é" * 3000),
        ("J\u00fcrgen", "Ã¼ is no ü"),
        ("\u00a0", "\x01\x7f\x85\u2028"),
        ("😀", "cr\r\nX-Rainer-Author: else"),
        ("a" * 1000, "x" * 65_536),
    ],
)
def test_author_and_comment_come_back_whole_from_every_call(client: Client, author: str, comment: str) -> None:
    made = client.commit("hey", b"x", version=1, author=author, comment=comment)
    heads, log = client.heads(payloads=False)["hey"], client.log("hey", payloads=False)[0]
    for found in (made, client.get("hey"), client.get("hey", 1), heads, log, client.changes().commits[0]):
        assert (found.author, found.comment) == (author, comment)


def test_a_removal_keeps_its_history_and_the_key_can_come_back(client: Client) -> None:
    client.commit("hey", b"1", version=1)
    gone = client.commit("hey", None, version=2, comment="away")
    assert (gone.is_empty, gone.payload) == (True, None)
    assert client.get("hey") == gone
    assert client.heads() == {}
    assert client.heads(include_empty=True) == {"hey": gone}
    back = client.commit("hey", b"", version=3)
    assert client.heads() == {"hey": back}
    assert back.payload == b""
    assert [seen(commit) for commit in client.log("hey")] == [("hey", 3, b""), ("hey", 2, None), ("hey", 1, b"1")]


def test_any_moment_of_the_past_can_be_read(client: Client) -> None:
    one = client.commit("a", b"1", version=1)
    two = client.commit("b", b"1", version=1)
    three = client.commit("a", None, version=2)
    assert one.revision is not None
    assert two.revision is not None
    assert client.get("a", at=two.revision) == one
    assert client.heads(at=one.revision) == {"a": one}
    assert client.heads(at=two.revision) == {"a": one, "b": two}
    assert list(client.iter_heads(at=three.revision)) == [two]
    assert client.heads(at=one.revision - 1) == {}
    with pytest.raises(NotFoundError):
        client.get("b", at=one.revision)
    with pytest.raises(PositionGone):
        client.heads(at=10**12)
    with pytest.raises(PositionGone):
        client.get("a", at=10**12)


def test_a_conflict_names_what_is_next_and_writes_nothing(client: Client) -> None:
    client.commit("hey", b"1", version=1)
    for version in (1, 3):
        with pytest.raises(VersionConflict) as caught:
            client.commit("hey", b"2", version=version)
        error = caught.value
        assert (error.namespace, error.key, error.expected, error.provided) == (
            client.namespace_name,
            "hey",
            2,
            version,
        )
    assert [seen(commit) for commit in client.log("hey")] == [("hey", 1, b"1")]


def test_a_repetition_under_the_same_id_is_answered_with_the_first_result(client: Client) -> None:
    first = client.commit("hey", b"1", version=1, commit_id="id-1")
    client.commit("hey", b"2", version=2)
    assert client.commit("hey", b"1", version=1, commit_id="id-1") == first
    with pytest.raises(CommitIdReused):
        client.commit("hey", b"other", version=1, commit_id="id-1")
    with pytest.raises(VersionConflict):
        client.commit("hey", b"1", version=1, commit_id="id-2")
    assert len(client.log("hey")) == 2


def test_a_comment_beyond_headers_is_repeated_under_its_id_too(client: Client) -> None:
    first = client.commit("hey", b"1", version=1, comment="two\nlines", commit_id="id-1")
    assert client.commit("hey", b"1", version=1, comment="two\nlines", commit_id="id-1") == first
    assert len(client.log("hey")) == 1


def test_namespaces_and_what_they_demand(client: Client) -> None:
    name = f"t{uuid.uuid4().hex[:12]}"
    made = client.create_namespace(name, format="json", payload_bytes_max=100)
    assert client.create_namespace(name, format="json", payload_bytes_max=100) == made
    assert client.namespace(name) == made
    assert made in client.namespaces()
    assert client.namespace().name == client.namespace_name
    with pytest.raises(NamespaceExists):
        client.create_namespace(name, format="yaml")
    with pytest.raises(InvalidError):
        client.create_namespace(name, format="xml")
    strict = client.in_namespace(name)
    with pytest.raises(MalformedPayload, match="line 1, column 2"):
        strict.commit("a", b"{a}", version=1)
    with pytest.raises(MalformedPayload):
        strict.commit_many([{"key": "a", "payload": b"{a}", "version": 1}])
    with pytest.raises(TooLargeError, match="100"):
        strict.commit("a", b'"' + b"x" * 99 + b'"', version=1)
    assert strict.heads() == {}
    nowhere = client.in_namespace("nowhere-to-be-found")
    for call in (
        nowhere.heads,
        nowhere.namespace,
        nowhere.changes,
        lambda: nowhere.get("a"),
        lambda: nowhere.log("a"),
        lambda: nowhere.commit("a", b"", version=1),
        lambda: nowhere.commit_many([{"key": "a", "payload": b"", "version": 1}]),
    ):
        with pytest.raises(NamespaceNotFound):
            call()


def test_what_is_not_there_is_not_found(client: Client) -> None:
    client.commit("hey", b"1", version=1)
    for call in (lambda: client.get("nobody"), lambda: client.get("hey", 2), lambda: client.log("nobody")):
        with pytest.raises(NotFoundError, match=r"nobody|version 2"):
            call()


def test_payloads_up_to_the_namespaces_limit_and_no_further(client: Client) -> None:
    largest = b"\xff" * 1_000_000
    client.commit("large", largest, version=1)
    assert client.get("large").payload == largest
    assert client.heads()["large"].payload == largest
    with pytest.raises(TooLargeError):
        client.commit("large", largest + b"\xff", version=2)
    with pytest.raises(TooLargeError):
        client.commit("large", b"\xff" * 8_000_000, version=2)
    assert len(client.log("large", payloads=False)) == 1


def test_many_large_heads_come_in_pages_of_bounded_size(client: Client) -> None:
    for n in range(12):
        client.commit(f"k{n:02d}", bytes([n]) * 1_000_000, version=1)
    found = {commit.key: commit.payload for commit in client.iter_heads()}
    assert found == {f"k{n:02d}": bytes([n]) * 1_000_000 for n in range(12)}


@pytest.mark.parametrize("path", ["/hey", "/hey/1", "/hey/meta", "/hey/1/meta", "/hey/log", "", "?all=yes&limit=5"])
def test_a_read_that_did_not_change_is_a_304_until_it_does(client: Client, path: str) -> None:
    client.commit("hey", b"1", version=1)
    with requests.Session() as session:
        first = session.get(client.url + path)
        tag = first.headers["ETag"]
        again = session.get(client.url + path, headers={"If-None-Match": f'"other", W/{tag}'})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
        for name in ("ETag", "X-Rainer-Lineage"):
            assert again.headers[name] == first.headers[name]
        assert int(again.headers["X-Rainer-Revision"]) >= int(first.headers["X-Rainer-Revision"])
        client.commit("hey", b"2", version=2)
        later = session.get(client.url + path, headers={"If-None-Match": tag})
        assert later.status_code == (304 if "/1" in path else 200)


def test_eight_threads_of_one_client_make_every_commit_once(client: Client) -> None:
    def work(key: str) -> None:
        for version in range(1, 26):
            client.commit(key, b"%d" % version, version=version)

    threads = [threading.Thread(target=work, args=(f"k{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key: commit.version for key, commit in client.heads().items()} == {f"k{n}": 25 for n in range(8)}
