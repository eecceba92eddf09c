"""What is known of a tree's data nodes, so that writes can be checked and an untouched node costs one comparison."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rainer.model.packed import Kind, PackedHead
from rainer.zk import Create, Delete, Operation, Set, Stat, Tree, ZooKeeper

ABSENT: Final = -1


class KnownNodes:
    """The znode versions of data nodes as of the last write that was sent, and the transactions that wrote them.

    A node whose last transaction is the remembered one holds what was written then. Belongs to one thread.
    """

    def __init__(self, zk: ZooKeeper, tree: Tree) -> None:
        self._zk, self._tree = zk, tree
        self._versions: dict[str, int] = {}
        self.zxids: dict[str, int] = {}
        """The last transaction of each node whose content is known to be right."""
        self.large: set[str] = set()
        """Keys that have a node under `large/`."""
        self.is_complete = False
        """Whether a key that is not known has no data node."""

    def clear(self) -> None:
        """Know nothing any more: the tree is another one."""
        self._versions.clear()
        self.zxids.clear()
        self.large.clear()
        self.is_complete = False

    def doubt_absences(self) -> None:
        """Somebody else has written: what was absent may be there. (What was there is checked by its version.)"""
        self.is_complete = False
        self._versions = {key: version for key, version in self._versions.items() if version != ABSENT}

    def present(self) -> list[str]:
        """The keys known to have a data node."""
        return [key for key, version in self._versions.items() if version != ABSENT]

    def is_present(self, key: str) -> bool:
        return self._versions.get(key, ABSENT) != ABSENT

    def forget(self, keys: Iterable[str]) -> None:
        """These keys must be looked at again."""
        for key in keys:
            self._versions.pop(key, None)
            self.zxids.pop(key, None)

    def learn(self, key: str, stat: Stat | None, *, is_right: bool = False) -> None:
        """Take note of a node as it was read; `is_right` says that its content is the journal's."""
        self.zxids.pop(key, None)
        if stat is not None:
            self._versions[key] = stat.version
            if is_right:
                self.zxids[key] = stat.mzxid
        elif self.is_complete:
            self._versions.pop(key, None)
        else:
            self._versions[key] = ABSENT

    def look(self, keys: Iterable[str]) -> None:
        """Read these nodes' versions."""
        wanted = list(keys)
        for key, found in zip(wanted, self._zk.get_many([self._tree.key(k) for k in wanted]), strict=True):
            self._versions[key] = ABSENT if found is None else found[1].version
            self.zxids.pop(key, None)

    def look_at_unknown(self, heads: Iterable[PackedHead]) -> None:
        """Read the versions of nodes that are written soon; a key's first version is taken to have none yet."""
        if self.is_complete:
            return
        unknown = [h.key for h in heads if h.version > 1 and h.key not in self._versions]
        if unknown:
            self.look(unknown)

    def look_at_large(self) -> None:
        """Read which keys have a node under `large/`."""
        self.large = set(self._zk.children(self._tree.large) or ())

    def operations(self, head: PackedHead) -> list[Operation]:
        """What brings a key's nodes to a head; from now on it counts as sent."""
        key, path = head.key, self._tree.key(head.key)
        version = self._versions.get(key, ABSENT)
        self.zxids.pop(key, None)
        found: list[Operation] = []
        if head.kind is Kind.HEAD:
            found.append(Create(path, head.data) if version == ABSENT else Set(path, head.data, version))
            self._versions[key] = version + 1  # an absent node's -1 becomes the 0 of a new one
        else:
            if version != ABSENT:
                found.append(Delete(path, version))
            self._versions[key] = ABSENT
        if head.kind is Kind.PARTS:
            found.append(Set(self._tree.large_key(key), head.data))
        elif key in self.large:
            found += self._delete_large(key)
        return found

    def _delete_large(self, key: str) -> list[Operation]:
        self.large.discard(key)
        path = self._tree.large_key(key)
        names = self._zk.children(path)
        return [] if names is None else [*(Delete(f"{path}/{name}") for name in names), Delete(path)]

    def landed(self, heads: Iterable[PackedHead], zxid: int) -> None:
        """These heads were written by that transaction."""
        for head in heads:
            if head.kind is Kind.HEAD:
                self.zxids[head.key] = zxid
            elif self.is_complete and not self.is_present(head.key):
                self._versions.pop(head.key, None)
