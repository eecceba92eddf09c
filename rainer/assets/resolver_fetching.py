"""From resolved assets to local files, by way of the cache."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from rainer.assets.locks import ForkedLock
from rainer.assets.resolver_view import Resolved
from rainer.cache import AssetCache, Wanted
from rainer.cache.many import each
from rainer.errors import AssetNotFound, RainerError
from rainer.store.store import Progress, shown

log = logging.getLogger("rainer.assets")

THREADS: Final = 8


class Fetcher:
    """Fetches into one cache, and tells in the log what a user should know: overrides, and what nothing vouches for.

    Thread-safe. An object without a digest is trusted when it is first fetched, and from then on held to what it was.
    """

    def __init__(self, cache: AssetCache) -> None:
        self.cache = cache
        self._trusted: dict[str, tuple[str, int]] = {}
        self._told: set[str] = set()
        self._lock = ForkedLock()

    def fetch(self, wanted: Resolved, progress: Progress | None = None) -> Path:
        """The local file. Raises what AssetCache.get does, and AssetNotFound for an override that is not there."""
        if wanted.sha256 is not None:
            return self.cache.get(
                wanted.uri, sha256=wanted.sha256, size=wanted.size, name=wanted.name, progress=progress
            )  # fmt: skip
        if wanted.override is not None:
            return self._overridden(wanted)
        return self._unvouched(wanted, progress)

    def _overridden(self, wanted: Resolved) -> Path:
        self.warn(wanted)
        if not wanted.is_local:
            return self.cache(wanted.uri)
        path = Path(wanted.override or "")
        if not path.exists():
            raise AssetNotFound(
                f"{wanted.path} is overridden by {path}, which is not there",
                hint="put the file there, or take the override out of the manifest", path=wanted.path,
            )  # fmt: skip
        return path

    def warn(self, wanted: Resolved) -> None:
        """Say once for each path that it is overridden, if it is."""
        if wanted.override is not None and self._is_news(f"{wanted.path} {wanted.override}"):
            log.warning("asset %s is OVERRIDDEN by %s: no version, no digest", wanted.path, shown(wanted.override))

    def _is_news(self, what: str) -> bool:
        with self._lock:
            if what in self._told:
                return False
            self._told.add(what)
            return True

    def _unvouched(self, wanted: Resolved, progress: Progress | None) -> Path:
        known = self._trusted.get(wanted.uri)
        if known is not None:
            return self.cache.get(
                wanted.uri, sha256=known[0], size=known[1], name=wanted.name, progress=progress
            )  # fmt: skip
        # A version never changes, so what the cache has of it is not to be checked again.
        found = self.cache.get_unpinned(wanted.uri, name=wanted.name, immutable=True, progress=progress)
        self._trusted[wanted.uri] = found.sha256, found.size
        if self._is_news(wanted.uri):
            log.info("%s has no digest in its manifest: SHA-256 %s is taken on trust", shown(wanted.uri), found.sha256)
        return found.path

    def known(self, wanted: Resolved) -> tuple[str, int] | None:
        """SHA-256 and size of an object, from its entry or as they were when it was fetched."""
        if wanted.sha256 is not None and wanted.size is not None:
            return wanted.sha256, wanted.size
        return self._trusted.get(wanted.uri)

    def digest(self, wanted: Resolved) -> str | None:
        """The SHA-256 of an object, as far as it is known by now."""
        return wanted.sha256 or self._trusted.get(wanted.uri, (None,))[0]

    def fetch_many(
        self, wanted: Iterable[Resolved], progress: Progress | None = None
    ) -> Iterator[tuple[Resolved, Path | RainerError]]:
        """Each asset with its file or why there is none, as they come, several at a time."""
        pinned: dict[Wanted, Resolved] = {}
        others: dict[Wanted, Resolved] = {}
        for one in wanted:
            if one.sha256 is not None:
                pinned[Wanted(one.uri, one.sha256, one.size, one.name)] = one
            else:
                others[Wanted(one.path)] = one  # two paths may be overridden by one URL
        for done, result in self.cache.get_many(pinned, progress=progress):
            yield pinned[done], result
        for done, result in each(others, lambda _: None, lambda key: self.fetch(others[key], progress), THREADS):
            yield others[done], result
