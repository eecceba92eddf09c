"""How often an identity may ask: a bucket of questions each, which fills at a steady rate."""

from __future__ import annotations

import math
import time
from typing import Final

from rainer.errors import RateLimited

_BUCKETS_MAX: Final = 10_000


class Rates:
    """For one thread. `per_s` questions a second in the long run, `burst` at once; 0 a second is no limit at all."""

    def __init__(self, per_s: int, burst: int = 0) -> None:
        self.per_s, self.burst = per_s, max(burst, per_s, 1)
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, who: str, now_s: float | None = None) -> None:
        """Count one question of somebody's; RateLimited, with the seconds until the next one, where none is left."""
        if not self.per_s:
            return
        now_s = time.monotonic() if now_s is None else now_s
        left, then_s = self._buckets.get(who, (float(self.burst), now_s))
        left = min(self.burst, left + (now_s - then_s) * self.per_s)
        if left < 1:
            self._buckets[who] = (left, now_s)
            raise RateLimited(
                f"more than {self.per_s} calls a second",
                hint="ask less often: follow the feed instead of polling",
                retry_after_s=max(1, math.ceil((1 - left) / self.per_s)),
            )
        if who not in self._buckets and len(self._buckets) >= _BUCKETS_MAX:
            self._forget_full(now_s)
        self._buckets[who] = (left - 1, now_s)

    def _forget_full(self, now_s: float) -> None:
        """A full bucket says no more than none; if all are in use, the one used longest ago goes."""
        full = [
            who for who, (left, then_s) in self._buckets.items() if left + (now_s - then_s) * self.per_s >= self.burst
        ]
        for who in full or [min(self._buckets, key=lambda one: self._buckets[one][1])]:
            del self._buckets[who]
