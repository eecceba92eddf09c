"""A database restored from yesterday's copy under running servers: nothing of today is answered any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.journal import Journal
from rainer.journal.administration import adopt
from tests.integration import backup
from tests.integration.conftest import verify
from tests.integration.events import EventStream
from tests.integration.test_feed import waiting
from tests.integration.wire import Answer, Wire, ask, commit, request
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

KEYS = [f"k{n}" for n in range(6)]
READS = [
    "/diary",
    "/diary?all=yes&payload_base64=yes",
    "/diary?limit=3",
    "/diary/k0",
    "/diary/k0/meta",
    "/diary/k0/log",
]


@pytest.fixture
def servers(database_url: str) -> Iterator[list[RainerServer]]:
    """Two servers on one database."""
    with RainerServer(database_url) as one, RainerServer(database_url) as two:
        yield [one, two]
        one.stop()
        two.stop()
        verify(database_url)


def read_all(server: RainerServer) -> dict[str, Answer]:
    """Every read there is, which also fills what the server remembers."""
    for key in KEYS:
        ask(server.url, "GET", f"/diary/{key}")
    return {path: ask(server.url, "GET", path) for path in READS}


def write_a_day(server: RainerServer, version: int, word: str) -> None:
    for key in KEYS:
        assert commit(server.url, key, version, f"{word} {key}".encode()).status == 200


@pytest.mark.parametrize("adopted", [False, True], ids=["as it was", "adopted"])
def test_nothing_of_today_is_answered(servers: list[RainerServer], adopted: bool) -> None:
    one, two = servers
    database = one.database
    write_a_day(one, 1, "yesterday's")
    yesterday = {server: read_all(server) for server in servers}
    restore = backup.take(database)
    write_a_day(two, 2, "today's")
    assert commit(one.url, "new", 1).status == 200
    today = {server: read_all(server) for server in servers}
    assert today[one]["/diary/k0"].body == b"today's k0"
    revision = int(today[one]["/diary"].header("X-Rainer-Revision") or 0)
    with EventStream(one.url, f"since={revision}") as stream, Wire(two.url, 30) as poll:
        poll.send(request("GET", f"/-/changes?since={revision}&wait=30"))
        wait_until(lambda: waiting(one.url) == waiting(two.url) == 1, 10, "a reader that waits on each server")
        restore()
        if adopted:
            adopt(database)
        for server in servers:
            _check_yesterday(server, yesterday[server], today[server], revision, adopted=adopted)
        assert stream.next_of("gone").data["code"] == "position-gone"
        poll.answer().problem(410, "position-gone", "reload")
    _check_another_today(one, two, today, revision)


def _check_yesterday(
    server: RainerServer, yesterday: dict[str, Answer], today: dict[str, Answer], revision: int, *, adopted: bool
) -> None:
    for path, then in yesterday.items():
        stale = today[path].header("ETag") or ""
        now = ask(server.url, "GET", path, {"If-None-Match": stale})
        assert (now.status, now.body) == (200, then.body), path
        assert now.header("ETag") == then.header("ETag") != stale
        assert now.header("X-Rainer-Revision") == then.header("X-Rainer-Revision")
        assert (now.header("X-Rainer-Lineage") == then.header("X-Rainer-Lineage")) is not adopted
    for key in KEYS:
        assert ask(server.url, "GET", f"/diary/{key}").body == f"yesterday's {key}".encode()
    ask(server.url, "GET", "/diary/new").refusal(404, "Key not found")
    for path in (f"/-/changes?since={revision}", f"/diary?at={revision}", f"/diary/k0?at={revision}"):
        ask(server.url, "GET", path).problem(410, "position-gone")


def _check_another_today(
    one: RainerServer, two: RainerServer, today: dict[RainerServer, dict[str, Answer]], revision: int
) -> None:
    """As many commits as were lost: the revisions are taken again, by another history."""
    refused = commit(two.url, "k0", 3)
    assert (refused.status, refused.json()["conflict"]["expectedVersion"]) == (409, 2)
    write_a_day(two, 2, "another")
    assert commit(two.url, "other", 1).header("X-Rainer-Revision") == str(revision)
    for server in (one, two):
        for path, answer in today[server].items():
            now = ask(server.url, "GET", path, {"If-None-Match": answer.header("ETag") or ""})
            assert now.status == 200, path
        assert ask(server.url, "GET", "/diary/k5").body == b"another k5"
        assert ask(server.url, "GET", "/diary/other").status == 200
        ask(server.url, "GET", "/diary/new").refusal(404, "Key not found")


def test_a_reader_that_says_its_chain_notices_another_history_at_the_same_revision(database_url: str) -> None:
    with RainerServer(database_url) as server:
        assert commit(server.url, "k", 1).status == 200
        restore = backup.take(database_url)
        assert commit(server.url, "k", 2, b"today").status == 200
        chain = ask(server.url, "GET", "/-/changes").json()["chain"]
        assert ask(server.url, "GET", f"/-/changes?since=2&chain={chain}").status == 200
        with EventStream(server.url, "since=2") as stream:
            restore()
            assert commit(server.url, "k", 2, b"another").status == 200
            assert stream.next_of("gone").data["code"] == "position-gone"
        ask(server.url, "GET", f"/-/changes?since=2&chain={chain}").problem(410, "position-gone", "another commit")
        server.stop()
        verify(database_url)


def test_a_database_that_is_restored_again_and_again(database_url: str) -> None:
    with RainerServer(database_url) as server:
        assert commit(server.url, "k", 1, b"base").status == 200
        for day in range(5):
            restore = backup.take(database_url)
            for version in (2, 3):
                assert commit(server.url, "k", version, b"day %d" % day).status == 200
            assert ask(server.url, "GET", "/diary/k").body == b"day %d" % day
            restore()
            assert ask(server.url, "GET", "/diary/k").body == b"base"
        server.stop()
        verify(database_url)


def test_who_leaves_a_replaced_file_does_not_damage_the_new_one(sqlite_url: str) -> None:
    with Journal(sqlite_url) as old:
        old.append("k", b"base", version=1, author="me")
        restore = backup.take(sqlite_url)
        old.append("k", b"today", version=2, author="me")
        restore()
        with Journal(sqlite_url) as new:
            new.append("k", b"another", version=2, author="me")
            old.engine.dispose()  # its connections knew the old file alone
            new.append("k", b"third", version=3, author="me")
            with Journal(sqlite_url) as later:
                assert later.get("k").payload == b"third"
            assert old.get("k").payload == b"third"
            old.append("k", b"fourth", version=4, author="me")
            assert new.get("k").payload == b"fourth"
            assert new.verify().ok


def test_a_file_that_is_gone_is_said_to_be_gone(sqlite_url: str) -> None:
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    away = file.with_suffix(".away")
    with RainerServer(sqlite_url) as server:
        assert commit(server.url, "k", 1).status == 200
        file.rename(away)
        for answer in (
            ask(server.url, "GET", "/diary/k"),
            ask(server.url, "GET", "/diary"),
            commit(server.url, "k", 2),
        ):
            answer.problem(503, "unavailable", str(file), "is gone")
        ask(server.url, "GET", "/-/readyz").problem(503, "unavailable", "is gone")
        assert not file.exists()  # no empty one is made in its place
        away.rename(file)
        assert commit(server.url, "k", 2).status == 200
        server.stop()
        verify(sqlite_url)
