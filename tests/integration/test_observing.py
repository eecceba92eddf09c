"""What a server shows of itself: a line a commit, figures that are right, and whether it is well."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.figures import figures
from tests.integration.wire import Answer, Wire, ask, commit
from tests.services.database_service import DatabaseService
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

# Whatever could move a terminal's cursor, end a line, reverse the text or pretend to be another line.
MALICE = 'one\ntwo\r\x1b]0;owned\x07\x1b[2J "quoted" \u202ereversed\u2028 \x85 \x9b31m \\ end'
LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z commit (?P<key>\S+) (?P<version>\d+) by (?P<author>.*)"
    r' r(?P<revision>\d+) (?P<size>\d+B|empty)( "(?P<comment>.*)")?'
)


def changeset(server: RainerServer, *commits: dict[str, object]) -> Answer:
    body = json.dumps({"author": "me", "commits": commits}).encode()
    answer = ask(server.url, "POST", "/-/changesets", {}, body)
    assert answer.status == 200, answer
    return answer


def write_some(server: RainerServer) -> None:
    """64 commits at once, a changeset, a removal, and one full of malice."""
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: commit(server.url, f"k{n}", 1), range(64)))
    assert {a.status for a in answers} == {200}
    changeset(server, {"key": "c", "version": 1, "payload_utf8": "x"}, {"key": "c", "version": 2, "empty": True})
    changeset(server, {"key": "m\u202e", "version": 1, "payload_utf8": "x", "comment": MALICE, "author": "a\u202eb"})
    changeset(server, {"key": "long", "version": 1, "payload_utf8": "x", "comment": "y" * 60_000})


# Logs


def test_a_commit_is_one_line_of_text() -> None:
    with RainerServer() as server:
        write_some(server)
        server.stop()
        text = server.log_path.read_bytes().decode()
    lines = [LINE.fullmatch(line) for line in text.split("\n") if " commit diary/" in line]
    found = [line for line in lines if line is not None]
    assert len(found) == len(lines) == 68
    assert sorted(int(line["revision"]) for line in found) == list(range(1, 69))
    assert {line["key"] for line in found if line["key"].startswith("diary/k")} == {f"diary/k{n}" for n in range(64)}
    removed = next(line for line in found if line["size"] == "empty")
    assert (removed["key"], removed["version"], removed["author"]) == ("diary/c", "2", "me")
    evil = next(line for line in found if line["key"].startswith("diary/m"))
    assert (evil["key"], evil["author"]) == ("diary/m\\u202e", "a\\u202eb")
    assert evil["comment"].startswith("one\\ntwo\\r\\x1b]0;owned\\x07")
    assert not {c for c in text if not c.isprintable()} - {"\n"}
    assert max(map(len, text.split("\n"))) < 1_000


def test_every_line_is_json_where_that_is_asked_for() -> None:
    with RainerServer(arguments=["--log-format", "json"]) as server:
        write_some(server)
        with Wire(server.url) as wire:
            wire.send(b"\0\0\0")
            assert wire.answer().status == 400
        server.stop()
        lines = [json.loads(line) for line in server.output.splitlines()]
    commits = [line for line in lines if line.get("event") == "commit"]
    assert [line["revision"] for line in commits] == list(range(1, 69))
    assert all(line["time"].endswith("Z") for line in lines)
    evil = next(line for line in commits if line["key"] == "m\u202e")
    assert evil["comment"] == MALICE[:200]
    assert {k: v for k, v in commits[-1].items() if k != "time"} == {
        "event": "commit", "namespace": "diary", "key": "long", "version": 1, "author": "me", "revision": 68,
        "changeset": 68, "empty": False, "payload_bytes": 1, "comment": "y" * 200,
    }  # fmt: skip
    others = [line for line in lines if "event" not in line]
    assert all(set(line) >= {"time", "level", "logger", "message"} for line in others)
    assert [line["message"].split(" ")[0] for line in others if line["level"] == "INFO"] == ["serving"]
    assert any("not HTTP" in line["message"] for line in others if line["level"] == "WARNING")


def test_the_least_level_that_is_logged_holds_for_commits_too() -> None:
    with RainerServer(arguments=["--log-level", "warning"]) as server:
        write_some(server)
        server.stop()
        assert " commit " not in server.output


# Figures


def test_figures_are_right() -> None:
    with RainerServer() as server, Wire(server.url) as wire:
        before = figures(wire)
        write_some(server)
        for _ in range(3):
            assert commit(server.url, "k1", 1).status == 409
        for _ in range(10):
            assert ask(server.url, "GET", "/diary/k1").status == 200
        for status, path in ((200, "/diary/k1/meta"), (404, "/diary/never/meta"), (404, "/-/nothing"), (200, "/diary")):
            assert ask(server.url, "GET", path).status == status
        now = figures(wire)
        server.stop()
    assert before["rainer_commits_total"] == before["rainer_head_reads_total"] == 0
    assert now["rainer_commits_total"] == now["rainer_group_commits_sum"] == now["rainer_revision"] == 68
    assert now["rainer_groups_total"] == now["rainer_group_commits_count"] == now["rainer_group_seconds_count"]
    assert 4 <= now["rainer_groups_total"] <= 67
    assert now['rainer_group_commits_bucket{le="+Inf"}'] == now["rainer_groups_total"]
    assert now['rainer_commits_refused_total{why="conflict"}'] == 3
    assert now["rainer_head_reads_total"] == 10
    assert now["rainer_head_rounds_total"] >= 1
    assert now["rainer_queue_items"] == now["rainer_feeds_waiting"] == 0
    assert now["rainer_head_memory_bytes"] > 0
    meta, nowhere = "GET /{namespace}/{key}/meta", "none"
    assert now[f'rainer_requests_total{{route="{meta}",status="200"}}'] == 1
    assert now[f'rainer_requests_total{{route="{meta}",status="404"}}'] == 1
    assert now[f'rainer_requests_total{{route="{nowhere}",status="404"}}'] == 1
    assert now[f'rainer_request_seconds_count{{route="{meta}"}}'] == 2
    assert now['rainer_requests_total{route="GET /-/metrics",status="200"}'] == 1  # the one before this


def test_figures_cannot_be_multiplied_by_those_who_ask() -> None:
    with RainerServer() as server, Wire(server.url) as wire:
        before = set(figures(wire))
        for n in range(50):
            ask(server.url, "GET", f"/-/nothing-{n}")
            ask(server.url, "GET", f"/nowhere-{n}/k/meta")
            ask(server.url, f"{'PUT' if n % 2 else 'DELETE'}", f"/diary/k{n}")
        assert len(set(figures(wire)) - before) < 60
        server.stop()


# Health


def _ready(server: RainerServer) -> Answer:
    return ask(server.url, "GET", "/-/readyz")


@pytest.mark.parametrize("own", ["own_postgresql", "own_mariadb"])
@pytest.mark.parametrize("trouble", ["paused", "killed"])
def test_a_server_is_not_ready_while_its_database_is_away(
    own: str, trouble: str, request: pytest.FixtureRequest
) -> None:
    database: DatabaseService = request.getfixturevalue(own)
    pauses = trouble == "paused"
    away: Callable[[], None] = database.pause if pauses else database.kill
    back: Callable[[], None] = database.resume if pauses else database.start
    with RainerServer(database.create_database()) as server:
        assert commit(server.url, "k", 1).status == 200
        assert _ready(server).json() == {"status": "ready"}
        away()
        begun = time.monotonic()
        refused = _ready(server)
        took_s = time.monotonic() - begun
        print(f"{database.name} {trouble}: not ready after {took_s:.2f} s")
        assert refused.problem(503, "unavailable")["retryable"] is True
        assert refused.header("Retry-After") == "1"
        assert took_s < 8
        begun = time.monotonic()
        assert ask(server.url, "GET", "/-/healthz").status == 200
        assert ask(server.url, "GET", "/-/metrics").status == 200
        assert time.monotonic() - begun < 3
        back()
        wait_until(lambda: _ready(server).status == 200, 30, "readiness")
        assert ask(server.url, "GET", "/diary/k").status == 200
        wait_until(lambda: commit(server.url, "k", 2).status in (200, 409), 30, "a commit")
        assert ask(server.url, "GET", "/diary/k").header("X-Rainer-Version") == "2"
        server.stop()
        assert "Traceback" not in server.output, server.output[-4000:]


def test_status_says_where_the_journal_stands_and_hides_passwords(mariadb_url: str) -> None:
    with RainerServer(mariadb_url) as server:
        made = commit(server.url, "k", 1)
        status = ask(server.url, "GET", "/-/status").json()
        assert (status["revision"], status["lineage"], status["workers"]) == (1, made.header("X-Rainer-Lineage"), 1)
        assert re.fullmatch(r"[0-9a-f]{64}", status["chain"])
        assert status["uptime_s"] >= 0
        assert status["durability_faults"] == []
        assert "***" in status["database"]
        assert ":rainer@" not in json.dumps(status) + server.output
        server.stop()
