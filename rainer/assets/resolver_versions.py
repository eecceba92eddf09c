"""Versions other than the manifest's: which there are, and what their bytes are known to be."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from rainer.assets.locks import ForkedLock
from rainer.assets.resolver_view import Resolved, View
from rainer.assets.sources import Source
from rainer.errors import AssetNotFound, DeniedError, InvalidError, RainerError, UnavailableError
from rainer.model.assets import asset_path, is_version, matches, parse_version, split_object_name
from rainer.model.manifest import Entry

log = logging.getLogger("rainer.assets")


class Versions:
    """Looks into the store's list and the manifest's history, and remembers what it found. Thread-safe."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._entries: dict[tuple[str, str], Entry] = {}
        self._chosen: tuple[View | None, dict[tuple[str, str], str]] = (None, {})
        self._lock = ForkedLock()

    def resolve(self, view: View, path: str, version: str) -> Resolved:
        """An X.Y.Z of a path, or the newest that a spec allows. Raises AssetNotFound where no version fits a spec."""
        path = asset_path(path)
        if not is_version(version):
            version = self._newest(view, path, version)
        entry = view.state.manifest.get(path)
        if entry is None or entry.version != version or not entry.is_pinned:
            entry = self._entry(path, version)
        return view.resolve(path, entry)

    def _newest(self, view: View, path: str, spec: str) -> str:
        """What a spec means stays the same for as long as the manifest does."""
        with self._lock:
            if self._chosen[0] is not view:
                self._chosen = view, {}
            chosen = self._chosen[1]
        known = chosen.get((path, spec))
        if known is None:
            versions = self.list(view, path)
            fitting = [version for version in versions if matches(version, spec)]
            if not fitting:
                there = f"there are {', '.join(versions[-5:])}" if versions else "there is none at all"
                raise AssetNotFound(f"no version of {path} fits {spec!r}", hint=there, path=path, versions=versions)
            known = chosen[path, spec] = fitting[-1]
        return known

    def list(self, view: View, path: str) -> list[str]:
        """All versions of a path that the store lists, or where it cannot, that the manifest ever named; ascending."""
        path = asset_path(path)
        present = view.state.manifest.get(path)
        found = {present.version} if present is not None and present.version is not None else set()
        found.update(self._in_store(view, path))
        return sorted((version for version in found if version), key=parse_version)

    def _in_store(self, view: View, path: str) -> Iterable[str]:
        folder, _, name = path.rpartition("/")
        # A file that is only an extension, as `.bashrc`, keeps all of its name before the version.
        stem = f"{folder}/{name.rpartition('.')[0] or name}."
        try:
            return list(_versions_in((i.uri for i in view.store.list(stem.lstrip("/"))), view, path))
        except (InvalidError, DeniedError) as e:
            if not self._source.has_history:
                log.info("the versions of %s are not known: %s", path, e)
            return [entry.version for entry in self._source.history(path) if entry.version is not None]

    def _entry(self, path: str, version: str) -> Entry:
        """The version with its digest, if the manifest ever named one for it; else the version alone."""
        known = self._entries.get((path, version))
        if known is None:
            try:
                known = self._entries[path, version] = self._in_history(path, version)
            except UnavailableError as e:
                log.warning("the digest of %s %s cannot be looked up in the history: %s", path, version, e)
                return Entry(version)  # for once: the next call looks again
        return known

    def _in_history(self, path: str, version: str) -> Entry:
        for entry in self._source.history(path):
            if entry.version == version and entry.sha256 is not None:
                return Entry(version, entry.sha256, entry.size)
        return Entry(version)


def _versions_in(uris: Iterable[str], view: View, path: str) -> Iterator[str]:
    for uri in uris:
        try:
            found = split_object_name(f"/{view.store.name(uri)}")
        except RainerError:
            continue
        if found is not None and found[0] == path:
            yield found[1]
