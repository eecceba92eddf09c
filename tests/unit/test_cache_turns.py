"""Whose turn it is to fetch: locks that are few, and keep nobody waiting for what he does not want."""

from __future__ import annotations

import os
from pathlib import Path

from rainer.cache.layout import Layout
from rainer.cache.turns import Turns

ONE, OTHER = "ab" + 62 * "0", "ab" + 62 * "1"


def test_who_wants_another_key_of_the_same_lock_goes_on_to_the_next(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "c", shared=False)
    turns = Turns(layout)
    layout.make()
    Path(f"{layout.tmp}/arriving.1").touch()
    with turns.take(ONE) as first:
        first.announce("arriving.1")
        with turns.take(OTHER) as second:
            second.announce("arriving.2")
            notes = {path.name: path.read_text().split() for path in (tmp_path / "c" / "locks").iterdir()}
    assert notes == {"ab": ["arriving.1", ONE], "ac": ["arriving.2", OTHER]}


def test_what_the_last_holder_fetched_is_not_taken_for_what_the_next_one_does(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "c", shared=False)
    turns = Turns(layout)
    layout.make()
    temporary = Path(layout.temporary("arriving"))
    temporary.touch()
    with turns.take(ONE) as turn:
        turn.announce(str(temporary))
    lock = os.open(f"{layout.locks}/ab", os.O_RDWR)
    try:
        assert turns._state(lock).key == ONE.encode()
        temporary.unlink()
        assert turns._state(lock).key == b""
    finally:
        os.close(lock)
