"""Waiting for a condition, bounded: the one place in the tests that is allowed to sleep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_PAUSE_S = 0.01


def wait_until(condition: Callable[[], T], timeout_s: float, what: str | Callable[[], str]) -> T:
    """Return the first truthy answer of `condition`; raise TimeoutError that says `what` did not happen in time.

    `what` may be a function, so that the error can describe the state at the end and not the one at the start.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            text = what() if callable(what) else what
            raise TimeoutError(f"not within {timeout_s:g} s: {text}")
        time.sleep(_PAUSE_S)


async def until(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """The same on an event loop, which goes on meanwhile."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {timeout_s:g} s: {what}")
        await asyncio.sleep(_PAUSE_S)


async def begun(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task that has come as far as it comes without waiting."""
    first_step = asyncio.Event()

    async def run() -> T:
        first_step.set()
        return await work

    task = asyncio.create_task(run())
    await first_step.wait()
    return task
