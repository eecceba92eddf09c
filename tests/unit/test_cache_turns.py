"""Whose turn it is to fetch: locks that are few, and keep nobody waiting for what he does not want."""

from __future__ import annotations

from pathlib import Path

from rainer.cache.layout import Layout
from rainer.cache.turns import Turns

ONE, OTHER = "ab" + 62 * "0", "ab" + 62 * "1"


def test_who_wants_another_key_of_the_same_lock_goes_on_to_the_next(tmp_path: Path) -> None:
    turns = Turns(Layout(tmp_path / "c", shared=False))
    with turns.take(ONE) as first:
        first.announce("arriving.1")
        with turns.take(OTHER) as second:
            second.announce("arriving.2")
            notes = {path.name: path.read_text().split() for path in (tmp_path / "c" / "locks").iterdir()}
    assert notes == {"ab": ["arriving.1", ONE], "ac": ["arriving.2", OTHER]}


def test_a_lock_that_is_let_go_says_nothing_of_its_last_holder(tmp_path: Path) -> None:
    turns = Turns(Layout(tmp_path / "c", shared=False))
    with turns.take(ONE) as turn:
        turn.announce("arriving.1")
    assert (tmp_path / "c" / "locks" / "ab").read_text().strip() == ""
