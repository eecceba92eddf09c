"""Watching a tree that somebody else publishes: is what we know of published, and does the other one still move?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rainer.errors import CorruptError
from rainer.model.published import Beat, Head
from rainer.zk import Stat, Tree, ZooKeeper

PATIENCE_S: Final = 1.0
"""How long a commit may be unpublished, and the tree without any sign of life, before another one publishes it."""
_LOOK_S: Final = 0.25
_IDLE_LOOK_S: Final = 2.0


@dataclass(slots=True)
class Owed:
    """Commits that are known to be unpublished: the newest, when the oldest was recorded, and since when we know."""

    revision: int
    oldest_ms: int
    since: float


class Standby:
    """Belongs to the publisher's thread; times are monotonic seconds."""

    def __init__(self, zk: ZooKeeper, tree: Tree) -> None:
        self._zk = zk
        self._paths = [tree.head, tree.beat, tree.log]
        self.head: Head | None = None
        self.beat: Beat | None = None
        self.owed: Owed | None = None
        self.due = 0.0
        self.has_looked = False
        self._sign: tuple[Stat | None, ...] | None = None
        self._sign_at = 0.0

    def owe(self, revision: int, oldest_ms: int, now: float) -> None:
        """A commit is known that the tree may lack."""
        if self.owed is None:
            self.owed = Owed(revision, oldest_ms, now)
            self._sign, self.due = None, now
        else:
            self.owed.revision = max(self.owed.revision, revision)

    def paid(self, revision: int) -> None:
        """The tree is known to hold all up to a revision."""
        if self.owed is not None and revision >= self.owed.revision:
            self.owed = None

    def look(self, now: float) -> None:
        """Read head and beat, if that is due."""
        if now < self.due:
            return
        found = self._zk.get_many(self._paths)
        sign = tuple(None if node is None else node[1] for node in found)
        if sign != self._sign:
            self._sign, self._sign_at = sign, now
        self.head, self.beat = self._read(found[0], found[1])
        if self.head is not None:
            self.paid(self.head.revision)
        self.has_looked = True
        self.due = now + (_IDLE_LOOK_S if self.owed is None else _LOOK_S)

    @staticmethod
    def _read(head: tuple[bytes, Stat] | None, beat: tuple[bytes, Stat] | None) -> tuple[Head | None, Beat | None]:
        read_head: Head | None = None
        read_beat: Beat | None = None
        try:
            read_head = None if head is None else Head.from_bytes(head[0])
            read_beat = None if beat is None else Beat.from_bytes(beat[0])
        except CorruptError:
            pass
        return read_head, read_beat

    def is_forsaken(self, now: float) -> bool:
        """Whether something has been unpublished for too long while nothing moved."""
        return (
            self.owed is not None
            and self._sign is not None
            and now - self.owed.since >= PATIENCE_S
            and now - self._sign_at >= PATIENCE_S
        )

    def reset(self) -> None:
        """Begin to watch anew: what was seen is from before."""
        self._sign, self.due, self.has_looked = None, 0.0, False
