"""What keeps a follower's sets beyond its life: pins in the cache, and the manifest that is remembered beside it."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from typing import Final

from rainer.assets.remembered import Remembered
from rainer.cache import AssetCache
from rainer.errors import RainerError
from rainer.model.commit import Commit

log = logging.getLogger("rainer.assets")

RENEW_S: Final = 86_400.0
PIN_S: Final = 30 * RENEW_S
"""How long the sets of a service that is gone are kept; then they are as any other file that nobody used."""


class KeptSets:
    """The live set and the one before it. For the thread that follows."""

    def __init__(self, cache: AssetCache, key: str, label: str, remembered: Remembered | None) -> None:
        self._cache = cache
        self._key = key
        self._label = label
        self._remembered = remembered
        self._pinned: dict[str, Collection[str]] = {}
        self._renew_at = time.monotonic() + RENEW_S

    def remembered(self) -> dict[str, Commit] | None:
        """The commits of the set that was live when a program last followed; None where nobody knows."""
        return None if self._remembered is None else self._remembered.load()

    def switch(self, commits: Mapping[str, Commit], live: Collection[str], previous: Collection[str] | None) -> None:
        """Pin and remember. Whenever this is cut short, what is remembered is pinned, under one label or the other."""
        if previous is not None:
            self._pinned["previous"] = previous
            self._pin("previous")
        self._pinned["live"] = live
        self._pin("live")
        if self._remembered is not None:
            self._remembered.save(commits)

    def renew(self) -> None:
        """Say once a day that somebody still lives who wants these: pins that nobody renews end."""
        if time.monotonic() >= self._renew_at:
            self._renew_at = time.monotonic() + RENEW_S
            for what in list(self._pinned):
                self._pin(what)

    def _pin(self, what: str) -> None:
        try:
            self._cache.pin(f"{self._label} {what}", self._pinned[what], for_s=PIN_S)
        except (OSError, RainerError) as e:
            log.info("the assets of manifest %s cannot be pinned: %s", self._key, e)
