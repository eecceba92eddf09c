"""A bound in time: calls that are done at once, that wait, that fail, that are too slow, that are cancelled."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from rainer.api.patience import within

LONG_S = 60.0


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(**arguments: Any) -> None:
        asyncio.run(test(**arguments))

    return run


def done() -> asyncio.Future[None]:
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


def done_soon() -> asyncio.Future[None]:
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, None)
    return future


def never() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("waiting", [[], [done], [done_soon], [done, done_soon, done_soon]])
@on_a_loop
async def test_the_call_brings_its_value(waiting: list[Callable[[], Awaitable[None]]]) -> None:
    async def call() -> str:
        for wait in waiting:
            await wait()
        return "value"

    assert await within(LONG_S, call()) == "value"


@pytest.mark.parametrize("waiting", [[], [done_soon]])
@on_a_loop
async def test_the_call_fails_in_its_own_way(waiting: list[Callable[[], Awaitable[None]]]) -> None:
    async def call() -> None:
        for wait in waiting:
            await wait()
        raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        await within(LONG_S, call())


@on_a_loop
async def test_a_failure_of_what_is_waited_for_reaches_the_call() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_exception, ConnectionError())

    async def call() -> str:
        try:
            await future
        except ConnectionError:
            return "caught"
        return "not reached"

    assert await within(LONG_S, call()) == "caught"


@on_a_loop
async def test_a_call_that_is_too_slow_ends() -> None:
    ended = []

    async def call() -> None:
        try:
            await never()
        finally:
            ended.append(True)

    with pytest.raises(TimeoutError):
        await within(0.01, call())
    assert ended == [True]


@on_a_loop
async def test_cancelling_is_no_time_out() -> None:
    begun = asyncio.Event()

    async def call() -> None:
        begun.set()
        await never()

    async def caller() -> None:
        await within(LONG_S, call())

    task = asyncio.create_task(caller())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
