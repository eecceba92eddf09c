"""The contract of clients is true where a machine can tell: codes, statuses, routes, bounds, vectors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rainer import errors
from rainer.api.app import ROUTES
from rainer.api.problems import STATUS
from rainer.client import Retries
from rainer.client.client import Client
from rainer.mirror import backlog, freshness, http_source, saver, snapshot, standing
from tests.unit.vectors import _FOLDER

TEXT = (Path(__file__).resolve().parents[2] / "clients" / "README.md").read_text("utf-8")
_ROW = re.compile(
    r"^\| `(?P<code>[a-z-]+)` \| (?P<cls>\w+)[^|]* \| (?P<status>\d+)[^|]* \| (?P<again>yes|no) \|$", re.M
)
_ROUTE = re.compile(r"`(GET|POST|PUT|DELETE|PATCH|HEAD) (/[^`? …]*)")
_BOUND = re.compile(r"^\| (?P<what>[^|`]+) \| (?P<value>[\d.]+) \|$", re.M)


def default_of(name: str) -> float:
    return float(Client.__init__.__kwdefaults__[name])


BOUNDS = {
    "whole call, s": default_of("timeout_s"),
    "connect, s": default_of("connect_timeout_s"),
    "silence of the server, s": default_of("read_timeout_s"),
    "repetitions": default_of("retries"),
    "first pause, s": Retries().pause_s,
    "longest pause, s": Retries().pause_max_s,
    "event stream's silence, s": http_source.SILENCE_S,
    "stale after, s": standing.STALE_AFTER_S,
    "publisher's silence, ms": freshness.SILENT_MS,
    "changes merged over": backlog.CHANGES_MAX,
    "pause between snapshots, s": saver.PAUSE_S,
    "snapshot's clock ahead, ms": snapshot._AHEAD_MS_MAX,
}


def test_every_error_stands_in_the_table_as_it_is() -> None:
    found = {row["code"]: row for row in _ROW.finditer(TEXT)}
    assert list(found) != []
    assert found.keys() == errors.BY_CODE.keys()
    for code, cls in errors.BY_CODE.items():
        row = found[code]
        status = next(STATUS[base] for base in cls.__mro__ if base in STATUS)
        assert (row["cls"], int(row["status"]), row["again"] == "yes") == (cls.__name__, status, cls.retryable), code


def test_every_call_named_exists() -> None:
    routes = {(method, path) for method, path, *_ in ROUTES}
    named = {(method, path.partition("&")[0]) for method, path in _ROUTE.findall(TEXT)}
    assert len(named) > 12
    assert named <= routes
    files = {(method, path) for method, path in routes if path.startswith("/-/store/")}
    operators = {("GET", f"/-/{name}") for name in ("healthz", "readyz", "metrics", "openapi.json")}
    assert routes - named == files | operators


def test_every_file_of_vectors_is_named_here_and_in_their_readme() -> None:
    files = {path.name for path in _FOLDER.glob("*.json")}
    assert set(re.findall(r"`(\w+\.json)`", TEXT)) == files
    assert set(re.findall(r"^\| `(\w+\.json)` \|", (_FOLDER / "README.md").read_text("utf-8"), re.M)) == files


@pytest.mark.parametrize("what", BOUNDS)
def test_a_bound_is_the_programs(what: str) -> None:
    assert float({row["what"]: row["value"] for row in _BOUND.finditer(TEXT)}[what]) == BOUNDS[what]


def test_all_bounds_are_compared() -> None:
    assert {row["what"] for row in _BOUND.finditer(TEXT)} == BOUNDS.keys()


def test_its_version_is_the_newest_of_its_changes() -> None:
    version = re.search(r"^Contract version (\d+)\.", TEXT, re.M)
    changes = re.findall(r"[vV]ersion (\d+):", TEXT)
    assert version is not None
    assert int(version[1]) == max(map(int, changes))
    assert len(TEXT.splitlines()) <= 175
