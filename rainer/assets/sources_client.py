"""A manifest on a server, asked for when it is needed."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from typing import Final

from rainer.assets.locks import ForkedLock
from rainer.assets.remembered import Remembered
from rainer.assets.sources import ManifestState, Source, no_manifest, own_store_url
from rainer.assets.sources_history import history
from rainer.assets.stored import ReadManifest, read_manifest
from rainer.client import Client
from rainer.errors import InvalidError, InvalidManifest, NotFoundError, RainerError, UnavailableError
from rainer.model.manifest import Entry
from rainer.model.manifest_parts import check_manifest_key, part_key

log = logging.getLogger("rainer.assets")

REVALIDATE_S: Final = 1.0
_AWAY_S: Final = 10.0
"""So long a server that could not be reached is left alone, while there is something to go on with."""
_AWAY_TIMES: Final = 4.0
"""So many times as long as it kept us waiting, where that is longer: a server that hangs is not to hang its users."""


class ClientSource(Source):
    """Asks the server again when what it said is older than `revalidate_s` seconds.

    While the server is away, what it said last goes on, also what it said to an earlier program with the same cache
    (`remembered`); the log says so. So it does when the server, or what stands in for it, refuses us by now.
    """

    def __init__(
        self, client: Client, key: str, *, remembered: Remembered | None, is_ours: bool = False,
        revalidate_s: float = REVALIDATE_S,
    ) -> None:  # fmt: skip
        if not (math.isfinite(revalidate_s) and revalidate_s >= 0):
            raise InvalidError(f"revalidate_s is {revalidate_s}", hint="give a number of seconds, 0 or more")
        self.key = check_manifest_key(key)
        self.namespace = client.namespace_name
        self.place = client.address.root
        self.store_url = own_store_url(client.address)
        self.poll_s = revalidate_s
        self._client = client
        self._is_ours = is_ours
        self._remembered = remembered
        self._lock = ForkedLock()
        self._due = 0.0
        self._read: ReadManifest | None = None
        self._state: ManifestState | None = None

    def current(self) -> ManifestState:
        state = self._state
        if state is not None and time.monotonic() < self._due:
            return state
        # Whoever has something to go on with does not wait for the one who asks.
        if not self._lock.acquire(blocking=state is None):
            assert state is not None
            return state
        try:
            if self._state is None or time.monotonic() >= self._due:
                self._ask()
            assert self._state is not None
            return self._state
        finally:
            self._lock.release()

    def _ask(self) -> None:
        begun = time.monotonic()
        try:
            found = read_manifest(self._client, self.key, self._read)
        except NotFoundError:
            raise  # it has an answer, and it is no
        except RainerError as e:
            self._go_on_without(e, time.monotonic() - begun)
            return
        self._due, self.error = time.monotonic() + (self.poll_s or 0), None
        if found is self._read and self._state is not None:
            return
        state = self._state = self._state_of(found)
        self._read = found  # the last to be set: a child forked before this reads it again
        if self._remembered is not None:
            self._remembered.save(state.commits)

    def _state_of(self, found: ReadManifest) -> ManifestState:
        if found.head is None or not found.stored.exists:
            self._state = None
            raise no_manifest(self.key, self.namespace)
        commits = {part_key(self.key, number): commit for number, commit in found.parts.items() if not commit.is_empty}
        commits[self.key] = found.head
        return ManifestState(
            self.key, self.namespace, found.stored.manifest, found.head.version, found.revision, commits
        )  # fmt: skip

    def _go_on_without(self, error: RainerError, took_s: float) -> None:
        if self._state is None:
            # Who is refused, or asks what is no server, is told so to begin with, and not only once it ran well.
            may_begin = self._remembered is not None and isinstance(error, UnavailableError | InvalidManifest)
            commits = self._remembered.load() if may_begin and self._remembered is not None else None
            if not commits:
                raise error
            self._state = self.restore(commits)
        if self.error is None:
            log.warning("manifest %s of %s is as it was last seen: %s", self.key, self._client.url, error)
        self.error = error
        away_s = max(_AWAY_S, _AWAY_TIMES * took_s)
        self._due = time.monotonic() + (self.poll_s or 0 if isinstance(error, InvalidManifest) else away_s)

    @property
    def has_history(self) -> bool:
        return True

    def history(self, path: str) -> Iterator[Entry]:
        return history(self._client, self.key, path)

    def close(self) -> None:
        if self._is_ours:
            self._client.close()
