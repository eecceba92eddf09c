"""A file into a store and a manifest: added, updated, removed, overridden; alone, or many in one changeset."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

from rainer.assets.committing import PATIENCE_S, KeptManifest
from rainer.assets.published import Published
from rainer.assets.publishing_files import read_source
from rainer.assets.publishing_objects import Objects, each
from rainer.assets.publishing_plan import Plan, Wish
from rainer.assets.publishing_reading import LIST_HINT, PublishedVersions
from rainer.assets.publishing_versions import Choice
from rainer.assets.publishing_writing import Writing
from rainer.client import Client
from rainer.client.changesets import no_author
from rainer.errors import AssetNotFound, InvalidError, RainerError
from rainer.model.assets import Part, asset_path
from rainer.model.commit import Commit
from rainer.model.manifest import Entry
from rainer.model.manifest_parts import StoredManifest
from rainer.store.opening import open_store
from rainer.store.store import Progress, Store

if TYPE_CHECKING:
    from rainer.cache import AssetCache

File = str | os.PathLike[str]
Form = Literal["full", "short"]
_LOG: Final = logging.getLogger(__name__)


class AssetPublisher(PublishedVersions):
    """Publishes files as new versions of the paths that one manifest names.

    `client` commits the manifest, in its namespace; `store` takes the objects: a Store, a URL, or by default the store
    of the client's own server. What was published enters the `cache`, if there is one. `author` is who commits, by
    default the client's. With `form` "short" a manifest that is all in the ancestor's (baiji's) form stays so; else
    new entries carry digest and size, and older ones stay as they are.

    A publish uploads first, to a name that is never overwritten, and commits then. So whatever interrupts it leaves at
    worst an object that no manifest names; publishing the same file again adopts it, and `collect` removes it in the
    end. Others may publish at the same time: different paths all stay, and whoever comes second to one path gets the
    next version; of two who publish the same bytes at once, both may get one version. All calls raise InvalidError and
    its kin for what cannot be published, before anything is sent; StoreUnavailable, NoSpace and what else the store
    raises, and what the client's commits raise: nothing is committed then but for OutcomeUnknown, and where rule 6 of
    DESIGN-publishing.md ends badly, which both say so. May be used by many threads.
    """

    def __init__(
        self, client: Client, manifest: str = "prod", store: Store | str | None = None,
        cache: AssetCache | None = None, author: str | None = None, *, form: Form = "full",
        patience_s: float = PATIENCE_S,
    ) -> None:  # fmt: skip
        if form not in ("full", "short"):
            raise InvalidError(f"{form!r} is no form of a manifest", hint="full or short")
        self._opened = None if isinstance(store, Store) else open_store(store or own_store_url(client))
        objects = Objects(store if isinstance(store, Store) else self._opened)  # type: ignore[arg-type]
        kept = KeptManifest(client, manifest, author=author, short=form == "short", patience_s=patience_s)
        super().__init__(objects, kept)
        self._cache = cache
        self._author = author or client.author

    @property
    def store(self) -> Store:
        """Where the objects go."""
        return self._objects.store

    def close(self) -> None:
        """Let go of the store's connections, if it was opened here."""
        if self._opened is not None:
            self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    # One file.

    def add(
        self, path: str, file: File, version: str | None = None, *, comment: str | None = None,
        progress: Progress | None = None,
    ) -> Published:  # fmt: skip
        """Publish the first version of a path: `version`, or by default 1.0.0.

        Where that number was given to other bytes once (by a publish that never came to its commit, or before the path
        was removed), the default goes on above it, and a `version` of the caller's is refused. Raises
        AssetVersionConflict for that, and for a path that the manifest names already.
        """
        return self.add_many({path: file}, version, comment=comment, progress=progress)[0]

    def update(
        self, path: str, file: File, bump: Part = "minor", *, version: str | None = None,
        min_version: str | None = None, only_changed: bool = False, comment: str | None = None,
        progress: Progress | None = None,
    ) -> Published:  # fmt: skip
        """Publish the next version of a path: the next major, minor or patch one, an exact `version`, or the next but
        at least `min_version`.

        Versions only grow; a number that was given to other bytes once is passed over. With `only_changed`, a file that
        has the present version's bytes is not published again. Raises AssetNotFound for a path that the manifest does
        not name, and AssetVersionConflict for a `version` that is not above the present one.
        """
        choice = Choice("update", bump, version, min_version)
        return self._publish({path: file}, choice, only_changed, comment, progress)[0]

    def add_or_update(
        self, path: str, file: File, bump: Part = "minor", *, version: str | None = None,
        min_version: str | None = None, only_changed: bool = False, comment: str | None = None,
        progress: Progress | None = None,
    ) -> Published:  # fmt: skip
        """Publish the next version of a path, or its first."""
        choice = Choice("either", bump, version, min_version)
        return self._publish({path: file}, choice, only_changed, comment, progress)[0]

    def publishing(
        self, path: str, bump: Part = "minor", *, version: str | None = None, min_version: str | None = None,
        only_changed: bool = False, comment: str | None = None, progress: Progress | None = None,
    ) -> Writing:  # fmt: skip
        """A context that gives a local Path to write, and publishes what is there when the block ends well.

        The file is a temporary one with the asset's own name; a block that raises publishes nothing. Afterwards the
        context's `published` says what became of it.
        """
        choice = Choice("either", bump, version, min_version)
        checked = asset_path(path)
        return Writing(checked, lambda file: self._publish({path: file}, choice, only_changed, comment, progress)[0])

    # Many files in one changeset.

    def add_many(
        self, files: Mapping[str, File], version: str | None = None, *, comment: str | None = None,
        progress: Progress | None = None,
    ) -> list[Published]:  # fmt: skip
        """Publish the first versions of several paths, all or none, in one changeset; see add() and files_below()."""
        return self._publish(files, Choice("add", "patch", version), False, comment, progress)

    def update_many(
        self, files: Mapping[str, File], bump: Part = "minor", *, version: str | None = None,
        min_version: str | None = None, only_changed: bool = False, comment: str | None = None,
        progress: Progress | None = None,
    ) -> list[Published]:  # fmt: skip
        """Publish the next versions of several paths, all or none, in one changeset; see update()."""
        return self._publish(files, Choice("update", bump, version, min_version), only_changed, comment, progress)

    def add_or_update_many(
        self, files: Mapping[str, File], bump: Part = "minor", *, version: str | None = None,
        min_version: str | None = None, only_changed: bool = False, comment: str | None = None,
        progress: Progress | None = None,
    ) -> list[Published]:  # fmt: skip
        """Publish the next or first versions of several paths, all or none, in one changeset."""
        return self._publish(files, Choice("either", bump, version, min_version), only_changed, comment, progress)

    # The manifest alone.

    def remove(self, path: str, *, comment: str | None = None) -> Published:
        """Take a path out of the manifest; its versions stay in the store, and in the manifest's history.

        Raises AssetNotFound for a path that is not in it.
        """
        path = asset_path(path)
        seen: list[str] = []

        def decide(stored: StoredManifest) -> dict[str, Entry | None]:
            if path not in stored.manifest and not seen:
                raise AssetNotFound(f"the manifest names no {path}", hint=LIST_HINT, path=path)
            seen.append(path)
            return {path: None}

        commit = self._change(decide, comment)[path]
        return Published(path, None, None, None, None, commit)

    def override(self, path: str, target: str | os.PathLike[str] | None, *, comment: str | None = None) -> Published:
        """Have a path lead to an absolute local path or a URL, for development; None lifts that again.

        The version stays noted beneath (but for the short form, which cannot), and a publish of the path also ends the
        override. Raises InvalidError for a target that is neither, and where nothing is left when it is lifted.
        """
        path = asset_path(path)
        text = None if target is None else os.fspath(target)
        if text is not None:
            Entry(override=text)  # refuses it before anything is asked

        def decide(stored: StoredManifest) -> dict[str, Entry | None]:
            entry = stored.manifest.get(path)
            if text is not None:
                known = entry or Entry(override=text)
                return {path: Entry(known.version, known.sha256, known.size, text)}
            return {path: _lifted(path, entry)}

        said: dict[str, Entry | None] = {}

        def remembered(stored: StoredManifest) -> Mapping[str, Entry | None]:
            said.update(decide(stored))
            return said

        commit = self._change(remembered, comment)[path]
        return self._told(path, said[path], commit)

    # How.

    def _publish(
        self, files: Mapping[str, File], choice: Choice, only_changed: bool, comment: str | None,
        progress: Progress | None,
    ) -> list[Published]:  # fmt: skip
        if self._author is None:
            raise no_author()  # before any upload, not after
        wishes = self._wishes(files, choice)
        if not wishes:
            return []
        plan = Plan(self._objects, wishes, only_changed=only_changed, progress=progress)
        commits = self._change(plan.decide, comment)
        plan.confirm()
        self._keep(wishes)
        return [self._published(wish, plan.versions[wish.path], commits) for wish in wishes]

    def _wishes(self, files: Mapping[str, File], choice: Choice) -> list[Wish]:
        paths = [asset_path(path) for path in files]
        twice = next((path for path in paths if paths.count(path) > 1), None) if len(set(paths)) < len(paths) else None
        if twice is not None:
            raise InvalidError(f"{twice} is given twice, with and without its first slash", hint="name it once")
        sources = each(read_source, files.values())
        return [Wish(path, source, choice) for path, source in zip(paths, sources, strict=True)]

    def _change(
        self, decide: Callable[[StoredManifest], Mapping[str, Entry | None]], comment: str | None
    ) -> Mapping[str, Commit]:
        return self._kept.change(decide, comment)

    def _published(self, wish: Wish, version: str, commits: Mapping[str, Commit]) -> Published:
        commit = commits.get(wish.path) or self._kept.commit_of(wish.path)
        source = wish.source
        return Published(
            wish.path, version, source.sha256, source.size, self._objects.uri(wish.path, version), commit
        )  # fmt: skip

    def _told(self, path: str, entry: Entry | None, commit: Commit) -> Published:
        if entry is None:
            return Published(path, None, None, None, None, commit)
        uri = entry.override or self._objects.uri(path, entry.version or "")
        return Published(path, entry.version, entry.sha256, entry.size, uri, commit)

    def _keep(self, wishes: Sequence[Wish]) -> None:
        if self._cache is None:
            return
        for wish in wishes:
            try:
                self._cache.add(wish.source.file, name=Path(wish.path).name, sha256=wish.source.sha256)
            except (RainerError, OSError) as e:
                # It is published; that it must be fetched to be read here is no reason to say otherwise.
                _LOG.warning("%s is published, but did not enter the cache: %s", wish.path, e)


def own_store_url(client: Client) -> str:
    """The URL of the store that the client's own server has."""
    return client.address.own_store


def _lifted(path: str, entry: Entry | None) -> Entry:
    if entry is None:
        raise AssetNotFound(f"the manifest names no {path}", hint=LIST_HINT, path=path)
    if entry.version is None:
        raise InvalidError(
            f"{path} has no version beneath its override", hint="publish a version of it, or remove the path"
        )
    return Entry(entry.version, entry.sha256, entry.size)
