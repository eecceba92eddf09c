"""Whose turn it is to fetch: told by the temporary file of a key, which is its lock."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from rainer.cache import turns as turns_module
from rainer.cache.layout import Layout
from rainer.cache.turns import Turns

ONE, OTHER = "ab" + 62 * "0", "ab" + 62 * "1"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "c", shared=False)
    layout.make()
    return layout


def _there(layout: Layout) -> list[str]:
    return sorted(path.name for path in Path(layout.tmp).iterdir())


def test_keys_wait_for_none_but_their_own(layout: Layout) -> None:
    turns = Turns(layout)
    with turns.take(ONE), turns.take(OTHER), turns.take(None) as third:
        assert _there(layout) == sorted([f"{ONE}.0", f"{OTHER}.0", Path(third.path).name])
    assert _there(layout) == []


def test_the_next_has_its_turn_when_the_first_has_ended_and_a_file_of_its_own(layout: Layout) -> None:
    turns, went, target = Turns(layout), threading.Event(), Path(layout.root) / "target"

    def wait() -> None:
        with Turns(layout).take(ONE) as second:
            os.write(second.number, b"second")
            went.set()

    waiting = threading.Thread(target=wait)
    with turns.take(ONE) as first:
        os.write(first.number, b"first")
        waiting.start()
        assert not went.wait(0.05)
        Path(first.path).rename(target)
        first.is_moved = True
    waiting.join()
    assert went.is_set()
    assert target.read_bytes() == b"first"
    assert _there(layout) == []


def test_what_a_dead_one_left_is_removed_and_never_written_to(layout: Layout) -> None:
    left = Path(f"{layout.tmp}/{ONE}.0")
    left.write_bytes(b"left")
    with left.open("rb") as file, Turns(layout).take(ONE) as turn:
        assert turn.path == str(left)
        assert os.fstat(turn.number).st_size == 0
        os.write(turn.number, b"new")
        assert file.read() == b"left"


def test_who_stands_still_is_passed_over(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "STALLED_S", 0.02)
    with Turns(layout).take(ONE) as first, Turns(layout).take(ONE) as second:
        assert (first.path, second.path) == (f"{layout.tmp}/{ONE}.0", f"{layout.tmp}/{ONE}.1")


def test_a_file_that_is_locked_before_its_maker_locks_it_is_not_his(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits may take it for a dead one's, and removes it."""
    begin, looking = layout.open, []

    def opened(path: str, flags: int) -> int:
        number = begin(path, flags)
        if not looking and path.endswith(f"{ONE}.0"):
            looking.append(os.open(path, os.O_RDWR))
            fcntl.flock(looking[0], fcntl.LOCK_EX)
            Path(path).unlink()
            threading.Timer(0.02, os.close, (looking[0],)).start()
        return number

    monkeypatch.setattr(layout, "open", opened)
    with Turns(layout).take(ONE) as turn:
        assert os.path.samestat(Path(turn.path).stat(), os.fstat(turn.number))
