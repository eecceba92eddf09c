"""Lists of many heads: the time against the bare database query, and the server's memory while it streams.

Measured is the list that was asked for before, for that is what pollers do; beside it the first one after a start, and
one after a commit.
"""

from __future__ import annotations

import http.client
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import psutil
import psycopg

from tests.benchmarks.load import PAYLOAD_BYTES, Pace, WrongMeasure
from tests.benchmarks.peers import Rainer
from tests.benchmarks.report import Results
from tests.benchmarks.rounds import interleave
from tests.services.postgresql import PostgreSQL

# What a list answers with, in the one query that finds it; no order, for a JSON object needs none.
_BARE: Final = (
    "SELECT c.key, c.version, c.author, c.comment, c.mtime_ms, c.is_empty{payload}"
    " FROM heads h JOIN commits c ON c.revision = h.revision WHERE h.namespace_id = 1"
)
_CHANGESET: Final = 10_000
_READ_BYTES: Final = 1 << 20
_SAMPLE_S: Final = 0.005
_MIB: Final = 2**20
_MIDDLE: Final = "service-500.setting-000500"
_PATHS: Final = {"bare": "/diary", "payload": "/diary?payload_utf8=yes"}


def rows(name: str) -> tuple[str, ...]:
    """The rows of the table that hold a database's lists."""
    return tuple(f"list/{name}/{form}{state}" for form in _PATHS for state in ("", "/cold", "/changed"))


def on_postgresql(pace: Pace, results: Results) -> None:
    """Lists on PostgreSQL, against psycopg."""
    with PostgreSQL() as database:
        url = database.create_database()
        with Rainer(url) as ours, closing(psycopg.connect(url, autocommit=True)) as connection:
            _fill(ours, pace.heads)
            # Autovacuum would do this within its minute; both sides then have the plan they have in real life.
            connection.execute("VACUUM ANALYZE")
            _compare(ours, connection, pace, results, "postgresql")
            _compare_unknown(ours, connection, pace.without_target(), results, "postgresql")
            _weigh(ours, pace, results, "memory/postgresql")


def on_sqlite(pace: Pace, results: Results) -> None:
    """Lists on SQLite, against Python's sqlite3."""
    with Rainer() as ours:
        _fill(ours, pace.heads)
        with closing(sqlite3.connect(ours.data_dir / "journal.db")) as connection:
            _compare(ours, connection, pace, results, "sqlite")
            _compare_unknown(ours, connection, pace.without_target(), results, "sqlite")
        _weigh(ours, pace, results, "memory/sqlite")


def _key(number: int) -> str:
    return f"service-{number % 997:03d}.setting-{number:06d}"


def _fill(ours: Rainer, heads: int) -> None:
    keys = [_key(n) for n in range(heads)]
    for start in range(0, heads, _CHANGESET):
        ours.fill(keys[start : start + _CHANGESET])


def _compare(ours: Rainer, connection: Any, pace: Pace, results: Results, name: str) -> None:
    for form, path in _PATHS.items():
        measures = {
            "ours": partial(_timed_ms, partial(_list, ours, path)),
            "bare": partial(_timed_ms, partial(_fetch, connection, form, pace.heads)),
        }
        _check_whole(ours, path, pace.heads)
        interleave(measures, 1)  # as warm as they will ever be
        found = interleave(measures, pace.rounds)
        note = f"{pace.heads:,} heads, {_list(ours, path) / _MIB:.1f} MiB of JSON"
        results.record(f"list/{name}/{form}", found["ours"], found["bare"], note)


def _compare_unknown(ours: Rainer, connection: Any, pace: Pace, results: Results, name: str) -> None:
    """The list of which a server remembers nothing, and the one of which a commit has taken a part."""
    for form, path in _PATHS.items():
        timed = partial(_timed_ms, partial(_list, ours, path))
        measures = {
            "cold": partial(_after, ours.restart, timed),
            "changed": partial(_after, partial(_commit_one, ours), timed),
            "bare": partial(_timed_ms, partial(_fetch, connection, form, pace.heads)),
        }
        found = interleave(measures, pace.rounds)
        for state in ("cold", "changed"):
            results.record(f"list/{name}/{form}/{state}", found[state], found["bare"])


def _after(prepare: Callable[[], object], measure: Callable[[], float]) -> float:
    prepare()
    return measure()


def _commit_one(ours: Rainer) -> None:
    """The next version of a key in the middle; the list has as many heads as before."""
    with closing(_connection(ours)) as connection:
        connection.request("GET", f"/diary/{_MIDDLE}")
        answer = connection.getresponse()
        answer.read()
        version = int(answer.headers["X-Rainer-Version"]) + 1
        headers = {"X-Rainer-Author": "bench", "X-Rainer-Comment": "to be read"}
        connection.request("POST", f"/diary/{_MIDDLE}/{version}", b"x" * PAYLOAD_BYTES, headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise WrongMeasure(f"a commit was answered {answer.status}: {answer.read()!r}")


def _timed_ms(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1000


def _fetch(connection: Any, form: str, heads: int) -> None:
    query = _BARE.format(payload=", c.payload" if form == "payload" else "")
    with closing(connection.cursor()) as cursor:
        found = len(cursor.execute(query).fetchall())
    if found != heads:
        raise WrongMeasure(f"the bare query found {found} heads, not {heads}")


def _list(ours: Rainer, path: str) -> int:
    """Read a list to its end and throw it away; its bytes."""
    with closing(_connection(ours)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        size = 0
        while portion := answer.read(_READ_BYTES):
            size += len(portion)
        return size


def _check_whole(ours: Rainer, path: str, heads: int) -> None:
    with closing(_connection(ours)) as connection:
        connection.request("GET", path)
        found = len(json.loads(connection.getresponse().read()))
    if found != heads:
        raise WrongMeasure(f"the list has {found} heads, not {heads}")


def _connection(ours: Rainer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(ours.url).netloc, timeout=120)


def _weigh(ours: Rainer, pace: Pace, results: Results, name: str) -> None:
    """The memory that a list takes, twice over, in a server that was just started and has answered a short one."""
    ours.restart()
    _list(ours, f"{_PATHS['payload']}&limit=1")
    before = _resident(ours.pid)
    whole = partial(_list, ours, _PATHS["payload"])
    peak = _peak_while(ours.pid, lambda: (whole(), whole()))
    note = f"resident {before / _MIB:.0f} MiB before, {peak / _MIB:.0f} MiB at its most; with payloads"
    results.record(name, [(peak - before) / _MIB], note=note)


def _resident(pid: int) -> int:
    return int(psutil.Process(pid).memory_info().rss)


def _peak_while(pid: int, call: Callable[[], object]) -> int:
    """The most resident memory of a process, looked at every few milliseconds while `call` runs."""
    seen = [_resident(pid)]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_SAMPLE_S):
            seen.append(_resident(pid))

    watcher = threading.Thread(target=watch, name="memory")
    watcher.start()
    try:
        call()
    finally:
        ended.set()
        watcher.join()
    return max([*seen, _resident(pid)])
