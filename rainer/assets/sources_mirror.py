"""A manifest in a mirror: always there, always the newest that has arrived."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping

from rainer.assets.locks import ForkedLock
from rainer.assets.sources import ManifestState, Source, no_manifest, own_store_url, state_of
from rainer.assets.sources_history import history
from rainer.client import Client
from rainer.errors import InvalidManifest
from rainer.mirror import Mirror
from rainer.model.commit import Commit
from rainer.model.manifest import Entry
from rainer.model.manifest_parts import check_manifest_key, manifest_of_part, part_keys, parts_named

log = logging.getLogger("rainer.assets")


class MirrorSource(Source):
    """Reads the manifest anew when anything in the mirror changed. The mirror is the user's: not closed here."""

    def __init__(self, mirror: Mirror, key: str) -> None:
        self.key = check_manifest_key(key)
        self.namespace = mirror.namespace
        address = mirror.address
        self.store_url = None if address is None else own_store_url(address)
        self.place = mirror.origin if address is None else address.root
        self._mirror = mirror
        self._lock = ForkedLock()
        self._generation = -1
        self._state: ManifestState | None = None
        self._bad: dict[str, Commit] = {}
        self._client: Client | None = None

    def current(self) -> ManifestState:
        generation = self._mirror.generation
        # In this order, the reverse of how they are set: to a generation belongs its state, or a later one.
        if generation == self._generation and (state := self._state) is not None:
            return state
        with self._lock:
            return self._look(generation)

    def _look(self, generation: int) -> ManifestState:
        commits, as_of = self._commits()
        if not commits:
            self._state = None
            raise no_manifest(self.key, self.namespace, f" (the mirror is {self._mirror.state})")
        state = self._state
        if state is not None and _are_same(commits, state.commits):
            self._bad, self.error = {}, None
        elif state is None or not _are_same(commits, self._bad):
            state = self._state = self._read(commits, state, as_of)
        self._generation = generation
        return state

    def _commits(self) -> tuple[dict[str, Commit], int | None]:
        """The head and its parts, of one moment, and its revision; nothing if there is no head."""
        while True:
            generation = self._mirror.generation
            head = self._mirror.get(self.key)
            parts = 0 if head is None else _parts_named(head)
            found = self._mirror.get_many([self.key, *part_keys(self.key, parts)])
            revision = self._mirror.revision
            if found.get(self.key) is head and self._mirror.generation == generation:
                return ({} if head is None else found), revision

    def _read(self, commits: dict[str, Commit], before: ManifestState | None, as_of: int | None) -> ManifestState:
        try:
            state = state_of(self.key, self.namespace, commits, before, as_of)
        except InvalidManifest as e:
            if before is None:
                raise
            log.warning("manifest %s of %s cannot be read, the last good one goes on: %s", self.key, self.namespace, e)
            self._bad, self.error = commits, e
            return before
        self._bad, self.error = {}, None
        return state

    def on_change(self, callback: Callable[[], object]) -> Callable[[], None]:
        def look(key: str, _old: Commit | None, _new: Commit | None) -> None:
            if key == self.key or manifest_of_part(key) == self.key:
                callback()

        return self._mirror.on_change(look)

    @property
    def is_current(self) -> bool:
        return self._mirror.state == "current"

    @property
    def has_history(self) -> bool:
        return self._mirror.address is not None

    def history(self, path: str) -> Iterator[Entry]:
        address = self._mirror.address
        if address is None:
            return iter(())
        if self._client is None:
            self._client = Client(address.with_login)
        return history(self._client, self.key, path)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


def _parts_named(head: Commit) -> int:
    try:
        return parts_named(head.payload or b"")
    except InvalidManifest:
        return 0  # told when it is read


def _are_same(commits: Mapping[str, Commit], known: Mapping[str, Commit]) -> bool:
    return len(commits) == len(known) and all(known.get(key) is commit for key, commit in commits.items())
