"""More commits than may wait: refused at once and told when to come back, and nothing that was accepted is lost."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from tests.integration.conftest import verify
from tests.integration.wire import Answer, ask, commit
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

WRITERS = 20


@contextlib.contextmanager
def locked(server: RainerServer) -> Iterator[None]:
    """Hold the journal's lock from outside, as another process in the middle of its group does."""
    connection = sqlite3.connect(server.database.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


def overfill(server: RainerServer, accepted_max: int, body: bytes) -> list[Answer]:
    """Post to many keys at once while the database stands still; those beyond the queue are answered meanwhile."""
    with ThreadPoolExecutor(WRITERS) as pool:
        with locked(server):
            posts = [pool.submit(commit, server.url, f"q{n}", 1, body) for n in range(WRITERS)]
            wait_until(lambda: _done(posts) >= WRITERS - accepted_max, 10, lambda: f"only {_done(posts)} were refused")
            assert ask(server.url, "GET", "/-/healthz").status == 200
            refused = [p.result() for p in posts if p.done()]
        assert {answer.status for answer in refused} == {503}
        return [post.result() for post in posts]


def _done(posts: list[Future[Answer]]) -> int:
    return sum(post.done() for post in posts)


def check(server: RainerServer, answers: list[Answer], *words: str) -> None:
    """Every refusal says when to come back; exactly what was acknowledged stands in the journal."""
    for answer in answers:
        if answer.status != 200:
            assert answer.problem(503, "overloaded", "wait already", *words)["retryable"] is True
            assert answer.header("Retry-After") == "1"
    kept = {f"q{n}" for n, answer in enumerate(answers) if answer.status == 200}
    assert kept
    assert set(ask(server.url, "GET", "/diary?prefix=q").json()) == kept
    for number in set(range(WRITERS)) - {int(key[1:]) for key in kept}:
        assert commit(server.url, f"q{number}", 1).status == 200  # there is room again
    server.stop()
    verify(server.database)


def test_a_queue_full_of_commits_refuses_more() -> None:
    with RainerServer(arguments=["--queue-items-max", "4"]) as server:
        commit(server.url, "first", 1)
        # The group that is being written may hold a few more than the queue.
        check(server, overfill(server, 12, b"x"), "4 commits")


def test_a_queue_full_of_bytes_refuses_more() -> None:
    with RainerServer(arguments=["--queue-bytes-max", "2MiB"]) as server:
        commit(server.url, "first", 1)
        check(server, overfill(server, 12, bytes(600_000)), "3 commits", "bytes")


def test_a_commit_larger_than_the_queue_is_taken_when_nothing_waits() -> None:
    with RainerServer(arguments=["--queue-bytes-max", "100000"]) as server:
        assert commit(server.url, "large", 1, bytes(600_000)).status == 200
