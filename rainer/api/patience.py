"""A bound in time that costs nothing where nobody has to wait."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


@types.coroutine
def within(seconds: float, call: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """What a call brings; TimeoutError if it is not done by then.

    A call that never waits gets no timer: setting and cancelling one costs more than taking a body that is there.
    """
    try:
        waits_for = call.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    return (yield from _timed(seconds, call, waits_for).__await__())


async def _timed(seconds: float, call: Coroutine[Any, Any, T], waits_for: Any) -> T:
    async with asyncio.timeout(seconds):
        return await _go_on(call, waits_for)


@types.coroutine
def _go_on(call: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    """The rest of a call that was begun and waits for something; what it is sent or thrown goes through."""
    try:
        while True:
            try:
                sent = yield waits_for
            except BaseException as thrown:
                waits_for = call.throw(thrown)
            else:
                waits_for = call.send(sent)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
