"""How often, how fast and until when a call is tried again."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from rainer.errors import InvalidError


@dataclass(frozen=True, slots=True)
class Retries:
    """At most `times` repetitions of a call, with pauses that double from `pause_s` to `pause_max_s`, half by chance.

    A server's Retry-After makes a pause longer, never shorter. `times` 0 means: one attempt.
    """

    times: int = 5
    pause_s: float = 0.05
    pause_max_s: float = 2.0

    def __post_init__(self) -> None:
        if self.times < 0 or self.pause_s < 0 or self.pause_max_s < self.pause_s:
            raise InvalidError(f"{self}: times and pauses are not negative, and pause_max_s is not below pause_s")

    def pause_after(self, attempt: int, retry_after_s: float = 0.0) -> float:
        """Seconds to wait after the attempt of that number, counted from 1."""
        # Half of it random: clients that failed together must not come back together.
        longest = min(self.pause_max_s, self.pause_s * 2.0 ** min(attempt - 1, 30))
        return max(retry_after_s, longest * random.uniform(0.5, 1.0))


@dataclass(frozen=True, slots=True)
class Patience:
    """The bounds of one call: `deadline` (of time.monotonic) over all attempts, the others for each."""

    deadline: float
    connect_s: float
    read_s: float

    def left_s(self) -> float:
        return self.deadline - time.monotonic()

    def attempt_bounds(self) -> tuple[float, float]:
        """Connect and read timeouts of the next attempt, in seconds; never zero, which is no timeout to a socket."""
        left = max(self.left_s(), 0.001)
        return min(self.connect_s, left), min(self.read_s, left)


def rest(pause_s: float, patience: Patience) -> bool:
    """Wait, and say True; or say False at once where the deadline would pass meanwhile."""
    if pause_s >= patience.left_s():
        return False
    time.sleep(pause_s)
    return True
