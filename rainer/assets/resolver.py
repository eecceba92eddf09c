"""`rainer.Assets`: from a manifest's paths to verified local files, live, pinned or locked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

from rainer.assets.following import Follower
from rainer.assets.following_attempt import inherited
from rainer.assets.following_listeners import ReadyCallback, closed
from rainer.assets.lockfile import LockFile
from rainer.assets.locks import ForkedLock
from rainer.assets.remembered import Remembered
from rainer.assets.resolver_fetching import Fetcher
from rainer.assets.resolver_locking import locked
from rainer.assets.resolver_places import CacheLike, Places, StoreLike
from rainer.assets.resolver_reading import ReadableAssets
from rainer.assets.resolver_versions import Versions
from rainer.assets.resolver_view import View, paths_of
from rainer.assets.snapshots import AssetSnapshot, KeepingFetcher
from rainer.assets.sources import Source
from rainer.assets.sources_client import REVALIDATE_S, ClientSource
from rainer.assets.sources_files import LockSource, file_source
from rainer.assets.sources_mirror import MirrorSource
from rainer.client import Client
from rainer.errors import InvalidError, RainerError
from rainer.mirror import Mirror
from rainer.store.store import Progress


class Assets(ReadableAssets):
    """The assets that a manifest names, as local files: `assets("/foo/bar.csv")` is the path of a verified file.

    `source` says where the manifest is: a rainer.Mirror (live, and it is you who starts and closes it), a
    rainer.Client or a server's URL such as `http://localhost:8080/diary` (asked again when what is known is older than
    `revalidate_s` seconds; while the server is away, what it said last goes on), or the path of a manifest file or a
    lock file, which need no server. `manifest` is its key; files have none. `store` is the store of the objects, by URL
    or as a Store; by default the one that the lock file names, or else the server's own, `/-/store` below its root.
    `cache` is an AssetCache, or a directory for one; by default the user's.

    Every call sees the newest manifest that the source has, and fetches what is wanted when it is wanted. After
    `on_ready`, another manifest is seen only when all of its files are there. Use it with `with`, or `close` it. Safe
    across threads; a forked child sees what a mirror or server has, or keeps the set that was ready.

    Raises InvalidError, InvalidManifest and InvalidUri for arguments that cannot be; asks nobody.
    """

    def __init__(
        self, source: Mirror | Client | str | os.PathLike[str], manifest: str = "prod", store: StoreLike | None = None,
        cache: CacheLike | None = None, *, revalidate_s: float = REVALIDATE_S,
    ) -> None:  # fmt: skip
        self._places = Places(cache)
        self._source = _source_of(source, manifest, self._places, revalidate_s)
        self._store = self._places.open_store(store, self._source)
        self._fetcher = Fetcher(self._places.cache)
        self._versions = Versions(self._source)
        self._follower: Follower | None = None
        self._is_closed = False
        self._beginning = ForkedLock()
        self._last: View | None = None

    @classmethod
    def from_file(
        cls, path: str | os.PathLike[str], store: StoreLike | None = None, cache: CacheLike | None = None
    ) -> Assets:
        """The assets of a manifest file or a lock file, without any server. A manifest file needs a `store`."""
        return cls(Path(path), store=store, cache=cache)

    # Resolving: see ReadableAssets

    def __call__(self, path: str, version: str | None = None, *, progress: Progress | None = None) -> Path:
        # The same as inherited, spelt out: most programs do this more often than anything else.
        if version is None:
            return self._fetcher.fetch(self._view().find(path), progress)
        return self._fetcher.fetch(self._resolve(path, version), progress)

    __call__.__doc__ = ReadableAssets.__call__.__doc__

    def _view(self) -> View:
        follower = self._follower
        if follower is not None and follower.ready is not None:
            return follower.ready.view
        state = self._source.current()
        view = self._last
        if view is None or view.state is not state:
            view = self._last = View(state, self._store)
        return view

    # Following

    def on_ready(self, callback: ReadyCallback, paths: Iterable[str] | None = None) -> Callable[[], None]:
        """Follow the manifest: fetch what it names *first*, then switch to all of it at once and call
        `callback(snapshot)`; returns what ends these calls.

        `paths` are the paths and patterns (`/models/*`) to have ready, by default everything that the manifest names;
        others are fetched when they are wanted. The callback is called, on a thread of its own, for the set that is
        ready now or becomes so first, and for each one after it; late ones hear of the newest only. Its snapshot keeps
        its files for as long as it is held. When a set cannot be fetched, the one before goes on and it is tried again:
        `status` and `error` tell. A program that starts while store and server are away begins with the set that was
        ready last, from the cache and, for a mirror, the manifest that is remembered beside it.
        """
        chosen = None if paths is None else sorted(set(paths_of(paths)))
        with self._beginning:
            if self._is_closed:
                raise closed()
            follower = self._follower
            if follower is None or not follower.is_ours:
                follower = self._follower = self._follow(chosen, follower)
        follower.check_paths(chosen)
        return follower.add(callback)

    def _follow(self, paths: list[str] | None, before: Follower | None) -> Follower:
        source = self._source
        label = f"{source.place or ''} {source.namespace}/{source.key} in {self._store.url} {paths or 'all'}"
        remembered = None
        if source.namespace is not None and not isinstance(source, LockSource):
            remembered = Remembered(self._places.cache, source.namespace, f"ready {label}")
        follower = Follower(source, self._store, self._fetcher, self._versions, paths, label, remembered)
        if before is not None and before.ready is not None:
            follower.ready = inherited(before.ready, self._fetcher)
        follower.start()
        return follower

    def wait_until_ready(self, timeout_s: float | None = None, *, revision: int | None = None) -> AssetSnapshot:
        """Wait for a set that is ready, of this revision of the journal at least, and return a snapshot of it.

        Raises InvalidError before `on_ready`, and NotYet, an UnavailableError and a TimeoutError that says what stands
        against it, when `timeout_s` seconds are over.
        """
        if self._follower is None:
            raise InvalidError("nothing is being made ready", hint="call on_ready first")
        return self._follower.wait(timeout_s, revision)

    @property
    def status(self) -> str:
        """ "live" before `on_ready`; then "starting" (nothing ready yet), "ready", "fetching", "failed", "closed"; in a
        forked child "inherited", until it calls `on_ready` itself."""
        if self._follower is None:
            return "live"
        status = self._follower.status
        return "failed" if status == "ready" and self._source.error is not None else status

    @property
    def error(self) -> RainerError | None:
        """Why the newest set cannot be made ready, or the newest manifest not be read; None while all is well."""
        ours = None if self._follower is None else self._follower.error
        return ours or self._source.error

    def snapshot(self) -> AssetSnapshot:
        """The assets as they are now, to be held: what it gives out stays, and after `on_ready` the whole set does."""
        ready = None if self._follower is None else self._follower.snapshot()
        return ready or AssetSnapshot(self._view(), KeepingFetcher(self._fetcher), self._versions)

    # Locking

    def lock(self, paths: Iterable[str] | None = None, *, progress: Progress | None = None) -> LockFile:
        """A lock file of these paths and patterns, by default of everything: code that carries it gets the same bytes
        for ever.

        An entry without a digest gets the one that the store keeps for its object, else the object is fetched. Raises
        InvalidManifest where one is overridden.
        """
        return locked(self._view(), self._source, self._store, self._fetcher, paths, progress)

    # Life

    def close(self) -> None:
        """Stop following, and let go of what this opened itself: cache, store and connections. May be called again."""
        with self._beginning:  # one that is just beginning is seen, and none begins later
            self._is_closed = True
            follower = self._follower
        if follower is not None:
            follower.close()
        self._source.close()
        self._places.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Assets of {self._source.key} in {self._store.url}, {self.status}>"


def _source_of(
    source: Mirror | Client | str | os.PathLike[str], manifest: str, places: Places, revalidate_s: float
) -> Source:  # fmt: skip
    if isinstance(source, Mirror):
        return MirrorSource(source, manifest)
    is_url = isinstance(source, str) and source.startswith(("http://", "https://"))
    if isinstance(source, Client) or is_url:
        client = source if isinstance(source, Client) else Client(str(source))
        label = f"seen {client.url} {manifest}"
        remembered = Remembered(places.cache, client.namespace_name, label)
        return ClientSource(
            client, manifest, remembered=remembered, is_ours=is_url, revalidate_s=revalidate_s
        )  # fmt: skip
    if not isinstance(source, str | os.PathLike):
        raise InvalidError(
            f"assets cannot come from a {type(source).__name__}",
            hint="give a rainer.Mirror, a rainer.Client, a server's URL, or the path of a manifest or lock file",
        )
    return file_source(source)
