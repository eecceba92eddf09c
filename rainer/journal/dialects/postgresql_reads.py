"""Head reads and notifications on PostgreSQL, on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.engine import URL

from rainer.errors import UnavailableError
from rainer.journal.dialects.core import state_of
from rainer.journal.dialects.postgresql import CHANNEL, FAILURES, STATE, connect, translate_asyncpg
from rainer.journal.group import HeadKey
from rainer.journal.row import Row, State

log = logging.getLogger("rainer.journal")
_STATE_ONLY = f"SELECT {STATE} FROM journal WHERE id = 1"
# One statement is one snapshot: state and heads are of the same moment.
_STATE_AND_HEADS = (
    f"SELECT {', '.join('j.' + c.strip() for c in STATE.split(','))}, {', '.join('c.' + f for f in Row._fields)}"
    " FROM journal j LEFT JOIN (unnest($1::int[], $2::text[]) AS u(n, k)"
    " JOIN heads h ON h.namespace_id = u.n AND h.key = u.k JOIN commits c ON c.revision = h.revision)"
    " ON true WHERE j.id = 1"
)
_RECONNECT_S = 1.0


class PostgresqlHeads:
    """One connection for head reads; belongs to one event loop, one call at a time."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._connection: Any = None

    async def read(self, keys: Sequence[HeadKey]) -> tuple[State, list[Row]]:
        """The journal's state and the heads of these keys, of one moment."""
        fresh = self._connection is None or self._connection.is_closed()
        try:
            return await self._read(keys)
        except UnavailableError:
            if fresh:
                raise
            return await self._read(keys)  # the old connection died while it lay idle

    async def _read(self, keys: Sequence[HeadKey]) -> tuple[State, list[Row]]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._url)
        try:
            if not keys:
                return state_of(await self._connection.fetchrow(_STATE_ONLY)), []
            rows = await self._connection.fetch(_STATE_AND_HEADS, [k[0] for k in keys], [k[1] for k in keys])
        except FAILURES as e:
            self._connection.terminate()
            raise translate_asyncpg(e) from e
        if not rows:
            return state_of(None), []
        return state_of(tuple(rows[0])[:5]), [Row(*tuple(r)[5:]) for r in rows if r[5] is not None]

    async def close(self) -> None:
        if self._connection is not None and not self._connection.is_closed():
            with contextlib.suppress(Exception):
                await self._connection.close(timeout=2)


class PostgresqlListener:
    """Calls `notify` whenever any process commits a group; reconnects for as long as it runs."""

    def __init__(self, url: URL, notify: Callable[[], None]) -> None:
        self._url, self._notify = url, notify
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="rainer-listener")

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except Exception as e:  # whatever it is: without a listener, feeds here learn of others only by polling
                log.warning("no notifications from PostgreSQL, trying again: %s", e)
            self._notify()  # something may have been missed meanwhile
            await asyncio.sleep(_RECONNECT_S)

    async def _listen(self) -> None:
        connection = await connect(self._url)
        lost = asyncio.Event()
        connection.add_termination_listener(lambda *_: lost.set())
        try:
            await connection.add_listener(CHANNEL, lambda *_: self._notify())
            self._notify()
            await lost.wait()
        except FAILURES as e:
            raise translate_asyncpg(e) from e
        finally:
            connection.terminate()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
