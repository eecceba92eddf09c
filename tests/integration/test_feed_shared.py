"""Many readers of one feed: they share their queries, none misses anything, and each is counted while it is there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
import sqlalchemy as sa

from rainer import limits
from rainer.api import create_app
from rainer.api.app import RainerApp
from rainer.journal import Journal
from tests.integration.events import EventStream
from tests.integration.hosted import hosted
from tests.integration.test_feed import changes, waiting
from tests.integration.wire import Wire, ask, commit, request
from tests.services.waiting import wait_until

READERS = 300


@pytest.fixture
def app_and_url(database_url: str) -> Iterator[tuple[RainerApp, str]]:
    """A server in this process."""
    with Journal(database_url) as journal:
        app = create_app(journal)
        with hosted(app) as url:
            yield app, url
        assert journal.verify().ok


@contextmanager
def counted_reads(journal: Journal) -> Iterator[list[str]]:
    """The statements that look for changes while the block runs, of whatever thread."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "FROM commits" in statement and "commits.revision >" in statement:
            found.append(statement)

    sa.event.listen(journal.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(journal.engine, "before_cursor_execute", note)


def test_one_commit_wakes_hundreds_with_a_few_queries(app_and_url: tuple[RainerApp, str]) -> None:
    app, url = app_and_url
    assert commit(url, "k", 1).status == 200
    with ExitStack() as opened:
        streams = [opened.enter_context(EventStream(url, "since=1")) for _ in range(READERS // 2)]
        polls = [opened.enter_context(Wire(url)) for _ in range(READERS // 2)]
        for poll in polls:
            poll.send(request("GET", "/-/changes?since=1&wait=60"))
        wait_until(lambda: waiting(url) == READERS, 30, lambda: f"only {waiting(url)} readers wait")
        with counted_reads(app.service.journal) as queries:
            assert commit(url, "k", 2, b"news").status == 200
            told = [stream.next_of("changes").data for stream in streams]
            told += [poll.answer().json() for poll in polls]
        assert [[c["version"] for c in page["changes"]] for page in told] == [[2]] * READERS
        assert all(page == told[0] for page in told)
    print(f"{READERS} readers shared {len(queries)} queries")
    assert 1 <= len(queries) <= READERS // 10
    wait_until(lambda: app.service.live.feed.readers == 0, 20, "the end of all of them")


def test_readers_that_differ_are_told_what_they_asked_for(app_and_url: tuple[RainerApp, str]) -> None:
    _, url = app_and_url
    assert commit(url, "k", 1).status == 200
    assert ask(url, "POST", "/-/namespaces", {}, b'{"name": "other"}').status == 201
    asked = {
        "since=1": ([2, 3], False),
        "since=1&payload_utf8=yes": ([2, 3], True),
        "since=1&namespace=diary": ([2], False),
        "since=1&namespace=other": ([3], False),
        "since=1&limit=1": ([2, 3], False),
    }
    other = {"namespace": "other", "key": "k", "version": 1, "payload_utf8": "x"}
    body = json.dumps({"author": "me", "commits": [other]}).encode()
    with ExitStack() as opened:
        streams = {query: opened.enter_context(EventStream(url, query)) for query in asked}
        wait_until(lambda: waiting(url) == len(streams), 20, "all of them")
        assert commit(url, "k", 2, b"text").status == 200
        assert ask(url, "POST", "/-/changesets", {}, body).status == 200
        for query, (revisions, with_payload) in asked.items():
            found: list[dict[str, object]] = []
            while len(found) < len(revisions):
                found += streams[query].next_of("changes").data["changes"]
            assert [c["revision"] for c in found] == revisions, query
            assert all(("payload_utf8" in c) == with_payload for c in found)


def test_nobody_misses_anything_while_others_write(app_and_url: tuple[RainerApp, str]) -> None:
    """Commits of this server and of another, and readers that come at any time, from anywhere."""
    app, url = app_and_url
    total, writers = 120, 4
    with Journal(app.service.journal.engine.url.render_as_string(hide_password=False)) as elsewhere:

        def write(number: int) -> None:
            for version in range(1, total // writers + 1):
                if number % 2:
                    elsewhere.append(f"k{number}", b"x", version=version, author="me")
                else:
                    assert commit(url, f"k{number}", version).status == 200

        def follow(number: int) -> list[int]:
            told: list[int] = []
            since = number % 3
            with EventStream(url, f"since={since}&limit={(3, 1000)[number % 2]}") as stream:
                while since + len(told) < total:
                    told += [c["revision"] for c in stream.next_of("changes").data["changes"]]
            return told

        assert commit(url, "first", 1).status == 200
        assert commit(url, "second", 1).status == 200
        total += 2
        with ThreadPoolExecutor(40 + writers) as pool:
            followers = [pool.submit(follow, number) for number in range(40)]
            written = [pool.submit(write, number) for number in range(writers)]
            for one in written:
                one.result()
            for number, follower in enumerate(followers):
                assert follower.result() == list(range(number % 3 + 1, total + 1))


def test_a_read_is_as_new_as_its_question(app_and_url: tuple[RainerApp, str]) -> None:
    """Whoever asks after a commit, of this server or another, is told of it, whatever others asked just before."""
    app, url = app_and_url
    done = threading.Event()

    def ask_on() -> None:
        while not done.is_set():
            changes(url, "since=0")

    with (
        Journal(app.service.journal.engine.url.render_as_string(hide_password=False)) as elsewhere,
        ThreadPoolExecutor(6) as pool,
    ):
        asking = [pool.submit(ask_on) for _ in range(6)]
        try:
            for version in range(1, 31):
                elsewhere.append("k", b"x", version=version, author="me")
                assert changes(url, "since=0")["revision"] == version
        finally:
            done.set()
        for one in asking:
            one.result()


def test_a_reader_that_does_not_read_is_counted(
    app_and_url: tuple[RainerApp, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for nothing and is blocked in being sent to; the place is free again when it has gone."""
    app, url = app_and_url
    monkeypatch.setattr(limits, "FEED_READERS_MAX", 2)
    for version in range(1, 21):
        assert commit(url, "large", version, bytes(900_000)).status == 200
    feed = app.service.live.feed
    with EventStream(url, "payload_base64=yes&limit=1") as blocked, Wire(url) as lazy:
        lazy.send(request("GET", "/-/changes?payload_base64=yes"))
        wait_until(lambda: feed.readers == 2 and waiting(url) == 0, 10, "two that are being sent to")
        ask(url, "GET", "/-/changes").problem(503, "overloaded", "2 readers")
        assert blocked.opened.status == 200
    wait_until(lambda: feed.readers == 0, 20, "the end of both")
    assert changes(url, "since=20")["revision"] == 20
