"""Signs of life to a client that has sent everything and waits: interim answers, while work goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")
STILL_THERE: Final = "rainer.still_there"
"""The ASGI extension under which the server below says how to give such a sign; HTTP/1.1 only."""
INTERIM: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
"""Not 102, which says it better: Python's http.client, and requests with it, takes any other for the last answer."""
_EVERY_S: Final = 20.0
"""A third of the minute that clients and proxies wait for a byte. Older clients in Go stand five signs, and no more."""


async def giving_signs(scope: Any, work: Coroutine[Any, Any, T]) -> T:
    """What some work brings; whoever waits for it hears every 20 s that it goes on, where the server below can say so.

    For requests whose body was read to its end. The work must have an end of its own: nobody gives it up here.
    """
    sign = (scope.get("extensions") or {}).get(STILL_THERE)
    if sign is None:
        return await work
    working = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait([working], timeout=_EVERY_S))[0]:
            sign()
    except asyncio.CancelledError:
        working.cancel()
        raise
    return working.result()
