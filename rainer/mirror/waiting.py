"""Waiting for what a mirror is to hold."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Final

from rainer.errors import UnavailableError
from rainer.mirror.feed import Feed
from rainer.mirror.standing import Standing

log = logging.getLogger("rainer.mirror")

_DISK_PATIENCE_S: Final = 2.0
"""How long a start waits for a source that says nothing, if a snapshot on disk will do instead."""


class NotYet(UnavailableError, TimeoutError):
    """What was waited for did not come in time, or cannot come any more."""


class Waiting:
    """Waits on what a feed brings; each method may be called by many threads at once."""

    def __init__(self, feed: Feed, standing: Standing) -> None:
        self._feed = feed
        self._standing = standing

    def until(self, is_there: Callable[[], bool], timeout_s: float | None, what: str) -> None:
        """Wait for something to be there, as seen under the mirror's lock; NotYet."""
        name, standing = self._feed.namespace, self._standing
        with self._feed.changed:
            self._feed.changed.wait_for(lambda: standing.is_closed or is_there(), timeout_s)
            if is_there():
                return
            if standing.is_closed:
                raise NotYet(f"the mirror of {name} was closed before it had {what}")
            why = f": {standing.error}" if standing.error else ""
            raise NotYet(f"the mirror of {name} had not {what} within {timeout_s:g} s{why}")

    def for_load(self, where: str, timeout_s: float | None) -> None:
        """Wait until what is held is complete, or as good as a snapshot on disk; NotYet."""
        standing, changed = self._standing, self._feed.changed
        begun = time.monotonic()
        settle = begun + _DISK_PATIENCE_S
        deadline = float("inf") if timeout_s is None else begun + timeout_s
        with changed:
            while not standing.is_complete:
                now = time.monotonic()
                if standing.is_closed:
                    raise NotYet("the mirror was closed while it started")
                if standing.is_loaded and (standing.error is not None or now >= min(settle, deadline)):
                    self._say_stale()
                    return
                if now >= deadline:
                    raise self._nothing(where, timeout_s)
                until = min(settle, deadline) if standing.is_loaded else deadline
                changed.wait(None if until == float("inf") else until - now)

    def _say_stale(self) -> None:
        age_s, why = self._standing.age_s, self._standing.error or "its source does not answer yet"
        # What a source has just handed over is of no known age while nobody vouches for it.
        held = "what its source holds, which may be old" if math.isinf(age_s) else f"a state that is {age_s:.0f} s old"
        if self._feed.is_from_disk:
            held = f"its snapshot on disk, {age_s:.0f} s old"
        log.warning("namespace %s starts from %s: %s", self._feed.namespace, held, why)

    def _nothing(self, where: str, timeout_s: float | None) -> NotYet:
        why = self._standing.error
        return NotYet(
            f"nothing to mirror came from {where} within {timeout_s:g} s" + (f": {why}" if why else ""),
            hint=getattr(why, "hint", None) or "is it running? With snapshot= a mirror starts without it",
        )
