"""From paths to objects: one state of a manifest, seen against one store."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rainer.assets.sources import ManifestState
from rainer.errors import AssetNotFound, InvalidError
from rainer.model.assets import asset_path, object_name
from rainer.model.manifest import Entry
from rainer.model.names import shorten
from rainer.store.store import Store

_NEAR: Final = 3
_COMPARED_MAX: Final = 5_000
_GLOB: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a path stands for: the URI of an object, and its digest and size as far as they are known.

    `override` is the local path or URL that stands in for it; `name` is what its file is called.
    """

    path: str
    version: str | None
    uri: str
    sha256: str | None
    size: int | None
    name: str
    override: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether a file outside of cache and store stands in for it."""
        return self.override is not None and self.override.startswith("/")


class View:
    """Resolves paths by one state of a manifest; what was resolved once is one look into a dict. Thread-safe."""

    __slots__ = ("_found", "state", "store")

    def __init__(self, state: ManifestState, store: Store) -> None:
        self.state = state
        self.store = store
        self._found: dict[str, Resolved] = {}

    def find(self, path: str) -> Resolved:
        """What the manifest names. Raises AssetNotFound with paths like it, InvalidError for what is no path."""
        try:
            return self._found[path]
        except KeyError:
            return self._find(path)

    def _find(self, path: str) -> Resolved:
        whole = asset_path(path)
        entry = self.state.manifest.get(whole)
        if entry is None:
            raise self.not_found(whole)
        found = self._found[path] = self.resolve(whole, entry)
        return found

    def resolve(self, path: str, entry: Entry) -> Resolved:
        """What an entry names for a path."""
        name = path.rpartition("/")[2]
        if entry.override is None:
            uri = self.store.uri(object_name(path, entry.version or ""))
            return Resolved(path, entry.version, uri, entry.sha256, entry.size, name)
        uri = entry.override
        if uri.startswith("/"):
            uri = Path(uri).as_uri()
        return Resolved(path, None, uri, None, None, name, entry.override)

    def chosen(self, paths: Iterable[str] | None) -> Iterator[Resolved]:
        """All that the manifest names, or only these paths and patterns, such as `/models/*` (a star spans slashes).

        Raises AssetNotFound for a path that it does not name; a pattern may match nothing.
        """
        if paths is None:
            for path in self.state.manifest:
                yield self.find(path)
            return
        seen: set[str] = set()
        for wanted in paths_of(paths):
            for path in self._matching(wanted):
                if path not in seen:
                    seen.add(path)
                    yield self.find(path)

    def _matching(self, wanted: str) -> Iterable[str]:
        if not _GLOB.intersection(wanted) or wanted in self.state.manifest:
            return (asset_path(wanted),)
        pattern = wanted if wanted.startswith(("/", "*")) else f"/{wanted}"
        return fnmatch.filter(self.state.manifest, pattern)

    def not_found(self, path: str, why: str | None = None) -> AssetNotFound:
        """The error for a path that is not named, with up to three that are."""
        near = self._near(path)
        hint = f"did you mean {' or '.join(near)}?" if near else "`rainer asset ls` lists what there is"
        what = why or f"manifest {self.state.key!r} names no {shorten(path, 200)}"
        return AssetNotFound(what, hint=hint, path=path, near=near)

    def _near(self, path: str) -> list[str]:
        folder, _, name = path.rpartition("/")
        low = name.lower()
        beside: list[str] = []
        alike: list[str] = []
        for known in self.state.manifest:
            if known.endswith(f"/{name}") or known.rpartition("/")[2].lower() == low:
                alike.append(known)
            elif len(beside) < _COMPARED_MAX and (len(folder) == 0 or known.startswith(f"{folder}/")):
                beside.append(known)
        by_name = difflib.get_close_matches(path, alike[:_COMPARED_MAX], _NEAR, 0.0)
        return by_name or difflib.get_close_matches(path, beside, _NEAR, 0.8) or self._near_anywhere(path)

    def _near_anywhere(self, path: str) -> list[str]:
        known = [p for _, p in zip(range(_COMPARED_MAX), self.state.manifest, strict=False)]
        return difflib.get_close_matches(path, known, _NEAR, 0.8)


def paths_of(paths: Iterable[str]) -> Iterable[str]:
    """Several paths as they are given; InvalidError for a single text, which would be taken letter by letter."""
    if isinstance(paths, str):
        raise InvalidError(f"paths is the text {shorten(paths)}", hint="give a list of paths, with one in it")
    return paths
