"""Signs of life, judged without trust in two clocks being equal."""

from __future__ import annotations

from rainer.mirror.freshness import Freshness, read_beat
from rainer.model.published import Beat

NOW = 1_800_000_000_000


def beat(time_ms: int, **members: int) -> Beat:
    return Beat(time_ms, 1, "me", **members)


def test_the_first_look_believes_clocks_that_agree() -> None:
    assert Freshness().judge(beat(NOW - 1_000), (1, 1), NOW) == NOW - 1_000
    assert Freshness().judge(beat(NOW + 1_000), (1, 1), NOW) == NOW
    assert Freshness().judge(beat(NOW - 60_000), (1, 1), NOW) is None
    assert Freshness().judge(beat(NOW + 60_000), (1, 1), NOW) is None
    assert Freshness().judge(None, (0, 1), NOW) is None


def test_a_beat_that_moves_counts_whatever_its_clock_says() -> None:
    fresh = Freshness()
    fresh.judge(beat(NOW - 3_600_000), (1, 1), NOW)
    assert fresh.judge(beat(NOW - 3_598_000), (2, 1), NOW + 1_500) == NOW
    assert fresh.judge(beat(NOW + 9_000_000), (3, 1), NOW + 3_000) == NOW + 3_000


def test_a_beat_between_two_looks_has_its_own_time() -> None:
    fresh = Freshness()
    fresh.judge(beat(NOW), (1, 1), NOW)
    assert fresh.judge(beat(NOW + 700), (2, 1), NOW + 1_500) == NOW + 700


def test_what_does_not_move_grows_old_and_then_says_nothing() -> None:
    fresh = Freshness()
    for later_ms in (0, 1_500, 9_900):
        assert fresh.judge(beat(NOW), (1, 1), NOW + later_ms) == NOW
    assert fresh.judge(beat(NOW), (1, 1), NOW + 10_100) is None
    assert fresh.judge(beat(NOW + 10_500), (2, 1), NOW + 11_000) == NOW + 10_500


def test_a_head_that_moves_is_a_sign_of_life_too() -> None:
    fresh = Freshness()
    assert fresh.judge(None, (0, 1), NOW) is None
    assert fresh.judge(None, (0, 2), NOW + 1_500) == NOW + 1_500


def test_a_publisher_behind_its_journal_vouches_for_no_more_than_that() -> None:
    assert Freshness().judge(beat(NOW - 100, oldest_ms=NOW - 5_000), (1, 1), NOW) == NOW - 5_000


def test_a_beat_that_nobody_can_read_is_none() -> None:
    assert read_beat(None) is None
    assert read_beat(b"garbage") is None
    assert read_beat(b'{"time_ms":"1","revision":1,"who":"me"}') is None
    assert read_beat(beat(5).to_bytes()) == beat(5)
