"""How often an identity may ask: so many calls a second in the long run, and some more at once."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Final, Protocol

from rainer.access.shared_times import SharedTimes
from rainer.errors import RateLimited

_KNOWN_MAX: Final = 10_000
_ROUNDING_S: Final = 1e-6


class Rates:
    """For one thread. `per_s` questions a second in the long run, `burst` at once; 0 a second is no limit at all.

    Of each who asks one moment is kept: when what he has asked would all have been asked at that steady rate. It may
    lie so far ahead as a burst takes. With `shared`, a file of `SharedTimes`, several processes count together.
    """

    def __init__(self, per_s: int, burst: int = 0, shared: Path | None = None) -> None:
        self.per_s, self.burst = per_s, max(burst, per_s, 1)
        self._times: Times = _OwnTimes() if shared is None or not per_s else SharedTimes(shared)

    def take(self, who: str, now_s: float | None = None) -> None:
        """Count one question of somebody's; RateLimited, with the seconds until the next one, where none is left."""
        if not self.per_s:
            return
        now_s = time.monotonic() if now_s is None else now_s
        until_s = now_s + self.burst / self.per_s
        asked_s = max(self._times.get(who), now_s) + 1 / self.per_s
        if asked_s > until_s + _ROUNDING_S:
            raise RateLimited(
                f"more than {self.per_s} calls a second",
                hint="ask less often: follow the feed instead of polling",
                retry_after_s=max(1, math.ceil(asked_s - until_s)),
            )
        self._times.put(who, asked_s, now_s)


class Times(Protocol):
    """A moment for each who asked lately; 0.0 of who did not."""

    def get(self, who: str) -> float: ...

    def put(self, who: str, time_s: float, now_s: float) -> None: ...


class _OwnTimes:
    """Those of this process."""

    def __init__(self) -> None:
        self._known: dict[str, float] = {}

    def get(self, who: str) -> float:
        return self._known.get(who, 0.0)

    def put(self, who: str, time_s: float, now_s: float) -> None:
        if who not in self._known and len(self._known) >= _KNOWN_MAX:
            self._forget(now_s)
        self._known[who] = time_s

    def _forget(self, now_s: float) -> None:
        """A moment that is past says no more than none; if none is, the earliest goes."""
        past = [who for who, time_s in self._known.items() if time_s <= now_s]
        for who in past or [min(self._known, key=self._known.__getitem__)]:
            del self._known[who]
