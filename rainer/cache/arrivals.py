"""How a file comes in: into a temporary file, verified as it comes, then moved into its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from rainer.cache.blobs import Blobs, Found, Swept
from rainer.cache.failures import told
from rainer.cache.gate import Gate
from rainer.cache.layout import Layout
from rainer.cache.room import Room
from rainer.cache.sweeping import sweep_temporaries
from rainer.cache.turns import Turn
from rainer.errors import NoSpace, UnavailableError, WrongDigest
from rainer.store.fetching import Fetched, fetch
from rainer.store.store import Ahead, Progress, Store, shown

_TRIES: Final = 3


class Asked(NamedTuple):
    """What is to be fetched, and as what it must come."""

    store: Store
    uri: str
    name: str
    sha256: str | None = None
    size: int | None = None
    if_none_match: str | None = None
    progress: Progress | None = None
    ahead: Ahead | None = None


class Arrived(NamedTuple):
    """A file in its place, and what is known of it."""

    found: Found
    sha256: str
    etag: str | None = None


class Arrivals:
    """The way into one cache. For any number of threads."""

    def __init__(self, layout: Layout, gate: Gate, blobs: Blobs, room: Room) -> None:
        self._layout = layout
        self._gate = gate
        self._blobs = blobs
        self._room = room
        self._is_swept = False

    def fetch(self, asked: Asked, turn: Turn) -> Arrived | None:
        """Download and keep; None if the object still has the ETag `if_none_match`.

        Raises what `rainer.store.fetch` raises, NoSpace over the limit, and our errors for the folder's.
        """

        ahead = [asked.ahead] if asked.ahead is not None else []

        def fill(number: int) -> Fetched | None:
            fetched = fetch(
                asked.store, asked.uri, number, size=asked.size, sha256=asked.sha256,
                if_none_match=asked.if_none_match, progress=asked.progress,
                ahead=ahead.pop() if ahead else None,
            )  # fmt: skip
            if fetched is not None and asked.sha256 not in (None, fetched.sha256):
                raise WrongDigest(
                    f"{shown(asked.uri)} came with SHA-256 {fetched.sha256}, and {asked.sha256} was wanted"
                )
            return fetched

        return self.bring(fill, asked.name, asked.size, turn)

    def bring(
        self, fill: Callable[[int], Fetched | None], name: str, size: int | None, turn: Turn
    ) -> Arrived | None:  # fmt: skip
        """Keep what `fill` writes into the open file that it is given. It may be called again on a full disk."""
        self._sweep()
        for left in reversed(range(_TRIES)):
            try:
                with told(self._layout.root):
                    return self._bring(fill, name, size, turn)
            except Swept:
                with told(self._layout.root):
                    turn.renew()
            except NoSpace as e:
                with told(self._layout.root):
                    turn.empty()
                    if "limit_bytes" in e.details or not left or not self._room.relieve(size or 0):
                        raise
        raise UnavailableError(f"files are removed from {self._layout.tmp} while they are written", hint="see who does")

    def _sweep(self) -> None:
        """Once for each cache object: a cache that is never full would keep for ever what crashes left."""
        if not self._is_swept:
            self._is_swept = True
            with told(self._layout.root):
                sweep_temporaries(self._layout, self._gate)

    def _bring(
        self, fill: Callable[[int], Fetched | None], name: str, size: int | None, turn: Turn
    ) -> Arrived | None:  # fmt: skip
        if size is not None:
            self._room.make(size)
        fetched = fill(turn.number)
        if fetched is None:
            return None
        if size is None:
            self._room.make(fetched.size)
        found = self._blobs.place(turn.path, turn.number, fetched.sha256, name, fetched.size)
        turn.is_moved = True
        return Arrived(found, fetched.sha256, fetched.info.etag)
