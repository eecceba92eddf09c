"""The hour that a server keeps of itself, and what the status says of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rainer.api.pages.charting import charts, round_up
from rainer.api.pages.verdict import judged, seconds, verdicts
from rainer.model.published import Report
from rainer.service.last_hour import SAMPLES_MAX, LastHour, Sample
from rainer.service.mirror_list import Lag, Listed
from rainer.service.watching import Database, Seen, ZooKeeperSign, sample_of

MINUTE_MS = 60_000
CURRENT = Lag(0, 0.0)
NOW_MS = 1_000_000 * MINUTE_MS + 30_000
HEALTHY = Seen(NOW_MS, Database("sqlite:///x", "sqlite", 1.0, 5), ZooKeeperSign("zk:2181", "/rainer", True, "1f", ""))
TREE: dict[str, Any] = {
    "namespace": "diary", "state": "publishing", "error": "", "oldest_unpublished_s": 0.0, "leader": "a:1",
    "unpublishable": {}, "repaired": 0,
}  # fmt: skip


def sample(ago_s: float, revision: int | None = 0, **figures: Any) -> Sample:
    empty: dict[str, Any] = {"lag_s": {}, "unpublished_s": {}, "repaired": {}}
    return Sample(NOW_MS - int(1000 * ago_s), revision, **(empty | figures))


def listed(name: str, lag: Lag = CURRENT, **members: Any) -> Listed:
    report = Report(name, "host", 7, "L", 5, NOW_MS, namespace="diary")
    return Listed(replace(report, **members), lag)


def test_minutes_are_made_of_samples() -> None:
    hour = LastHour()
    hour.add(sample(150, 10, repaired={"diary": 3}))
    hour.add(sample(80, 25, lag_s={"diary": 2.5, "secret": 90.0}, repaired={"diary": 4}))
    hour.add(sample(75, None, unpublished_s={"diary": 1.0}))
    hour.add(sample(5, 27, repaired={"diary": 4, "secret": 9}))
    found = hour.minutes(NOW_MS, lambda name: name == "diary")
    assert len(found) == 60
    assert [one.is_known for one in found[-4:]] == [False, True, True, True]
    assert [one.commits for one in found[-3:]] == [0, 15, 2]
    assert (found[-2].lag_s, found[-2].unpublished_s, found[-2].repaired) == (2.5, 1.0, 1)
    assert found[-1].repaired == 0
    assert hour.minutes(NOW_MS, lambda name: True)[-1].repaired == 9


def test_an_hour_takes_no_more_room_than_an_hour() -> None:
    hour = LastHour()
    for number in range(3 * SAMPLES_MAX):
        hour.add(sample(10 * (3 * SAMPLES_MAX - number), number))
    found = hour.minutes(NOW_MS, lambda name: True)
    assert sum(one.commits for one in found) in range(350, 361)
    assert hour.minutes(NOW_MS + 2 * 60 * MINUTE_MS, lambda name: True)[0].is_known is False


def test_another_journal_counts_no_commits_backwards() -> None:
    hour = LastHour()
    hour.add(sample(20, 1000, repaired={"diary": 5}))
    hour.add(sample(10, 3, repaired={"diary": 1}))
    assert (hour.minutes(NOW_MS, lambda name: True)[-1][2:]) == (0, 0.0, 0.0, 0)


def test_bars_are_measured_by_a_round_number_and_say_the_exact_one() -> None:
    hour = LastHour()
    hour.add(sample(0, 0, lag_s={"diary": 3.2}))
    lag, unpublished, *_ = charts(hour.minutes(NOW_MS, lambda name: True), has_zookeeper=True)
    assert (lag.top, lag.bars[-1].height) == ("5.0 s", 38.4)
    assert lag.bars[-1].title.endswith("UTC: 3.2 s")
    assert lag.summary.startswith("at most 3.2 s, at ")
    assert unpublished.summary == "always 0.0 s; now 0.0 s"
    assert [round_up(n) for n in (0.3, 1, 1.1, 7, 21, 600)] == [1, 1, 2, 10, 50, 1000]
    assert [seconds(n) for n in (0.44, 12.2, 200, 9000)] == ["0.4 s", "12 s", "3 min", "2 h"]


def test_all_is_well_where_nothing_is_wrong() -> None:
    some = judged([listed("a"), listed("b")])
    assert verdicts(HEALTHY, [TREE], some)[0][:2] == ("good", "All is well: 2 of 2 mirrors have every commit")
    late = judged([listed("a"), listed("b", Lag(2, 1.2))])
    words = verdicts(HEALTHY, [TREE], late)[0].words
    assert words == "All is well: 1 of 2 mirrors have every commit, no other lacks 1.2 s"
    assert "no mirror reports" in verdicts(HEALTHY, [TREE], [])[0].words


@pytest.mark.parametrize(
    ("mirror", "words"),
    [
        (listed("m", Lag(12, 33.0)), "1 mirror of 2 is behind: m of diary (12 revisions, 33 s behind)"),
        (listed("m", state="silent", error="nothing was heard of it for 7 s"), "m of diary (nothing was heard of it"),
        (listed("m", state="behind", error="refused"), "m of diary (refused"),
        (listed("m", Lag()), "m of diary (it holds another history"),
        (listed("m", rejected={"k": "why"}), "1 mirror of 2 is not whole: m of diary (1 key not taken)"),
        (listed("m", state="loading"), "m of diary (loading"),
    ],
)
def test_mirrors_in_trouble_are_named_first(mirror: Listed, words: str) -> None:
    some = judged([listed("a"), mirror])
    assert some[0].listed is mirror
    found = verdicts(HEALTHY, [TREE], some)[0]
    assert words in found.words
    assert found.next.startswith("Begin with process 7 on host" if found.level == "bad" else ("Below it", "They are"))


def test_what_is_worst_is_said_first_and_what_to_do() -> None:
    away = replace(HEALTHY, zookeeper=ZooKeeperSign("zk:2181", "/rainer", False, "", "no answer", NOW_MS))
    found = verdicts(away, [TREE | {"state": "away"}], judged([listed("m", state="silent")]))
    assert "ZooKeeper cannot be reached since" in found[0].words
    assert "commits go on, mirrors show what they had" in found[0].words
    assert "zk:2181" in found[0].next
    assert found[1].next == "Those that follow ZooKeeper catch up when it is back."
    dead = replace(HEALTHY, database=Database("sqlite:///x", error="locked", since_ms=NOW_MS))
    assert "The database has not answered since" in verdicts(dead, [], [])[0].words
    ended = replace(HEALTHY, database=Database(refusal="the committer ended", faults=("fsync is off",)))
    assert [one.level for one in verdicts(ended, [], [])] == ["bad", "warn"]


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({"state": "refused", "error": "another history"}, "bad", "diary is not published: another history"),
        ({"state": "failing", "error": "no"}, "bad", "Publishing diary fails: no"),
        ({"oldest_unpublished_s": 12.0}, "bad", "Commits of diary have waited 12 s to be published by a:1"),
        ({"unpublishable": {"k": "why"}}, "warn", "1 key of diary cannot be published"),
    ],
)
def test_a_publisher_in_trouble_is_named(change: dict[str, Any], level: str, words: str) -> None:
    assert verdicts(HEALTHY, [TREE | change], [])[0][:2] == (level, words)


def test_a_sample_keeps_what_there_is_to_tell() -> None:
    trees = [TREE | {"repaired": 2, "oldest_unpublished_s": 0.5}, TREE | {"namespace": "quiet"}]
    mirrors = [listed("a", Lag(1, 0.5)), listed("b", Lag(3, 4.0)), listed("c", Lag())]
    found = sample_of(replace(HEALTHY, trees=trees, mirrors=mirrors))
    assert found == Sample(NOW_MS, 5, {"diary": 4.0}, {"diary": 0.5}, {"diary": 2})
