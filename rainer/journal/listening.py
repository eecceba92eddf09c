"""Hearing that the journal moved, without an event loop of one's own: where the database tells."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Engine

from rainer.journal.dialects.opening import dialect_of


class Listening:
    """Runs a database's listener on a loop in a thread, until `close`."""

    def __init__(self, listener: Any) -> None:
        self._listener = listener
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rainer-listening", daemon=True)
        self._thread.start()
        self._loop.call_soon_threadsafe(self._listener.start)

    def close(self) -> None:
        """End the listener, its loop and its thread."""
        asyncio.run_coroutine_threadsafe(self._listener.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def listen(engine: Engine, notify: Callable[[], None]) -> Listening | None:
    """Call `notify`, from another thread, whenever any process commits; None where the journal must be polled instead.

    A call may be one too many, or missing while the database is away: poll now and then all the same.
    """
    if not dialect_of(engine).notifies:
        return None
    from rainer.journal.dialects.postgresql_reads import PostgresqlListener

    return Listening(PostgresqlListener(engine.url, notify))
