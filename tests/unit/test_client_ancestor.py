"""The client against an ancestor's server: everything that server can do, and clear words for what it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from rainer.client import Client, Retries
from rainer.errors import InvalidError, NotFoundError, OutcomeUnknown, VersionConflict
from tests.unit.ancestor_server import AncestorServer


@pytest.fixture
def ancestor() -> Iterator[AncestorServer]:
    with AncestorServer() as server:
        yield server


@pytest.fixture
def client(ancestor: AncestorServer) -> Iterator[Client]:
    with Client(ancestor.url, author="me", retries=Retries(3, 0.001, 0.002)) as made:
        yield made


def test_get(ancestor: AncestorServer, client: Client) -> None:
    ancestor.store("hey", b"one", "them", "first")
    ancestor.store("hey", None)
    commit = client.get("hey", 1)
    assert (commit.key, commit.version, commit.payload, commit.author) == ("hey", 1, b"one", "them")
    assert (commit.comment, commit.is_empty, commit.namespace, commit.revision) == ("first", False, "diary", None)
    assert commit.mtime == datetime(2014, 6, 1, 1, 2, 3, 4000, tzinfo=UTC)
    assert ancestor.paths == ["/diary/hey/1"]
    head = client.get("hey")
    assert (head.version, head.payload, head.is_empty) == (2, None, True)


@pytest.mark.parametrize("comment", ["ä", "語", "why?", "two\nlines?"])
def test_what_its_headers_may_have_lost_is_taken_from_the_meta(
    ancestor: AncestorServer, client: Client, comment: str
) -> None:
    ancestor.store("hey", b"x", "them", comment)
    assert client.get("hey").comment == comment


def test_absent_keys_and_versions_are_not_found(ancestor: AncestorServer, client: Client) -> None:
    ancestor.store("hey", b"x")
    with pytest.raises(NotFoundError, match="key 'nobody' is not there: Key not found"):
        client.get("nobody")
    with pytest.raises(NotFoundError, match="version 2 of key 'hey'"):
        client.get("hey", 2)
    with pytest.raises(NotFoundError):
        client.log("nobody")


def test_heads(ancestor: AncestorServer, client: Client) -> None:
    ancestor.store("b", b"\xff\x00")
    ancestor.store("ab", b"2")
    ancestor.store("a", None)
    assert list(client.heads()) == ["ab", "b"]
    assert client.heads()["b"].payload == b"\xff\x00"
    assert list(client.heads(include_empty=True)) == ["a", "ab", "b"]
    assert [commit.key for commit in client.iter_heads(prefix="a", include_empty=True)] == ["a", "ab"]
    bare = client.heads(payloads=False)["b"]
    assert (bare.payload, bare.is_empty) == (None, False)


def test_log_walks_the_versions(ancestor: AncestorServer, client: Client) -> None:
    for payload in (b"1", None, b"3", b"4"):
        ancestor.store("hey", payload)
    assert [(c.version, c.payload) for c in client.log("hey")] == [(4, b"4"), (3, b"3"), (2, None), (1, b"1")]
    assert [(c.version, c.payload) for c in client.log("hey", limit=2)] == [(4, b"4"), (3, b"3")]
    assert [(c.version, c.payload) for c in client.log("hey", payloads=False, limit=1)] == [(4, None)]
    assert client.log("hey", limit=0) == []


def test_the_first_ancestors_metas_without_empty_are_read(ancestor: AncestorServer, client: Client) -> None:
    ancestor.store("hey", b"x", comment="語")
    del ancestor.keys["hey"][0]["empty"]
    assert client.get("hey").comment == "語"
    assert client.heads()["hey"].payload == b"x"


def test_commit_and_removal(ancestor: AncestorServer, client: Client) -> None:
    first = client.commit("hey", b"\x00\xff", version=1, comment="why")
    assert (first.version, first.payload, first.author, first.revision) == (1, b"\x00\xff", "me", None)
    gone = client.commit("hey", None, version=2)
    assert (gone.version, gone.payload, gone.is_empty) == (2, None, True)
    assert [commit["empty"] for commit in ancestor.keys["hey"]] == [False, True]


def test_a_conflict_is_the_same_class_as_elsewhere(ancestor: AncestorServer, client: Client) -> None:
    ancestor.store("what", b"x")
    with pytest.raises(VersionConflict) as caught:
        client.commit("what", b"y", version=1)
    error = caught.value
    assert (error.namespace, error.key, error.expected, error.provided) == ("diary", "what", 2, 1)


def test_a_commit_whose_answer_was_lost_is_recognised_as_ours(ancestor: AncestorServer, client: Client) -> None:
    ancestor.lose_next()
    commit = client.commit("hey", b"new", version=1, comment="why")
    assert (commit.version, commit.payload, commit.comment) == (1, b"new", "why")
    assert ancestor.posts == 2
    assert len(ancestor.keys["hey"]) == 1


@pytest.mark.parametrize(
    ("payload", "author", "comment"),
    [(b"old", "me", "why"), (b"new", "them", "why"), (b"new", "me", ""), (None, "me", "why")],
)
def test_somebody_elses_commit_after_a_lost_one_is_a_conflict(
    ancestor: AncestorServer, client: Client, payload: bytes | None, author: str, comment: str
) -> None:
    ancestor.lose_next(instead=lambda: ancestor.store("hey", payload, author, comment))
    with pytest.raises(VersionConflict):
        client.commit("hey", b"new", version=1, comment="why")


def test_an_outcome_that_stays_unknown_is_looked_up_once_more(ancestor: AncestorServer) -> None:
    ancestor.lose_next()
    with Client(ancestor.url, author="me", retries=0) as client:
        assert client.commit("hey", b"new", version=1).payload == b"new"
    assert ancestor.posts == 1


def test_an_unknown_outcome_names_the_commit_and_the_next_step(ancestor: AncestorServer) -> None:
    ancestor.lose_next(instead=lambda: None)
    with Client(ancestor.url, author="me", retries=0) as client, pytest.raises(OutcomeUnknown) as caught:
        client.commit("hey", b"new", version=1, commit_id="id-1")
    assert "version 1 of key 'hey' was sent with commit id id-1" in str(caught.value)
    assert "commit again" in (caught.value.hint or "")
    assert caught.value.details == {"commit_id": "id-1", "namespace": "diary", "key": "hey", "version": 1}


def test_a_commit_lost_on_the_way_is_made_by_its_repetition(ancestor: AncestorServer, client: Client) -> None:
    ancestor.lose_next(instead=lambda: None)
    assert client.commit("hey", b"new", version=1).version == 1
    assert ancestor.posts == 2


def test_what_it_cannot_do_is_said(ancestor: AncestorServer, client: Client) -> None:
    ancestor.store("hey", b"x")
    with pytest.raises(InvalidError, match="tells no revisions"):
        client.get("hey", at=3)
    with pytest.raises(InvalidError, match="tells no revisions"):
        client.heads(at=3)
    with pytest.raises(InvalidError, match="only as one short line"):
        client.commit("hey", b"y", version=2, comment="two\nlines")
    with pytest.raises(NotFoundError, match="the feed since 0 is not there"):
        client.changes()
    with pytest.raises(NotFoundError):
        client.commit_many([{"key": "a", "payload": b"", "version": 1}])
    assert len(ancestor.keys["hey"]) == 1
