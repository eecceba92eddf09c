"""Load: writers that never rest, while a test does to the servers what it came for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.faults.history import Attempt, History, Outcome
from tests.faults.writer import Writer
from tests.services.waiting import wait_until

WRITERS = 12
KEYS = 4
PATIENCE_S = 90


class Load:
    """12 writers on 4 keys for as long as the `with` block runs; `history` is what they were told.

    Every server is home to as many of them; `roaming` is how often they ask another one for no reason.
    """

    def __init__(self, servers: Sequence[str], seed: int, *, timeout_s: float = 5.0, roaming: float = 0.1) -> None:
        self._ended = threading.Event()
        keys = [f"key-{number}" for number in range(1, KEYS + 1)]
        self._writers = [
            Writer(
                f"writer-{n}", _beginning_at(servers, n), keys, seed=seed + n, timeout_s=timeout_s, roaming=roaming,
                ended=self._ended,
            )
            for n in range(1, WRITERS + 1)
        ]  # fmt: skip

    @property
    def history(self) -> History:
        """All that is known by now."""
        return History.joined([writer.history for writer in self._writers])

    def acknowledged(self, *, server: str = "", after: float = 0.0) -> list[Attempt]:
        """Acknowledged attempts, of one server or all, that were begun after a moment."""
        return [
            attempt
            for attempt in self.history.attempts
            if attempt.outcome is Outcome.ACKED and attempt.begun > after and server in ("", attempt.server)
        ]

    def wait_for_commits(self, count: int, *, server: str = "") -> None:
        """Return once so many more commits are acknowledged than now."""
        before = len(self.acknowledged(server=server))
        wait_until(
            lambda: len(self.acknowledged(server=server)) >= before + count,
            PATIENCE_S,
            lambda: f"{count} more commits through {server or 'any server'}; so far {self.history}",
        )

    def __enter__(self) -> Self:
        for writer in self._writers:
            writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for writer in self._writers:
            writer.join()


def _beginning_at(servers: Sequence[str], number: int) -> list[str]:
    start = number % len(servers)
    return [*servers[start:], *servers[:start]]
