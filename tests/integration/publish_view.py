"""A tree as a mirror sees it that reads it from nothing, and what the journal says it must be."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing

from rainer.journal import Journal
from rainer.model.packed import Kind, PackedHead
from rainer.model.published import Batch, Head, Parts
from rainer.model.serialization import to_bytes
from rainer.publish import Publisher
from rainer.zk import Tree, ZooKeeper, ZooKeeperOptions
from tests.services.waiting import wait_until

ROOT = "/rainer"


def connect(hosts: str) -> AbstractContextManager[ZooKeeper]:
    """A connection of the test's own."""
    zk = ZooKeeper(ZooKeeperOptions(hosts))
    zk.start()
    return closing(zk)


def publishing(journal: Journal, hosts: str, **options: bool) -> Publisher:
    """A publisher to start, or to use in `with`."""
    return Publisher(journal, ZooKeeperOptions(hosts), ROOT, **options)


def commit(journal: Journal, key: str, payload: bytes | None = b"1", namespace: str = "diary") -> int:
    """Commit the next version of a key; its revision."""
    heads = {c.key: c.version for c in journal.heads(namespace, include_empty=True, prefix=key)}
    made = journal.append(key, payload, version=heads.get(key, 0) + 1, author="me", namespace=namespace)
    assert made.revision is not None
    return made.revision


class TreeView:
    """Reads one tree, and holds it to a journal."""

    def __init__(self, zk: ZooKeeper, journal: Journal, namespace: str = "diary") -> None:
        self.zk, self.journal, self.namespace = zk, journal, namespace
        self.tree = Tree(f"{ROOT}/{namespace}")

    @property
    def head(self) -> Head:
        found = self.zk.get(self.tree.head)
        assert found is not None, "the tree has no head"
        return Head.from_bytes(found[0])

    def data(self) -> dict[str, bytes]:
        """The data nodes, as the ancestor's readers see them."""
        names = self.zk.children(self.tree.data) or []
        found = self.zk.get_many([self.tree.key(name) for name in names])
        return {name: node[0] for name, node in zip(names, found, strict=True) if node is not None}

    def large(self) -> dict[str, bytes]:
        """The commits that are kept in pieces, joined."""
        names = self.zk.children(self.tree.large) or []
        found = self.zk.get_many([self.tree.large_key(name) for name in names])
        return {name: self._joined(name, node[0]) for name, node in zip(names, found, strict=True) if node and node[0]}

    def _joined(self, key: str, parts: bytes) -> bytes:
        names = Parts.from_bytes(parts).names
        pieces = self.zk.get_many([f"{self.tree.large_key(key)}/{name}" for name in names])
        return b"".join(piece[0] for piece in pieces if piece is not None)

    def numbers(self) -> list[int]:
        """Which batches the log holds."""
        return sorted(int(name) for name in self.zk.children(self.tree.log) or [])

    def batches(self, after: int = 0) -> list[Batch]:
        """The batches of the log beyond a number, up to the head's."""
        wanted = [n for n in self.numbers() if after < n <= self.head.n]
        found = self.zk.get_many([self.tree.batch(n) for n in wanted])
        return [Batch.from_bytes(node[0]) for node in found if node is not None]

    def seen(self) -> tuple[Head, dict[str, bytes]]:
        """The state that a mirror gets which starts now: all nodes, and the log from what they show."""
        head = self.head
        held = self.data() | self.large()
        for batch in self.batches(head.data_n):
            self.apply(held, batch)
        return head, held

    def apply(self, held: dict[str, bytes], batch: Batch) -> None:
        for record in batch.records:
            if record.kind is Kind.REMOVED:
                held.pop(record.key, None)
            else:
                held[record.key] = self._content(record)

    def _content(self, record: PackedHead) -> bytes:
        return self._joined(record.key, record.data) if record.kind is Kind.PARTS else record.data

    def expected(self, at: int | None = None) -> dict[str, bytes]:
        """What the journal says, now or as of a revision."""
        return {c.key: to_bytes(c) for c in self.journal.heads(self.namespace, at=at)}

    def assert_whole(self) -> Head:
        """What a mirror sees is the journal as of the head's revision: every changeset whole or not at all."""
        head, seen = self.seen()
        expected = self.expected(head.revision)
        wrong = {key: (seen.get(key), expected.get(key)) for key in seen.keys() | expected.keys()}
        wrong = {key: both for key, both in wrong.items() if both[0] != both[1]}
        assert not wrong, f"at {head}: seen and expected of {sorted(wrong)} are {list(wrong.values())[:3]}"
        assert self.journal.reads.pin(head.revision).position == head.position
        return head

    def assert_published(self) -> Head:
        """All of the journal is there, in the nodes themselves, and nothing is left over."""
        head = self.assert_whole()
        assert head.n == head.data_n
        assert self.data() | self.large() == self.expected()
        numbers = self.numbers()
        assert all(n <= head.n for n in numbers)
        assert numbers == list(range(numbers[0], head.n + 1)) if numbers else True
        return head

    def is_published(self) -> bool:
        """Whether the head stands where the namespace's newest commit does, or beyond."""
        found = self.zk.get(self.tree.head)
        if found is None:
            return False
        head = Head.from_bytes(found[0])
        newest = max((c.revision or 0 for c in self.journal.heads(self.namespace, include_empty=True)), default=0)
        return head.revision >= newest and head.n == head.data_n

    def wait(self, timeout_s: float = 10.0) -> Head:
        """Wait until all is published, and hold it to the journal."""
        wait_until(self.is_published, timeout_s, "the tree to be published")
        return self.assert_published()

    def wait_for(self, condition: Callable[[], bool], what: str, timeout_s: float = 10.0) -> None:
        wait_until(condition, timeout_s, what)
