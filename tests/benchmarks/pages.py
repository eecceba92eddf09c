"""The web page at many keys: the server's time for the list's first paint and for searches, as versions grow.

It is the server's own word, as its answers' Server-Timing has it; the client's clock says about the same.
"""

from __future__ import annotations

import http.client
import json
import re
import statistics
import time
from contextlib import closing
from typing import Final
from urllib.parse import urlsplit

from tests.benchmarks.load import Pace, WrongMeasure
from tests.benchmarks.peers import Rainer
from tests.benchmarks.report import Results

_CHANGESET: Final = 10_000
_GROWN: Final = 5
"""So many more versions has each of the keys that grow."""
_SHARE: Final = 10
"""One key in so many grows."""
_PATHS: Final = {
    "list": "/-/ui/diary",
    "sorted": "/-/ui/diary?sort=changed",
    "search": "/-/ui/diary?q=owner-000077",
    "common": "/-/ui/diary?q=timeout_ms",
}
_STATUS: Final = "/-/ui/-/status"
_MIRRORS: Final = 1_000
ROWS: Final = (*(f"pages/{name}" for name in _PATHS), "pages/grown", "pages/status")


def many_keys(pace: Pace, results: Results) -> None:
    """A list's first paint, its order by last change, and searches for what few and what all keys hold."""
    with Rainer() as ours:
        for start in range(0, pace.heads, _CHANGESET):
            _commit(ours, range(start, min(start + _CHANGESET, pace.heads)), 1)
        _ask(ours, _PATHS["search"])  # the first search reads all heads
        found = {name: [_ask(ours, path) for _ in range(pace.rounds)] for name, path in _PATHS.items()}
        for version in range(2, 2 + _GROWN):
            _commit(ours, range(0, pace.heads, _SHARE), version)
        _ask(ours, _PATHS["search"])
        grown = [statistics.mean(_ask(ours, path) for path in _PATHS.values()) for _ in range(pace.rounds)]
        for name, figures in found.items():
            results.record(f"pages/{name}", figures, note=f"{pace.heads:,} keys, the server's time")
        before = [statistics.mean(one) for one in zip(*found.values(), strict=True)]
        results.record("pages/grown", grown, before, note=f"one key in {_SHARE} has {_GROWN} versions more")
        results.record(
            "pages/status", _statuses(ours, pace), note=f"{_MIRRORS:,} mirrors that report, the server's time"
        )


def _statuses(ours: Rainer, pace: Pace) -> list[float]:
    """The server's milliseconds for the status with many mirrors; each round they report anew."""
    one = {"host": "h", "pid": 1, "lineage": "", "revision": 0, "namespace": "diary", "via": "http"}
    found = []
    for _ in range(pace.rounds):
        now_ms = time.time_ns() // 1_000_000
        followers = [one | {"id": f"m{number}", "time_ms": now_ms} for number in range(1, _MIRRORS)]
        body = json.dumps(one | {"id": "top", "time_ms": now_ms, "followers": followers})
        with closing(_connection(ours)) as connection:
            connection.request("PUT", "/-/mirrors/top", body, {"Content-Type": "application/json"})
            connection.getresponse().read()
        found.append(_ask(ours, _STATUS, "Mirrors"))
    return found


def _commit(ours: Rainer, numbers: range, version: int) -> None:
    commits = [
        {
            "key": f"service-{n % 997:03d}.setting-{n:06d}", "version": version,
            "payload_utf8": f'{{"timeout_ms": {n + version}, "owner": "owner-{n:06d}", "why": "{"x" * 150}"}}',
        }
        for n in numbers
    ]  # fmt: skip
    body = json.dumps({"author": "bench", "comment": "to be found", "commits": commits})
    with closing(_connection(ours)) as connection:
        connection.request("POST", "/-/changesets", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise WrongMeasure(f"a changeset was answered {answer.status}: {answer.read()[:500]!r}")


def _ask(ours: Rainer, path: str, sign: str = "service-") -> float:
    """The server's milliseconds for a page."""
    with closing(_connection(ours)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        told = re.search(r"dur=([\d.]+)", answer.headers.get("Server-Timing", ""))
        if answer.status != 200 or told is None or sign not in text:
            raise WrongMeasure(f"{path} was answered {answer.status}")
        return float(told[1])


def _connection(ours: Rainer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(ours.url).netloc, timeout=120)
