"""Files whose digest is known before: found by it, or fetched once and verified."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rainer.cache.arrivals import Asked
from rainer.cache.blobs import Found
from rainer.cache.failures import not_cached, not_fetched, told
from rainer.cache.names import name_of_uri, safe_name
from rainer.cache.parts import Parts
from rainer.cache.turns import Turn
from rainer.errors import CredentialsError, InvalidError, MissingExtra, RainerError, StoreUnavailable, UnavailableError
from rainer.store.store import Ahead, Progress, shown

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def checked_digest(sha256: str) -> str:
    """A SHA-256 in lower-case hex; InvalidError for anything else, since paths are made of it."""
    digest = str(sha256).lower()
    if not _DIGEST.fullmatch(digest):
        raise InvalidError(f"{sha256!r} is no SHA-256", hint="64 hex digits are wanted")
    return digest


class Pinned:
    """The way to a file by its digest. For any number of threads."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def get(self, uri: str, sha256: str, size: int | None, name: str | None, progress: Progress | None) -> Path:
        """What `AssetCache.get` does when the file was not given out before."""
        return self.find(uri, sha256, size, name) or self.fetch(uri, sha256, size, name, progress)

    def fetch(self, uri: str, sha256: str, size: int | None, name: str | None, progress: Progress | None) -> Path:
        """The file that was not here a moment ago."""
        digest, file = checked_digest(sha256), _called(uri, name)
        with told(self._parts.layout.root):
            found = self._parts.flights.share((digest, file), lambda: self._fetch(uri, digest, size, file, progress))
            if size not in (None, found.size):  # who led said another size, and right
                found = self._parts.blobs.find(digest, file, size) or found
        return self._parts.warm.put((sha256, name or uri), found, digest)

    def begin(self, uri: str, sha256: str, size: int, name: str | None) -> Callable[[Progress | None], Path] | None:
        """Ask for a small file that is not here, and fetch it when what is returned is called, which it must be; None
        where it is better fetched at once. So its way is spent on others. Waits for nobody who might wait for us."""
        parts, digest, file = self._parts, checked_digest(sha256), _called(uri, name)
        if parts.why_not is not None:
            return None
        key = digest, file
        flight = parts.flights.lead(key)
        if flight is None:
            return None
        begun = None
        try:
            begun = self._ask_ahead(uri, digest, size, file)
        except (OSError, RainerError):
            pass  # who fetches it says so
        finally:
            if begun is None:
                parts.flights.give_up(key, flight)
        if begun is None:
            return None
        turn, ahead = begun

        def fetch(progress: Progress | None) -> Found:
            try:
                return self._fetch(uri, digest, size, file, progress, turn, ahead)
            finally:
                ahead.close()

        def end(progress: Progress | None) -> Path:
            with told(parts.layout.root):
                found = parts.flights.end(key, flight, lambda: fetch(progress))
            return parts.warm.put((sha256, name or uri), found, digest)

        return end

    def _ask_ahead(self, uri: str, digest: str, size: int, file: str) -> tuple[Turn, Ahead] | None:
        parts = self._parts
        store = parts.stores.for_uri(uri)
        turn = parts.turns.take_now(digest)
        if turn is None:
            return None
        ahead = None
        try:
            if not os.path.isdir(parts.layout.blob_folder(digest)):  # noqa: PTH112 - else it is looked at more closely
                ahead = store.ahead(uri)
        finally:
            if ahead is None:
                turn.end()
        return None if ahead is None else (turn, ahead)

    def find(self, uri: str, sha256: str, size: int | None, name: str | None) -> Path | None:
        """The file if it is here, leased and marked as used."""
        digest = checked_digest(sha256)
        with told(self._parts.layout.root):
            found = self._parts.blobs.find(digest, _called(uri, name), size)
        return None if found is None else self._parts.warm.put((sha256, name or uri), found, digest)

    def peek(self, sha256: str, size: int | None, name: str | None) -> Path | None:
        """What `AssetCache.peek` does when the file was not given out before."""
        digest = checked_digest(sha256)
        with told(self._parts.layout.root):
            found = self._parts.blobs.find(digest, safe_name(name) if name else None, size)
        return None if found is None else self._parts.warm.put((sha256, name), found, digest)

    def _fetch(
        self, uri: str, digest: str, size: int | None, file: str, progress: Progress | None,
        begun: Turn | None = None, ahead: Ahead | None = None,
    ) -> Found:  # fmt: skip
        parts, path = self._parts, self._parts.blobs.path(digest, file)
        if parts.why_not is not None:
            parts.note_missing(uri)
            raise not_cached(uri, path, *parts.why_not)
        try:
            store = parts.stores.for_uri(uri)
            with begun or parts.turns.take(digest) as turn:
                # Somebody else may have been first, or it came under another name.
                found = parts.blobs.find(digest, file, size) if ahead is None else None
                if found is not None:
                    return found
                asked = Asked(store, uri, file, digest, size, None, progress, ahead)
                arrived = parts.arrivals.fetch(asked, turn)
        except (StoreUnavailable, CredentialsError, MissingExtra) as e:
            parts.note_missing(uri)
            raise not_fetched(uri, path, e) from e
        if arrived is None:
            raise UnavailableError(
                f"{shown(uri)} came as not modified, which nobody asked", hint="what lies between is broken"
            )
        return arrived.found


def _called(uri: str, name: str | None) -> str:
    return safe_name(name) if name else name_of_uri(uri)
