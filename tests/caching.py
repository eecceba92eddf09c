"""What tests of the cache share: a store in memory that counts and can be broken, and a clock for last uses."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

from rainer.cache import AssetCache
from rainer.store.memory import MemoryStore
from rainer.store.opening import Stores
from rainer.store.store import Reading

URL = "memory://assets"


def digest(data: bytes) -> str:
    """The SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


class OwnStore(MemoryStore):
    """Objects in memory, of which it counts the readings; `failure` is raised instead of an answer."""

    def __init__(self, url: str = URL) -> None:
        super().__init__(url)
        self.opened: list[str] = []
        self.not_modified = 0
        self.failure: Exception | None = None
        self.blocked: threading.Event | None = None
        self.came = threading.Event()
        self._mutex = threading.Lock()

    def open(
        self, uri: str, *, start: int = 0, end: int | None = None, if_none_match: str | None = None,
        if_match: str | None = None,
    ) -> Reading | None:  # fmt: skip
        with self._mutex:
            self.opened.append(uri)
        self.came.set()
        if self.blocked is not None:
            assert self.blocked.wait(20)
        if self.failure is not None:
            raise self.failure
        reading = super().open(uri, start=start, end=end, if_none_match=if_none_match, if_match=if_match)
        self.not_modified += reading is None
        return reading

    def set(self, name: str, data: bytes) -> str:
        """Store an object; its URI."""
        uri = self.uri(name)
        self.put(uri, data)
        return uri


def cache_of(store: OwnStore, directory: Path, **options: object) -> AssetCache:
    """A cache that asks this store."""
    return AssetCache(directory, stores=Stores(extra=[store]), **options)  # type: ignore[arg-type]


def used_before(path: Path, seconds: float) -> None:
    """Let a file of a cache be one that was last used so long ago (negative: in the future)."""
    at = time.time() - seconds
    os.utime(path.parent, (at, at))
