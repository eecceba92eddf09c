"""Snapshots: assets that stay as they are, files included, for as long as somebody holds them."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from rainer.assets.locks import ForkedLock
from rainer.assets.resolver_fetching import Fetcher
from rainer.assets.resolver_reading import ReadableAssets
from rainer.assets.resolver_versions import Versions
from rainer.assets.resolver_view import Resolved, View
from rainer.cache import Hold
from rainer.errors import InvalidError, RainerError
from rainer.store.store import Progress


class _SharedHold:
    """A hold that ends when the last of those who share it drops it; where the last was forgotten, soon after."""

    def __init__(self, hold: Hold, user: object) -> None:
        self._hold = hold
        self._users = weakref.WeakSet((user,))
        self._lock = ForkedLock()

    def share(self, user: object) -> _SharedHold:
        with self._lock:
            self._users.add(user)
        return self

    def drop(self, user: object) -> None:
        with self._lock:
            self._users.discard(user)
            is_last = not self._users
        if is_last:
            self._hold.close()


class KeepingFetcher(Fetcher):
    """Fetches with another's cache and memory, and holds what it gave out until `close`, or until it is forgotten."""

    def __init__(self, fetcher: Fetcher) -> None:
        self.__dict__.update(fetcher.__dict__)
        self._keeping = ForkedLock()
        self._kept: set[str] = set()
        self._holds: list[_SharedHold] = []

    def keep(self, digests: Iterable[str]) -> None:
        """Hold these, too; those not there yet from the moment when they come."""
        with self._keeping:
            new = set(digests) - self._kept
            if new:
                self._holds.append(_SharedHold(self.cache.hold(new), self))
                self._kept |= new

    def fetch(self, wanted: Resolved, progress: Progress | None = None) -> Path:
        self._keep_all((wanted,))
        path = super().fetch(wanted, progress)
        self._keep_all((wanted,))  # of some, the digest is known only now; what just came is not removed yet
        return path

    def fetch_many(
        self, wanted: Iterable[Resolved], progress: Progress | None = None
    ) -> Iterator[tuple[Resolved, Path | RainerError]]:
        asked = list(wanted)
        self._keep_all(asked)
        for one, result in super().fetch_many(asked, progress):
            self._keep_all((one,))
            yield one, result

    def _keep_all(self, wanted: Iterable[Resolved]) -> None:
        self.keep(digest for one in wanted if (digest := self.digest(one)) is not None)

    def share(self) -> KeepingFetcher:
        """Another that begins with what this one holds."""
        other = KeepingFetcher(self)
        with self._keeping:
            other._kept, other._holds = set(self._kept), [hold.share(other) for hold in self._holds]
        return other

    def drop(self) -> None:
        """Let go; what others share with it stays held by them."""
        with self._keeping:
            holds, self._holds = self._holds, []
            self._kept.clear()
        for hold in holds:
            hold.drop(self)


class AssetSnapshot(ReadableAssets):
    """A manifest as of one moment. Every file that it gave out stays in the cache until it is closed, at the end of a
    `with`, or forgotten; of one that followed assets made ready, all of their files do. Where the Assets opened the
    cache themselves, it ends with them.

    Safe across threads. In a forked child it can be read, and what is held is so by the parent.
    """

    def __init__(self, view: View, fetcher: KeepingFetcher, versions: Versions) -> None:
        self._fetcher: KeepingFetcher = fetcher
        self._versions = versions
        self._seen: View | None = view

    def _view(self) -> View:
        if self._seen is None:
            raise InvalidError("the snapshot is closed", hint="take another one with assets.snapshot()")
        return self._seen

    def close(self) -> None:
        """Let the files go. May be called again."""
        self._seen = None
        self._fetcher.drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._seen is None:
            return "<AssetSnapshot, closed>"
        state = self._seen.state
        return f"<AssetSnapshot of {state.key}: {len(state.manifest)} assets, revision {state.revision}>"
