"""What a publisher asks before it publishes: which versions there are, which comes next, what the store holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from rainer.assets.committing import KeptManifest
from rainer.assets.published import Stored
from rainer.assets.publishing_objects import Objects
from rainer.assets.publishing_versions import Choice
from rainer.errors import AssetNotFound, DeniedError, InvalidError, InvalidManifest, NotFoundError
from rainer.model.assets import Part, asset_path, matches, parse_version
from rainer.model.manifest import Entry, Manifest

LIST_HINT: Final = "`rainer asset ls` lists what there is"


class PublishedVersions:
    """The part of AssetPublisher that only reads. Every call asks the server anew."""

    def __init__(self, objects: Objects, kept: KeptManifest) -> None:
        self._objects = objects
        self._kept = kept

    def manifest(self) -> Mapping[str, Entry]:
        """The manifest's entries as they stand; none where it does not exist. Raises InvalidManifest."""
        return self._kept.read().manifest

    def latest(self, path: str) -> str:
        """The version that the manifest names. Raises AssetNotFound, also for an override that hides no version."""
        path = asset_path(path)
        entry = self._kept.read().manifest.get(path)
        if entry is None or entry.version is None:
            why = f", which is overridden by {entry.override}" if entry is not None else ""
            raise AssetNotFound(f"the manifest names no version of {path}{why}", hint=LIST_HINT, path=path)
        return entry.version

    def next_version(self, path: str, bump: Part = "minor", *, min_version: str | None = None) -> str:
        """The version that an update would get if it came now and found its name free. Raises AssetNotFound."""
        current = self.latest(path)
        return Choice("update", bump, None, min_version).take(asset_path(path), current, True, ())

    def versions(self, path: str, *, history: bool = False) -> list[str]:
        """All versions of a path, lowest first: those whose objects the store lists, and the manifest's present one.

        With `history`, and always where the store cannot be listed, also those that the manifest's history names, all
        of which is read for that. Raises AssetNotFound where there is none.
        """
        path = asset_path(path)
        found, is_listed = set(), True
        try:
            found = {stored.version for stored in self._objects.versions(path)}
        except (InvalidError, DeniedError):
            is_listed = False
        entry = self._kept.read().manifest.get(path)
        if entry is not None and entry.version is not None:
            found.add(entry.version)
        if history or not is_listed:
            found |= self._in_history(path)
        if not found:
            raise AssetNotFound(f"there is no version of {path}", hint="publish its first one with add", path=path)
        return sorted(found, key=parse_version)

    def list_remote(self, prefix: str = "") -> Iterator[Stored]:
        """Every version of every asset that the store lists, in the order of their names; of paths with that prefix.

        Also those that no manifest names. Raises InvalidError for a store that cannot be listed.
        """
        return self._objects.listed(prefix)

    def uri(self, path: str, version: str | None = None) -> str:
        """The URI of a version's object, by default of the one that the manifest names, whatever overrides it."""
        return self._objects.uri(asset_path(path), version or self.latest(path))

    @staticmethod
    def matches(version: str, spec: str) -> bool:
        """Whether a version is one that a spec such as `>=1.2,<2` allows. Raises InvalidError."""
        return matches(version, spec)

    def _in_history(self, path: str) -> set[str]:
        found = set()
        try:
            for commit in self._kept.log(path):
                entry = _entry_in(commit.payload, path)
                if entry is not None and entry.version is not None:
                    found.add(entry.version)
        except NotFoundError:
            pass  # there never was such a manifest
        return found


def _entry_in(payload: bytes | None, path: str) -> Entry | None:
    try:
        return Manifest.parse(payload).get(path) if payload else None
    except InvalidManifest:
        return None  # somebody wrote something else into the key, once
