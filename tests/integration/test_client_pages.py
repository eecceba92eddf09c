"""The client's long answers from a real server: changesets, heads and histories in pages, the feed."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from rainer.client import Client
from rainer.client import reading as client_reading
from rainer.errors import (
    PositionGone,
    VersionConflict,
)
from rainer.model.commit import Commit, draft
from rainer.model.position import Position
from tests.integration.clients import client_of_a_new_namespace
from tests.services.rainer import RainerServer

AT = datetime(2014, 2, 11, 22, 1, 28, 839000, tzinfo=UTC)


@pytest.fixture
def client(served: RainerServer) -> Iterator[Client]:
    """A client of a namespace of the test's own."""
    yield from client_of_a_new_namespace(served)


def seen(commit: Commit) -> tuple[str, int, bytes | None]:
    return commit.key, commit.version, commit.payload


def test_a_changeset_is_made_whole_or_not_at_all(client: Client, served: RainerServer) -> None:
    client.commit("c", b"1", version=1)
    drafts = [
        {"key": "a", "payload": b"\xff", "version": 1},
        client.draft("b", "é".encode(), version=1, author="you", comment="own", mtime=AT),
        {"key": "b", "payload": b"", "version": 2},
        {"key": "c", "payload": None, "version": 2},
        draft("d", b"", version=1, author="me", namespace=client.namespace_name),
    ]
    made = client.commit_many(drafts, comment="why", commit_id="many-1")
    assert [seen(commit) for commit in made] == [
        ("a", 1, b"\xff"), ("b", 1, "é".encode()), ("b", 2, b""), ("c", 2, None), ("d", 1, b""),
    ]  # fmt: skip
    assert [commit.comment for commit in made] == ["why", "own", "why", "why", "why"]
    assert made[1].author == "you"
    assert made[1].mtime == AT
    revisions = [commit.revision or 0 for commit in made]
    assert revisions == list(range(revisions[0], revisions[0] + 5))
    assert client.commit_many(drafts, comment="why", commit_id="many-1") == made
    stale = [{"key": "e", "payload": b"", "version": 1}, *drafts[:2]]
    with pytest.raises(VersionConflict) as caught:
        client.commit_many(stale)
    assert [(c.key, c.expected, c.provided) for c in caught.value.conflicts] == [("a", 2, 1), ("b", 3, 1)]
    assert "e" not in client.heads(include_empty=True)


def test_ten_thousand_commits_are_one_changeset_and_one_page_of_the_feed(client: Client) -> None:
    since = client.status()["revision"]
    made = client.commit_many({"key": f"k{n:05d}", "payload": b"%d" % n, "version": 1} for n in range(10_000))
    assert len(made) == 10_000
    page = client.changes(since, limit=10)
    assert len(page.commits) == 10_000
    assert page.revision == made[-1].revision
    assert list(client.heads(payloads=False)) == [f"k{n:05d}" for n in range(10_000)]
    assert list(client.heads(prefix="k0999")) == [f"k0999{n}" for n in range(10)]


def test_heads_are_of_one_moment_while_others_commit(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_reading, "_FIRST_PAGE", 3)
    monkeypatch.setattr(client_reading, "PAGE_BYTES_AIM", 600)
    keys = [f"k{n:02d}" for n in range(40)]
    client.commit_many([{"key": key, "payload": b"1", "version": 1} for key in keys])
    stop, rounds = threading.Event(), []

    def commit_all() -> None:
        version = 2
        while not stop.is_set():
            client.commit_many([{"key": key, "payload": b"%d" % version, "version": version} for key in keys])
            rounds.append(version)
            version += 1

    writer = threading.Thread(target=commit_all)
    writer.start()
    try:
        while len(rounds) < 10:
            found = client.heads()
            assert list(found) == keys
            assert len({commit.version for commit in found.values()}) == 1
    finally:
        stop.set()
        writer.join()
    assert {commit.version for commit in client.heads().values()} == {rounds[-1]}


def test_a_long_log_comes_in_pages(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_reading, "_FIRST_PAGE", 7)
    monkeypatch.setattr(client_reading, "PAGE_BYTES_AIM", 3000)
    client.commit_many([{"key": "hey", "payload": b"%d" % n, "version": n} for n in range(1, 101)])
    assert [(c.version, c.payload) for c in client.log("hey")] == [(n, b"%d" % n) for n in range(100, 0, -1)]
    assert [commit.version for commit in client.log("hey", limit=30)] == list(range(100, 70, -1))
    assert [commit.payload for commit in client.log("hey", limit=2, payloads=False)] == [None, None]
    assert client.log("hey", limit=0) == []


def test_the_feed_wakes_who_waits_and_tells_where_it_ends(client: Client) -> None:
    start = client.changes()
    waiting = []
    thread = threading.Thread(target=lambda: waiting.append(client.changes(start.revision, wait_s=30)))
    thread.start()
    made = client.commit("hey", b"1", version=1)
    thread.join(20)
    assert [(commit.key, commit.revision, commit.payload) for commit in waiting[0].commits] == [
        ("hey", made.revision, None)
    ]
    quiet = client.in_namespace("diary").changes(start.revision, lineage=start.lineage, chain=start.chain)
    assert quiet.commits == ()
    assert quiet.revision >= (made.revision or 0)
    status = client.status()
    assert waiting[0].position == Position(status["lineage"], status["revision"], bytes.fromhex(status["chain"]))


def test_following_passes_every_commit_once_and_ends_where_the_journal_does_not_go(client: Client) -> None:
    pages = client.follow(client.status()["revision"], wait_s=5, limit=2, payloads=True)
    for version in range(1, 8):
        client.commit("hey", b"%d" % version, version=version)
    found: list[Commit] = []
    while len(found) < 7:
        found += next(pages).commits
    assert [commit.payload for commit in found] == [b"%d" % version for version in range(1, 8)]
    with pytest.raises(PositionGone):
        client.changes(10**12)
    with pytest.raises(PositionGone):
        client.changes(0, lineage=str(uuid.uuid4()))
