"""Who publishes: ephemeral, numbered nodes in one queue, as the ancestor's Curator makes them; the lowest leads."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable

from rainer.errors import ConflictError, NotFoundError, RainerError
from rainer.zk import Delete, ZooKeeper

_LOCK = "-lock-"


class Election:
    """One publisher's place in one queue. Belongs to the publisher's thread; `changed` is called on others."""

    def __init__(self, zk: ZooKeeper, path: str, who: str, changed: Callable[[], None]) -> None:
        self._zk, self._path, self._who = zk, path, who
        self._changed = changed
        self._session = 0
        self._id = ""
        self._own: str | None = None
        self._must_look = True
        self.is_leader = False
        self.first = ""
        """The node that leads."""
        self.leader = ""
        """Who leads, as far as the queue tells: an ancestor writes its own idea of a name, or none."""

    @property
    def own(self) -> str | None:
        """The path of our place in the queue, if we have one; it goes with our session."""
        return None if self._own is None else f"{self._path}/{self._own}"

    def look_again(self) -> None:
        """The queue may have changed, or our place in it be lost. Callable from any thread."""
        self._must_look = True
        self._changed()

    def lose(self) -> None:
        """The session is gone, and our place with it. Callable from any thread."""
        self.is_leader = False
        self._must_look = True

    def look(self) -> bool:
        """Take a place if there is none, and see who leads, where that may have changed; whether we lead."""
        if not self._must_look and self._session == self._zk.session_id:
            return self.is_leader
        self._must_look = False
        try:
            self._look()
        except BaseException:
            self.is_leader, self._must_look = False, True
            raise
        return self.is_leader

    def _look(self) -> None:
        if self._session != self._zk.session_id:
            # Nodes of an earlier session are about to vanish, and are not ours.
            self._session, self._id, self._own = self._zk.session_id, str(uuid.uuid4()), None
        queue = self._queue()
        if not any(self._id in name for name in queue):
            self._zk.create_sequence(f"{self._path}/_c_{self._id}{_LOCK}", self._who.encode())
            queue = self._queue()
        first = queue[0]
        self._own = next((name for name in queue if self._id in name), None)
        self.first, self.is_leader = first, first == self._own
        found = self._zk.get(f"{self._path}/{first}")
        self.leader = "" if found is None else found[0].decode(errors="replace")

    def _queue(self) -> list[str]:
        names = self._zk.children(self._path, self.look_again)
        if names is None:
            self._zk.ensure(self._path)
            names = self._zk.children(self._path, self.look_again) or []
        return sorted((name for name in names if _LOCK in name), key=lambda name: name.rsplit(_LOCK, 1)[1])

    def leave(self) -> None:
        """Give up our place, so that the next one leads at once."""
        self.is_leader = False
        own, self._own = self._own, None
        if own is not None and self._session == self._zk.session_id:
            with contextlib.suppress(NotFoundError, ConflictError, RainerError):
                self._zk.write([Delete(f"{self._path}/{own}")])
