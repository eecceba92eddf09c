"""Slow work for pages: a few at a time, the rest waits without a thread, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from rainer.errors import OverloadedError
from rainer.service.slow_work import AT_ONCE, SlowWork


def test_no_more_than_a_few_work_at_once_and_all_get_their_turn() -> None:
    async def play() -> tuple[int, list[int]]:
        slow, go_on = SlowWork(), asyncio.Event()
        running = most = 0

        async def in_thread(work: Callable[[], int]) -> int:
            nonlocal running, most
            running += 1
            most = max(most, running)
            if running == AT_ONCE:
                go_on.set()
            await go_on.wait()
            running -= 1
            return work()

        found = await asyncio.gather(*(slow.run(in_thread, lambda n=n: n) for n in range(7)))
        return most, found

    assert asyncio.run(play()) == (AT_ONCE, list(range(7)))


def test_who_waits_too_long_is_told_so_and_takes_nobodys_turn() -> None:
    async def play() -> int:
        slow, go_on = SlowWork(patience_s=0.01), asyncio.Event()

        async def waits(work: Callable[[], int]) -> int:
            await go_on.wait()
            return work()

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(slow.run(waits, int))
            await asyncio.sleep(0)
            with pytest.raises(OverloadedError, match="large texts"):
                await slow.run(waits, int)
            go_on.set()
        return await slow.run(waits, lambda: 7)

    assert asyncio.run(play()) == 7
