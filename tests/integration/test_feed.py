"""The feed: it wakes at once, tells everything once, never splits a changeset, and says when its history has ended."""

from __future__ import annotations

import itertools
import json
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rainer import limits
from rainer.api import create_app
from rainer.journal import Journal
from rainer.journal.administration import adopt
from rainer.service import ServiceOptions
from tests.integration.events import EventStream
from tests.integration.hosted import hosted
from tests.integration.wire import Wire, ask, commit, request
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

BEAT_S = 0.2


@pytest.fixture
def pair(database_url: str) -> Iterator[tuple[RainerServer, RainerServer]]:
    """Two servers on one database."""
    with RainerServer(database_url) as one, RainerServer(database_url) as two:
        yield one, two
        one.stop()
        two.stop()


@pytest.fixture
def lively(tmp_path: Path) -> Iterator[tuple[str, Journal]]:
    """A server in this process whose streams are never silent for long, and its journal."""
    with Journal(f"sqlite:///{tmp_path / 'journal.db'}") as journal:
        with hosted(create_app(journal, ServiceOptions(beat_s=BEAT_S))) as url:
            yield url, journal
        assert journal.verify().ok


def changes(url: str, query: str) -> dict[str, Any]:
    answer = ask(url, "GET", f"/-/changes?{query}")
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json()
    return found


def position(url: str) -> int:
    found: int = ask(url, "GET", "/-/status").json()["revision"]
    return found


def post_changeset(url: str, keys: list[str], version: int = 1, namespace: str = "diary") -> int:
    commits = [{"namespace": namespace, "key": k, "version": version, "payload_utf8": k} for k in keys]
    answer = ask(url, "POST", "/-/changesets", {}, json.dumps({"author": "me", "commits": commits}).encode())
    assert answer.status == 200, answer
    revision: int = answer.json()["revision"]
    return revision


def waiting(url: str) -> float:
    lines = ask(url, "GET", "/-/metrics").body.decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith("rainer_feeds_waiting"))


# Waking


def _wake_up_times(reader: str, writer: str, key: str, await_change: Callable[[int], int]) -> list[float]:
    """How long after its commit through `writer` a change is told by `reader`, several times."""
    times = []
    with ThreadPoolExecutor(1) as pool:
        for version in range(1, 6):
            since = position(reader)
            told = pool.submit(await_change, since)
            wait_until(lambda: waiting(reader) >= 1, 10, "a reader that waits")
            begun = time.monotonic()
            assert commit(writer, key, version).status == 200
            assert told.result() == since + 1
            times.append(time.monotonic() - begun)
    return times


@pytest.mark.parametrize("through", ["the same server", "another server"])
def test_a_long_poll_wakes_within_a_second(pair: tuple[RainerServer, RainerServer], through: str) -> None:
    reader, writer = pair[0].url, pair[through == "another server"].url

    def await_change(since: int) -> int:
        page = changes(reader, f"since={since}&wait=30")
        assert [c["revision"] for c in page["changes"]] == [since + 1]
        revision: int = page["revision"]
        return revision

    times = _wake_up_times(reader, writer, "woken", await_change)
    print(f"long poll through {through}: {', '.join(f'{t * 1000:.0f} ms' for t in times)}")
    assert statistics.median(times) < 1


@pytest.mark.parametrize("through", ["the same server", "another server"])
def test_an_event_comes_within_a_second(pair: tuple[RainerServer, RainerServer], through: str) -> None:
    reader, writer = pair[0].url, pair[through == "another server"].url
    with EventStream(reader) as stream:
        times = _wake_up_times(reader, writer, "told", lambda _since: stream.next_of("changes").id or 0)
    print(f"event through {through}: {', '.join(f'{t * 1000:.0f} ms' for t in times)}")
    assert statistics.median(times) < 1


def test_a_long_poll_without_news_ends_in_time(lively: tuple[str, Journal]) -> None:
    url, _ = lively
    commit(url, "k", 1)
    begun = time.monotonic()
    page = changes(url, "since=1&wait=1")
    assert 0.9 < time.monotonic() - begun < 10
    assert (page["revision"], page["changes"], page["more"]) == (1, [], False)
    begun = time.monotonic()
    assert changes(url, "since=0&wait=30")["revision"] == 1  # there is something already
    assert changes(url, "since=1")["revision"] == 1
    assert time.monotonic() - begun < 5


def test_a_stream_without_news_beats(lively: tuple[str, Journal]) -> None:
    url, _ = lively
    commit(url, "k", 1)
    with EventStream(url, "since=1") as stream:
        begun = time.monotonic()
        assert [next(stream).data for _ in range(5)] == ["beat"] * 5
        assert 4 * BEAT_S < time.monotonic() - begun < 10
        commit(url, "k", 2)
        assert stream.next_of("changes").id == 2


# What a page and an event hold


def test_a_page_tells_all_of_a_commit(lively: tuple[str, Journal]) -> None:
    url, _ = lively
    made = commit(url, "k", 1, b"text", X_Rainer_Comment="why").json()
    assert commit(url, "k", 2, b"\xff").status == 200
    assert commit(url, "k", 3, b"", X_Rainer_Empty="yes").status == 200
    page = changes(url, "payload_utf8=yes&payload_base64=yes")
    one, two, three = page["changes"]
    assert one == made | {
        "namespace": "diary", "revision": 1, "recorded": one["recorded"], "changeset": 1, "payload_utf8": "text",
        "payload_base64": "dGV4dA==",
    }  # fmt: skip
    assert ("payload_utf8" in two, two["payload_base64"]) == (False, "/w==")
    assert (three["empty"], "payload_base64" in three) == (True, False)
    assert not {"payload_utf8", "payload_base64"} & changes(url, "")["changes"][0].keys()
    status = ask(url, "GET", "/-/status").json()
    assert {name: page[name] for name in ("lineage", "revision", "chain")} == {
        name: status[name] for name in ("lineage", "revision", "chain")
    }
    with EventStream(url, "payload_utf8=yes&payload_base64=yes") as stream:
        assert next(stream).data == page


def test_a_changeset_is_never_split(lively: tuple[str, Journal], seed: int) -> None:
    url, _ = lively
    chance, number = random.Random(seed), itertools.count()
    assert ask(url, "POST", "/-/namespaces", {}, b'{"name": "other"}').status == 201
    ends = []
    for _ in range(30):
        size = chance.choice([1, 1, 1, 2, 3, 7, 40])
        ends.append(
            post_changeset(url, [f"k{next(number)}" for _ in range(size)], 1, chance.choice(["diary", "other"]))
        )
    total = ends[-1]
    for limit in (1, 2, 3, 5, 8, 39, 40, 41, total - 1, total, total + 1):
        for namespace in ("", "&namespace=diary", "&namespace=other"):
            _check_pages(url, f"limit={limit}{namespace}", limit, ends)
    assert [c["revision"] for p in _pages(url, "limit=3") for c in p["changes"]] == list(range(1, total + 1))
    with EventStream(url, "limit=3") as stream:
        for page in _pages(url, "limit=3"):
            assert next(stream).data == page


def _pages(url: str, query: str) -> Iterator[dict[str, Any]]:
    since = 0
    while True:
        page = changes(url, f"{query}&since={since}")
        yield page
        if not page["more"]:
            return
        assert page["changes"]
        assert page["revision"] > since
        since = page["revision"]


def _check_pages(url: str, query: str, limit: int, ends: list[int]) -> None:
    told: list[int] = []
    for page in _pages(url, query):
        assert page["revision"] in ends
        told += [c["revision"] for c in page["changes"]]
        assert len(page["changes"]) < limit + 40
        assert all(c["changeset"] <= page["revision"] for c in page["changes"])
        by_changeset = {c["changeset"]: c["revision"] for c in page["changes"]}
        assert all(by_changeset[end] == end for end in by_changeset)  # its last commit is there, so all are
    assert told == sorted(set(told))
    whole = changes(url, f"{query.partition('&')[2]}&limit=10000")
    assert told == [c["revision"] for c in whole["changes"]]


def test_a_quiet_namespace_moves_on(lively: tuple[str, Journal]) -> None:
    url, _ = lively
    assert ask(url, "POST", "/-/namespaces", {}, b'{"name": "quiet"}').status == 201
    with EventStream(url, "namespace=quiet") as stream:
        for version in range(1, 4):
            commit(url, "k", version)
            event = stream.next_of("changes")
            assert (event.id, event.data["revision"], event.data["changes"]) == (version, version, [])
        page = changes(url, "namespace=quiet&since=1&wait=1")
        assert (page["revision"], page["changes"], page["more"]) == (3, [], False)
        post_changeset(url, ["news"], 1, "quiet")
        assert [c["key"] for c in stream.next_of("changes").data["changes"]] == ["news"]
    assert [c["key"] for c in changes(url, "namespace=quiet&since=3")["changes"]] == ["news"]


def test_a_stream_resumes_where_it_broke_off(lively: tuple[str, Journal], seed: int) -> None:
    url, journal = lively
    chance, done = random.Random(seed), threading.Event()

    def write() -> None:
        for version in range(1, 301):
            journal.append("k", b"%d" % version, version=version, author="me")
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    told: list[int] = []
    last = 0
    while last < 300:
        with EventStream(url, "limit=7&since=5", last_event_id=last) as stream:  # the header wins over `since`
            for event in itertools.islice(stream, chance.randint(1, 5)):
                if event.kind == "changes":
                    told += [c["version"] for c in event.data["changes"]]
                    assert event.id is not None
                    last = event.id
    writer.join()
    assert done.is_set()
    assert told == list(range(1, 301))


# Ends


def test_another_lineage_ends_every_feed(pair: tuple[RainerServer, RainerServer]) -> None:
    one, _ = pair
    assert commit(one.url, "k", 1).status == 200
    old = ask(one.url, "GET", "/-/status").json()["lineage"]
    with EventStream(one.url, "since=1") as stream, Wire(one.url, 30) as poll:
        poll.send(request("GET", "/-/changes?since=1&wait=30"))
        wait_until(lambda: waiting(one.url) >= 2, 10, "two readers that wait")
        new = adopt(one.database).lineage
        poll.answer().problem(410, "position-gone", old, "reload")
        gone = stream.next_of("gone")
        assert (gone.data["code"], list(stream)) == ("position-gone", [])
    page = changes(one.url, "since=1")  # who says nothing of a lineage is told the new one
    assert (page["lineage"], page["revision"]) == (new, 1)
    ask(one.url, "GET", f"/-/changes?since=1&lineage={old}").problem(410, "position-gone", old, new)
    with EventStream(one.url, f"since=1&lineage={old}") as stream:
        stream.opened.problem(410, "position-gone", old)
    made = commit(one.url, "k", 2)
    assert (made.status, made.header("X-Rainer-Lineage")) == (200, new)
    assert ask(one.url, "GET", "/diary/k").header("X-Rainer-Lineage") == new


def test_a_shutdown_ends_every_feed_properly() -> None:
    with RainerServer() as server:
        assert commit(server.url, "k", 1).status == 200
        streams = [EventStream(server.url, "since=1") for _ in range(200)]
        polls = [Wire(server.url) for _ in range(50)]
        for poll in polls:
            poll.send(request("GET", "/-/changes?since=1&wait=60"))
        wait_until(lambda: waiting(server.url) == 250, 20, lambda: f"only {waiting(server.url)} readers wait")
        begun = time.monotonic()
        server.stop()  # demands exit code 0
        took_s = time.monotonic() - begun
        for stream in streams:
            assert [event for event in stream if event.kind != "comment"] == []
            stream.close()
        for poll in polls:
            assert poll.answer().json()["changes"] == []
            poll.close()
    print(f"200 streams and 50 long polls ended in {took_s:.2f} s")
    assert took_s < 10


def test_readers_that_go_away_leave_nothing_behind(lively: tuple[str, Journal]) -> None:
    url, _ = lively
    commit(url, "k", 1)
    streams = [EventStream(url, "since=1") for _ in range(30)]
    polls = [Wire(url) for _ in range(30)]
    for poll in polls:
        poll.send(request("GET", "/-/changes?since=1&wait=60"))
    wait_until(lambda: waiting(url) == 60, 20, "sixty readers that wait")
    for connection in (*streams, *polls):
        connection.close()
    wait_until(lambda: waiting(url) == 0, 20, lambda: f"{waiting(url)} readers wait still")
    # threads and file descriptors are counted after every test


def test_more_readers_than_may_wait_are_told_when_to_come_back(
    lively: tuple[str, Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _ = lively
    monkeypatch.setattr(limits, "FEED_READERS_MAX", 2)
    with EventStream(url), EventStream(url):
        wait_until(lambda: waiting(url) == 2, 10, "two readers that wait")
        for headers in ({}, {"Accept": "text/event-stream"}):
            refused = ask(url, "GET", "/-/changes?wait=1", headers)
            refused.problem(503, "overloaded", "2 readers wait for the feed already")
            assert refused.header("Retry-After") == "5"
    wait_until(lambda: waiting(url) == 0, 10, "the end of both")
    assert changes(url, "since=0")["revision"] == 0
