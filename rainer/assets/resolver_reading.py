"""What live assets and snapshots of them have in common: from a path to a file, a URI, an entry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from rainer.assets.resolver_fetching import Fetcher
from rainer.assets.resolver_sync import SyncReport, sync
from rainer.assets.resolver_versions import Versions
from rainer.assets.resolver_view import Resolved, View
from rainer.cache.materialize import How
from rainer.errors import InvalidError, RainerError
from rainer.model.manifest import Entry
from rainer.store.store import Progress


class ReadableAssets(ABC):
    """Paths of one manifest, each of which stands for a verified local file. Safe across threads.

    Every call that resolves may raise AssetNotFound (the hint names paths like it), InvalidError for what is no path,
    InvalidManifest, NotFoundError without a manifest, UnavailableError; every call that fetches what AssetCache.get
    raises: ObjectNotFound, WrongDigest, StoreUnavailable, CredentialsError, NotCached, NoSpace.
    """

    _fetcher: Fetcher
    _versions: Versions

    @abstractmethod
    def _view(self) -> View:
        """What to resolve by now."""

    def __call__(self, path: str, version: str | None = None, *, progress: Progress | None = None) -> Path:
        """The local file of an asset, read-only and verified; fetched if the cache lacks it.

        `version` is another than the manifest's: X.Y.Z, or a spec such as `>=1.2,<2`, of which the newest that is
        there is taken. Its digest comes from the manifest's history where the source has one (a server, or a mirror
        that follows one over HTTP); else what comes first is trusted and remembered, and the log says so. The file
        stays for as long as the cache does not need its space; `snapshot` keeps files for longer. `progress` hears of
        every portion of bytes that is fetched.
        """
        if version is None:
            return self._fetcher.fetch(self._view().find(path), progress)
        return self._fetcher.fetch(self._resolve(path, version), progress)

    def _resolve(self, path: str, version: str | None) -> Resolved:
        view = self._view()
        found = view.find(path) if version is None else self._versions.resolve(view, path, version)
        self._fetcher.warn(found)
        return found

    def open(self, path: str, mode: str = "rb", *, version: str | None = None, **options: Any) -> IO[Any]:
        """The asset's local file, opened as `open` does; only for reading."""
        if set(mode) & set("wax+"):
            raise InvalidError(f"mode {mode!r} would write to an asset", hint="publish a new version instead")
        return self(path, version).open(mode, **options)

    def uri(self, path: str, version: str | None = None) -> str:
        """Where the asset's object lies; of an overridden one, what stands in for it (a local path as file:///…)."""
        return self._resolve(path, version).uri

    def entry(self, path: str) -> Entry:
        """What the manifest says of a path; an override is told in the log as well, once."""
        view = self._view()
        self._fetcher.warn(found := view.find(path))
        return view.state.manifest[found.path]

    def versions(self, path: str) -> list[str]:
        """The versions that there are of a path, in or out of the manifest, lowest first.

        As the store lists them; where it cannot, as the manifest's history names them.
        """
        return self._versions.list(self._view(), path)

    @property
    def manifest(self) -> Mapping[str, Entry]:
        """The manifest's entries by path, as they stand now; that mapping never changes."""
        return self._view().state.manifest

    @property
    def version(self) -> int | None:
        """The version of the manifest's key. Of a manifest in parts it changes only with their number."""
        return self._view().state.version

    @property
    def revision(self) -> int | None:
        """The journal's revision of the manifest's newest commit; None where the source tells none.

        Over ZooKeeper it may be a later one, as of which the manifest still stood so.
        """
        return self._view().state.revision

    def __contains__(self, path: object) -> bool:
        return path in self.manifest

    def prefetch(self, paths: Iterable[str] | None = None, *, progress: Progress | None = None) -> dict[str, Path]:
        """Fetch these paths and patterns (`/models/*`), by default everything, 8 at a time; the files by path.

        `progress` hears of every portion of bytes. When some fail, the others are fetched all the same, and then the
        first one's error is raised; its detail `failed` names them all.
        """
        return collect(self._fetcher.fetch_many(self._view().chosen(paths), progress))

    def fetch_each(
        self, paths: Iterable[str] | None = None, *, progress: Progress | None = None
    ) -> Iterator[tuple[str, Path | RainerError]]:  # fmt: skip
        """The same, one path with its file, or with the error in its place, as they come; a failure ends nothing."""
        for one, result in self._fetcher.fetch_many(self._view().chosen(paths), progress):
            yield one.path, result

    def sync(
        self, directory: str | Path, *, paths: Iterable[str] | None = None, progress: Progress | None = None,
        how: How = "auto",
    ) -> SyncReport:  # fmt: skip
        """Make a folder hold just these assets, by default all, each at its path; what is right already stays.

        Every file changes at once, as a reflink or copy of the cache's (`how`: see `materialize`). A file that an
        earlier sync put there and the manifest no longer names is removed, unless somebody changed it since; files of
        others stay, except at an asset's own path. Raises InvalidError before anything is done if two assets cannot
        stand in one folder, or a symbolic link would lead out of it; otherwise fails as `prefetch` does.
        """
        return sync(list(self._view().chosen(paths)), Path(directory), self._fetcher, progress, how)


def collect(results: Iterable[tuple[Resolved, Path | RainerError]]) -> dict[str, Path]:
    """The files by path, or the first error once all had their turn."""
    found: dict[str, Path] = {}
    failed: dict[str, RainerError] = {}
    for one, result in results:
        if isinstance(result, RainerError):
            failed[one.path] = result
        else:
            found[one.path] = result
    raise_first(failed)
    return found


def raise_first(failed: Mapping[str, RainerError]) -> None:
    """Raise the first of these errors, by path, if there are any."""
    for path, error in failed.items():
        error.details["failed"] = sorted(failed)
        error.add_note(f"asset {path}" + (f", and {len(failed) - 1} more" if len(failed) > 1 else ""))
        raise error
