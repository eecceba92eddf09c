"""Reports of mirrors: read strictly, forgotten in time, shared among workers, and turned into lags."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from rainer import limits
from rainer.cli.waiting import Share
from rainer.errors import InvalidError, OverloadedError
from rainer.journal.lags import Standing, Standings
from rainer.model.mirror_report import report_of
from rainer.model.published import Report
from rainer.service import mirrors
from rainer.service.mirror_list import Lag, lag_of
from rainer.service.mirrors import MirrorReports

REPORT = Report("m1", "web1", 7, "one", 5, 1_000, "http", namespace="diary")


def test_a_report_is_read_back() -> None:
    told = replace(REPORT, rejected={"k": "why"}, error="oh", followers=[asdict(replace(REPORT, id="m2"))])
    assert report_of(asdict(told)) == told


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "a/b"}, {"id": ""}, {"id": ".."}, {"id": 5}, {"host": None}, {"pid": -1}, {"pid": True},
        {"revision": 2**63}, {"revision": "5"}, {"rejected": []}, {"followers": [5]}, {"followers": {}},
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        report_of(asdict(REPORT) | wrong)


def test_long_texts_are_cut() -> None:
    many = {f"k{n}": "why" * 1_000 for n in range(limits.MIRROR_REJECTED_MAX + 1)}
    found = report_of(asdict(REPORT) | {"rejected": many, "error": "x" * 10_000, "host": "h" * 999, "more": 1})
    assert len(found.rejected) == limits.MIRROR_REJECTED_MAX
    assert (len(found.error), len(found.host)) == (500, 255)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_mirror_that_is_overdue_is_called_silent() -> None:
    clock = Clock()
    reports = MirrorReports(clock=clock)
    reports.put(replace(REPORT, followers=[asdict(replace(REPORT, id="m2"))]))
    clock.now += limits.MIRROR_OVERDUE_S - 0.1
    assert {found.state for found in reports.all()} == {"current"}
    clock.now += 0.2
    assert {found.id: found.state for found in reports.all()} == {"m1": "silent", "m2": "current"}
    assert "nothing was heard" in next(found.error for found in reports.all() if found.id == "m1")


def test_silence_is_forgotten_and_the_newest_word_counts() -> None:
    clock = Clock()
    reports = MirrorReports(clock=clock)
    reports.put(REPORT)
    reports.put(replace(REPORT, revision=6, time_ms=2_000, followers=[asdict(replace(REPORT, id="m2", namespace=""))]))
    assert [(r.id, r.revision, r.namespace) for r in reports.all()] == [("m1", 6, "diary"), ("m2", 5, "diary")]
    clock.now += limits.MIRROR_SILENCE_S - 0.1
    assert len(reports.all()) == 2
    clock.now += 0.2
    assert reports.all() == []
    reports.put(REPORT)
    reports.drop("diary", "m1")
    reports.drop("diary", "never")
    assert reports.all() == []


def test_there_is_room_for_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MIRRORS_MAX", 3)
    reports = MirrorReports()
    reports.put(replace(REPORT, followers=[asdict(replace(REPORT, id="m2"))]))
    reports.put(replace(REPORT, id="m3"))
    with pytest.raises(OverloadedError):
        reports.put(replace(REPORT, id="m4"))
    reports.put(replace(REPORT, id="m3", revision=9))
    reports.drop("diary", "m1")
    reports.put(replace(REPORT, id="m4"))


def test_workers_share_and_the_last_one_to_hear_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    first, second = (MirrorReports(str(tmp_path), clock) for _ in range(2))

    def share(reports: MirrorReports, pid: int) -> list[tuple[str, int]]:
        monkeypatch.setattr(mirrors.os, "getpid", lambda: pid)
        reports.share()
        return [(r.id, r.revision) for r in reports.all()]

    first.put(REPORT)
    share(first, 1)
    assert share(second, 2) == [("m1", 5)]
    clock.now += 1
    second.put(replace(REPORT, revision=6, time_ms=500))
    share(second, 2)
    assert share(first, 1) == [("m1", 6)]
    clock.now += 1
    first.drop("diary", "m1")
    share(first, 1)
    assert share(second, 2) == []
    (tmp_path / "mirrors-9.json").write_text("half")
    (tmp_path / "mirrors-8.json").write_text('[["diary", "m9", 101.5, {"id": 5}]]')
    assert share(second, 2) == []


@pytest.mark.parametrize(
    ("revision", "lineage", "lag"),
    [(5, "one", Lag(4, 2.0)), (9, "one", Lag(0, 0.0)), (12, "one", Lag(0, 0.0)), (5, "two", Lag())],
)
def test_a_lag_is_behind_the_namespace_and_not_the_journal(revision: int, lineage: str, lag: Lag) -> None:
    told = Standings("one", 20, {"diary": Standing(9, {5: 8_000})})
    assert lag_of(replace(REPORT, revision=revision, lineage=lineage), told, 10_000) == lag


@pytest.mark.parametrize(
    ("text", "mirrors", "wanted"),
    [("95%", 20, 19), ("95%", 3, 3), ("100%", 7, 7), ("0.1%", 3, 1), ("95%", 0, 0), ("3", 10, 3), ("33.3%", 3, 1)],
)
def test_a_share_of_the_mirrors(text: str, mirrors: int, wanted: int) -> None:
    assert Share.parse(text).of(mirrors) == wanted


@pytest.mark.parametrize("text", ["", "0", "0%", "101%", "-5%", "many", "5 %%", "1e3"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(InvalidError, match="no share"):
        Share.parse(text)
