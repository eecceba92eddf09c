"""kill -9 at every step of all that writes to a cache: nothing broken, nothing kept lost, nobody kept waiting."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.cache_deaths import ACTIONS
from tests.faults.cache_tasks import end, finish, start

pytestmark = pytest.mark.faults
_STRIDE = 8


@pytest.mark.parametrize("actions", [tuple(ACTIONS)[n : n + 2] for n in range(0, len(ACTIONS), 2)], ids=" and ".join)
def test_a_cache_outlives_every_death(tmp_path: Path, seed: int, thorough: bool, actions: tuple[str, ...]) -> None:
    stride, chance = 1 if thorough else _STRIDE, random.Random(seed)
    running = {}
    try:
        for number, action in enumerate(actions):  # as many at a time as a small machine has processors
            first = chance.randrange(1, stride + 1)
            root = tmp_path / str(number)
            running[action] = start("deaths", root=root, action=action, first=first, stride=stride)
        for number, action in enumerate(actions):
            (found,) = finish(running.pop(action), 110)
            if not found["died"]:  # it has fewer steps than were passed over
                running[action] = start("deaths", root=tmp_path / f"{number}-again", action=action, first=1, stride=1)
                (found,) = finish(running.pop(action), 110)
            assert found["wrong"] == []
            assert found["died"] >= (5 if thorough else 1) or action == "give a second name", f"{action!r} had no steps"
    finally:
        for process in running.values():
            end(process)
