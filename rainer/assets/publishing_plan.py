"""What one publish wants, and how far it has come, while the manifest under it may move."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rainer.assets.committing import MovedOn
from rainer.assets.publishing_files import Source
from rainer.assets.publishing_objects import Objects, each
from rainer.assets.publishing_versions import Choice
from rainer.errors import DeniedError, InvalidError
from rainer.model.assets import parse_version
from rainer.model.manifest import Entry
from rainer.model.manifest_parts import StoredManifest
from rainer.store.store import Progress

_RIVAL_S: Final = 0.2
"""How long one who finds the next version's name taken waits for the commit of whoever took it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A file that is to become a version of a path."""

    path: str
    source: Source
    choice: Choice


class Plan:
    """The wishes of one publish, and the objects placed for them. For one publish, in one thread.

    `decide` may be called any number of times, each time with the newest manifest: what was uploaded is used again
    wherever its version still is above the manifest's.
    """

    def __init__(
        self, objects: Objects, wishes: Sequence[Wish], *, only_changed: bool, progress: Progress | None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._objects = objects
        self._wishes = wishes
        self._only_changed = only_changed
        self._progress = progress
        self._sleep = sleep
        self._placed: dict[str, str] = {}
        self._taken: dict[str, set[str]] = {}
        self.versions: dict[str, str] = {}
        """By path, what the manifest names after all, be it by this publish or before."""

    def decide(self, stored: StoredManifest) -> dict[str, Entry]:
        """The entries to set in this manifest, with their objects in the store.

        Raises MovedOn when a name turned out to be taken: then the manifest is to be read again, for the one who took
        it may have committed. Raises what Choice.take and the store's calls do.
        """
        self.versions = {}
        wanted: list[tuple[Wish, str]] = []
        for wish in self._wishes:
            entry = stored.manifest.get(wish.path)
            if entry is not None and entry.version is not None and self._stands(wish, entry, entry.version):
                self.versions[wish.path] = entry.version
            else:
                wanted.append((wish, self._version(wish, entry)))
        self._place([(wish, version) for wish, version in wanted if self._placed.get(wish.path) != version])
        self.versions |= {wish.path: version for wish, version in wanted}
        return {w.path: Entry(version, w.source.sha256, w.source.size) for w, version in wanted}

    def confirm(self) -> None:
        """After the commit: see that what it names is there."""
        sources = {wish.path: wish.source for wish in self._wishes}
        named = {path: version for path, version in self._placed.items() if self.versions.get(path) == version}
        self._objects.confirm((path, version, sources[path]) for path, version in named.items())

    def _stands(self, wish: Wish, entry: Entry, version: str) -> bool:
        """Whether the manifest says already what is wished."""
        if entry.override is not None:
            return False
        if self._placed.get(wish.path) == version:
            # Committed by us, though the answer was lost, or by another who published the same bytes at the same time.
            return entry.sha256 in (None, wish.source.sha256)
        if not self._only_changed:
            return False
        if entry.sha256 is not None:
            return entry.sha256 == wish.source.sha256
        return self._objects.holds(wish.path, version, wish.source)

    def _version(self, wish: Wish, entry: Entry | None) -> str:
        is_known, current = entry is not None, None if entry is None else entry.version
        if is_known and current is None:
            # Overridden since before it had a version, in this manifest: go on above what the store has.
            current = max(self._listed(wish.path), key=parse_version, default=None)
        placed = self._placed.get(wish.path)
        if placed is not None and wish.choice.still_fits(wish.path, placed, current, is_known):
            return placed
        return wish.choice.take(wish.path, current, is_known, self._taken.get(wish.path, ()))

    def _place(self, wanted: list[tuple[Wish, str]]) -> None:
        for wish, version in wanted:
            self._objects.uri(wish.path, version)  # a name that gets too long is found before the first upload
        placed = each(lambda one: self._place_one(*one), wanted)
        rivals = [one for one, is_placed in zip(wanted, placed, strict=True) if not is_placed]
        if not rivals:
            return
        for wish, version in rivals:
            self._taken.setdefault(wish.path, set()).update({version, *self._listed(wish.path)})
        if any(wish.choice.version is None for wish, _ in rivals):
            self._sleep(_RIVAL_S)
        raise MovedOn

    def _place_one(self, wish: Wish, version: str) -> bool:
        # Sent a second time, under another name: that is not progress any more.
        progress = None if wish.path in self._placed else self._progress
        is_placed = self._objects.place(wish.path, version, wish.source, progress)
        if is_placed:
            self._placed[wish.path] = version
        return is_placed

    def _listed(self, path: str) -> set[str]:
        try:
            return {found.version for found in self._objects.versions(path)}
        except (InvalidError, DeniedError):
            return set()  # a store that does not list: then one number is tried after another
