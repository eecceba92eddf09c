"""How far a mirror can be trusted right now: how it stands, and how long ago its source was known to be current."""

from __future__ import annotations

import math
import time
from typing import Final

from rainer import limits
from rainer.errors import RainerError
from rainer.model import times

STALE_AFTER_S: Final = 3 * limits.FEED_BEAT_S
"""A mirror whose source has not been known to be current for so long is stale, whatever else it knows."""


class Standing:
    """Written under the mirror's lock, read by anybody."""

    def __init__(self) -> None:
        self.is_started = False
        self.is_loaded = False
        self.is_complete = False
        self.is_closed = False
        self.error: RainerError | None = None
        self._current_at: float | None = None

    @property
    def age_s(self) -> float:
        """Seconds since what is held was last known to be all there is; infinite where it never was."""
        at = self._current_at
        return math.inf if at is None else max(0.0, time.monotonic() - at)

    @property
    def current_ms(self) -> int | None:
        """The same moment on the wall clock, in milliseconds since 1970."""
        age_s = self.age_s
        return None if math.isinf(age_s) else times.now_ms() - int(age_s * 1000)

    @property
    def state(self) -> str:
        """One word; see Mirror.state."""
        if self.is_closed:
            return "closed"
        if not self.is_loaded:
            return "starting" if self.is_started else "new"
        if self.is_complete and self.error is None and self.age_s <= STALE_AFTER_S:
            return "current"
        return "stale"

    def be_current(self, at_ms: int | None) -> None:
        """What is held was all there is at that moment (now, by default); an earlier moment changes nothing."""
        ago_s = 0.0 if at_ms is None else max(0.0, (times.now_ms() - at_ms) / 1000)
        at = time.monotonic() - ago_s
        if self._current_at is None or at > self._current_at:
            self._current_at = at
