"""The parts of which one cache object is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from rainer.cache.arrivals import Arrivals
from rainer.cache.blobs import Blobs, Found
from rainer.cache.claims import Pins
from rainer.cache.flights import Flights
from rainer.cache.gate import Gate
from rainer.cache.layout import Layout
from rainer.cache.leases import Leases
from rainer.cache.missing import NAME, MissingList
from rainer.cache.refs import Refs
from rainer.cache.room import Room
from rainer.cache.turns import Turns
from rainer.cache.warm import Warm

if TYPE_CHECKING:
    from rainer.cache.unpinned import Cached
    from rainer.store.opening import Stores


class Parts:
    """What a cache's calls share. For any number of threads; `after_fork_in_child` before anything in a child."""

    def __init__(
        self, root: Path, *, size_bytes_max: int, read_only: bool, shared: bool, offline: bool, stores: Stores | None,
        missing_file: Path | None,
    ) -> None:  # fmt: skip
        self.read_only: Final = read_only
        self.offline: Final = offline
        self._stores = stores
        self._has_own_stores = stores is None
        self.layout: Final = Layout(root, shared=shared, read_only=read_only)
        self.gate: Final = Gate(self.layout)
        self.leases: Final = Leases(self.layout, self.gate)
        self.pins: Final = Pins(self.layout, self.gate)
        self.blobs: Final = Blobs(self.layout, self.gate, self.leases, read_only=read_only)
        self.refs: Final = Refs(self.layout, self.gate)
        self.room: Final = Room(self.layout, self.gate, self.blobs, self.refs, size_bytes_max)
        self.turns: Final = Turns(self.layout)
        self.arrivals: Final = Arrivals(self.layout, self.gate, self.blobs, self.room)
        self.flights: Final[Flights[Found]] = Flights()
        self.asking: Final[Flights[Cached]] = Flights()
        self.warm: Final = Warm(self.blobs)
        listed = missing_file or root / NAME
        # Beside the files of the cache it has their permissions, and is not what makes the folder with others.
        self.missing: Final = MissingList(listed, self.layout.open if listed.parent == root else None)

    @property
    def stores(self) -> Stores:
        """The stores to ask, made with their defaults if none were given."""
        if self._stores is None:
            from rainer.store.opening import Stores

            self._stores = Stores()
        return self._stores

    @property
    def why_not(self) -> tuple[str, str] | None:
        """Why nothing may be fetched, and what to do about it; None if it may."""
        if self.offline:
            hint = (
                f"fetch it where there is network: `rainer asset prefetch {self.missing.path}`; or unset RAINER_OFFLINE"
            )
            return "the cache is offline", hint
        if self.read_only:
            return "the cache is read-only", "let it write (RAINER_CACHE_READ_ONLY), or name another (RAINER_CACHE_DIR)"
        return None

    def note_missing(self, uri: str) -> None:
        """Put a URI on the list of what could not be had."""
        if not (self.read_only and self.missing.path.is_relative_to(self.layout.root)):
            self.missing.add(uri)

    def after_fork_in_child(self) -> None:
        self.gate.after_fork_in_child()
        self.leases.after_fork_in_child()
        self.flights.after_fork_in_child()
        self.asking.after_fork_in_child()
        self.warm.files.clear()  # leased by the parent alone

    def close(self) -> None:
        self.leases.close()
        self.gate.close()
        self.warm.files.clear()
        if self._has_own_stores and self._stores is not None:
            self._stores.close()
