"""kill -9 at every step of all that writes to a cache: nothing broken, nothing kept lost, nobody kept waiting."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.cache_deaths import ACTIONS
from tests.faults.cache_tasks import finish, start

pytestmark = pytest.mark.faults
_STRIDE = 9


def test_a_cache_outlives_every_death(tmp_path: Path, seed: int, thorough: bool) -> None:
    stride = 1 if thorough else _STRIDE
    chance = random.Random(seed)
    running = []
    for number, action in enumerate(ACTIONS):
        first = 1 if thorough else chance.randrange(1, _STRIDE + 1)
        running.append(
            (action, start("deaths", root=tmp_path / str(number), action=action, first=first, stride=stride))
        )
        if len(running) == 2:  # as many as a small machine runs side by side
            _end_one(running, thorough)
    while running:
        _end_one(running, thorough)


def _end_one(running: list, thorough: bool) -> None:
    action, process = running.pop(0)
    (found,) = finish(process, 110)
    assert found["wrong"] == []
    assert found["died"] >= (10 if thorough else 1), f"{action!r} took hardly any step"
