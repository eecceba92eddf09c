"""Commits that no znode carries: immutable pieces under `large/<key>`, and the node above that lists them."""

from __future__ import annotations

import hashlib
from typing import Final

from rainer.errors import CorruptError, DeniedError, InvalidError
from rainer.model.packed import Kind, PackedHead
from rainer.model.published import Parts
from rainer.publish.changes import LARGE_BYTES
from rainer.publish.steps import Step
from rainer.publish.tree_writer import TreeWriter
from rainer.zk import Create, Operation, Set, Stat

PIECE_BYTES: Final = 700_000


def is_large(head: PackedHead) -> bool:
    return head.kind is Kind.HEAD and len(head.data) > LARGE_BYTES


def parts_of(head: PackedHead) -> Parts:
    """How the pieces of a large head are called; of the same commit always the same."""
    count = -(-len(head.data) // PIECE_BYTES)
    names = [f"{head.revision:010d}-{number:04d}" for number in range(1, count + 1)]
    return Parts(head.version, head.revision, names, len(head.data), hashlib.sha256(head.data).hexdigest())


class LargeHeads:
    """Puts pieces in place and looks at them."""

    def __init__(self, writer: TreeWriter) -> None:
        self._writer = writer

    def ready(self, head: PackedHead) -> PackedHead | None:
        """The head itself, or, of a large one, its parts, which are in place when later writes land.

        None where ZooKeeper does not let us: the key is then among the unpublishable ones.
        """
        if not is_large(head):
            return head
        try:
            return self._upload(head)
        except (DeniedError, InvalidError) as e:
            self._writer.unpublishable[head.key] = str(e)
            self._writer.load()
            return None

    def _upload(self, head: PackedHead) -> PackedHead:
        writer, parts = self._writer, parts_of(head)
        path = writer.tree.large_key(head.key)
        there = writer.zk.children(path)
        operations: list[Operation] = [] if there is not None else [Create(path)]
        writer.nodes.large.add(head.key)
        writer.drain()  # so that what is refused now is refused for this key
        for number, name in enumerate(parts.names):
            piece = head.data[number * PIECE_BYTES : (number + 1) * PIECE_BYTES]
            node = f"{path}/{name}"
            operations.append(Set(node, piece) if name in (there or ()) else Create(node, piece))
            self._send(operations)
            operations = []
        writer.drain()
        return head._replace(kind=Kind.PARTS, data=parts.to_bytes())

    def _send(self, operations: list[Operation]) -> None:
        self._writer.send(Step(self._writer.planned, others=operations))

    def is_right(self, head: PackedHead, node: tuple[bytes, Stat] | None) -> bool:
        """Whether a key's nodes are as its head says, its data node being `node`; what is learnt of that is kept."""
        nodes = self._writer.nodes
        if is_large(head):
            nodes.learn(head.key, None if node is None else node[1])
            return node is None and self.is_whole(head)
        wanted = head.data if head.kind is Kind.HEAD else None
        is_same = (None if node is None else node[0]) == wanted
        nodes.learn(head.key, None if node is None else node[1], is_right=is_same)
        return is_same and head.key not in nodes.large

    def is_whole(self, head: PackedHead) -> bool:
        """Whether the nodes of a large head hold it, every byte compared."""
        zk, path, parts = self._writer.zk, self._writer.tree.large_key(head.key), parts_of(head)
        found = zk.get(path)
        if found is None or found[0] != parts.to_bytes():
            return False
        digest = hashlib.sha256()
        for name in parts.names:
            piece = zk.get(f"{path}/{name}")
            if piece is None:
                return False
            digest.update(piece[0])
        return digest.hexdigest() == parts.sha256

    def print_of(self, key: str) -> tuple[int, ...] | None:
        """The last transactions of a key's nodes under `large/`: while they stay, its content does. None: damaged."""
        zk, path = self._writer.zk, self._writer.tree.large_key(key)
        found = zk.get(path)
        if found is None:
            return None
        try:
            names = Parts.from_bytes(found[0]).names
        except CorruptError:
            return None
        stats = [zk.exists(f"{path}/{name}") for name in names]
        return None if None in stats else (found[1].mzxid, *(s.mzxid for s in stats if s is not None))

    def superseded(self, key: str) -> list[str]:
        """Paths of pieces that the key's list does not name."""
        zk, path = self._writer.zk, self._writer.tree.large_key(key)
        names, found = zk.children(path), zk.get(path)
        if names is None or found is None:
            return []
        try:
            listed = set(Parts.from_bytes(found[0]).names) if found[0] else set()
        except CorruptError:
            return []
        return [f"{path}/{name}" for name in names if name not in listed]
