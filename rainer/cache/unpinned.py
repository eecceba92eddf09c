"""Files whose digest nobody told: what their URL last was, checked again from time to time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rainer.cache.arrivals import Asked
from rainer.cache.blobs import Found
from rainer.cache.failures import log, not_cached, not_fetched, told
from rainer.cache.names import name_of_uri, safe_name
from rainer.cache.parts import Parts
from rainer.cache.refs import Ref, digest_of_uri
from rainer.cache.turns import Turn
from rainer.errors import CredentialsError, DeniedError, MissingExtra, RainerError, StoreUnavailable, UnavailableError
from rainer.store.store import Progress, Store, shown

AWAY_S: Final = 30.0
"""A store that did not answer is not asked again for so long about files that the cache has."""


class Cached(NamedTuple):
    """A file of the cache for a URL without a digest. `is_stale`: it was to be checked again and could not be."""

    path: Path
    sha256: str
    size: int
    etag: str | None
    is_stale: bool = False


class _Wish(NamedTuple):
    """One call's arguments; `begun` is when it was made (seconds since 1970)."""

    uri: str
    file: str
    force: bool
    immutable: bool
    progress: Progress | None
    begun: float


class Unpinned:
    """The way to a file by its URL. For any number of threads."""

    def __init__(self, parts: Parts, timeout_s: float, immutable: Sequence[str]) -> None:
        self._parts = parts
        self.timeout_s: Final = timeout_s
        self.immutable: Final = tuple(immutable)
        self._away: dict[str, float] = {}
        self._warned: set[str] = set()

    def get(
        self, uri: str, *, name: str | None, force_check: bool, immutable: bool, progress: Progress | None
    ) -> Cached:
        """What `AssetCache.get_unpinned` does."""
        file = safe_name(name) if name else name_of_uri(uri)
        wish = _Wish(uri, file, force_check, immutable, progress, time.time())
        with told(self._parts.layout.root):
            ref = self._parts.refs.get(uri)
            if ref is not None and not force_check and self._is_fresh(ref, immutable):
                found = self._local(ref, file)
                if found is not None:
                    return found
            return self._parts.asking.share((uri, file, force_check), lambda: self._ask(wish))

    def is_outdated(self, ref: Ref) -> bool:
        """Whether the store is to be asked before the file is given out again."""
        return not self._is_fresh(ref, immutable=False)

    def _is_fresh(self, ref: Ref, immutable: bool) -> bool:
        if not ref.checked_at:
            return False  # invalidated
        return immutable or ref.uri.startswith(self.immutable) or ref.age_s() <= self.timeout_s

    def _local(self, ref: Ref, file: str) -> Cached | None:
        key = ref.sha256, file, ref.uri
        warm = self._parts.warm.get(key, ref.size)
        if warm is not None:
            return Cached(warm.path, ref.sha256, ref.size, ref.etag)
        found = self._parts.blobs.find(ref.sha256, file, ref.size)
        if found is None:
            return None
        return self._given(found, ref, file)

    def _given(self, found: Found, ref: Ref, file: str) -> Cached:
        path = self._parts.warm.put((ref.sha256, file, ref.uri), found, ref.sha256)
        return Cached(path, ref.sha256, ref.size, ref.etag)

    def _ask(self, wish: _Wish) -> Cached:
        """Ask the store, or serve what is here if that cannot be."""
        parts = self._parts
        if parts.why_not is not None:
            return self._serve(wish, not_cached(wish.uri, self._looked_at(wish), *parts.why_not), None)
        store = None
        try:
            store = parts.stores.for_uri(wish.uri)
            if not wish.force and time.monotonic() < self._away.get(store.url, 0.0):
                here = self._here(wish)
                if here is not None:
                    return self._stale(wish, here, "its store did not answer a moment ago")
            with parts.turns.take(digest_of_uri(wish.uri)) as turn:
                return self._revalidate(wish, store, turn)
        except (StoreUnavailable, CredentialsError, MissingExtra) as e:
            if store is not None:
                self._away[store.url] = time.monotonic() + AWAY_S
            return self._serve(wish, not_fetched(wish.uri, self._looked_at(wish), e), e)

        except DeniedError as e:  # the folder cannot be written, or the store refuses what it gave before
            here = self._here(wish)
            if here is None:
                raise
            return self._stale(wish, here, e.message)

    def _revalidate(self, wish: _Wish, store: Store, turn: Turn) -> Cached:
        parts, uri = self._parts, wish.uri
        ref = parts.refs.get(uri)
        here = None if ref is None else self._local(ref, wish.file)
        if ref is not None and here is not None:
            # While this one waited, another may have asked.
            is_checked = ref.checked_at >= wish.begun if wish.force else self._is_fresh(ref, wish.immutable)
            if is_checked:
                return here
        etag = None if ref is None or here is None else ref.etag
        begun = time.time()
        asked = Asked(store, uri, wish.file, if_none_match=etag, progress=wish.progress)
        arrived = parts.arrivals.fetch(asked, turn)
        self._warned.discard(uri)
        self._away.pop(store.url, None)
        if arrived is None:
            if ref is None or here is None:
                raise UnavailableError(f"{shown(uri)} is said to be what it was, and was nothing", hint="ask again")
            parts.refs.put(ref._replace(checked_at=begun))
            return here
        ref = Ref(uri, arrived.sha256, arrived.found.size, wish.file, arrived.etag, begun, begun)
        parts.refs.put(ref)
        return self._given(arrived.found, ref, wish.file)

    def _here(self, wish: _Wish) -> Cached | None:
        ref = self._parts.refs.get(wish.uri)
        return None if ref is None else self._local(ref, wish.file)

    def _serve(self, wish: _Wish, error: RainerError, cause: RainerError | None) -> Cached:
        """What is here although it could not be checked; raises the error if nothing is."""
        here = self._here(wish)
        if here is not None:
            return self._stale(wish, here, (cause or error).message)
        self._parts.note_missing(wish.uri)
        raise error from cause

    def _stale(self, wish: _Wish, here: Cached, why: str) -> Cached:
        if wish.uri not in self._warned:
            self._warned.add(wish.uri)
            log().warning("%s is served as it was last known, from %s: %s", shown(wish.uri), here.path, why)
        return here._replace(is_stale=True)

    def _looked_at(self, wish: _Wish) -> str:
        """The local path at which the file, or what is known of it, would be."""
        ref = self._parts.refs.get(wish.uri)
        return self._parts.refs.path(wish.uri) if ref is None else self._parts.blobs.path(ref.sha256, wish.file)
