"""Bringing a whole tree to the journal: one without a head, one of another lineage, one that was left unfinished."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from rainer.errors import CorruptError, NotFoundError
from rainer.journal.listing import HeadRow
from rainer.journal.reads import Reads
from rainer.journal.row import State
from rainer.model.packed import PackedHead
from rainer.model.published import Batch, Head
from rainer.publish.changes import Bundle, invented, packed, pieces
from rainer.publish.large import LargeHeads
from rainer.publish.steps import Step, node_steps
from rainer.publish.tree_writer import TreeWriter
from rainer.zk import Delete

_PORTION = 5_000
_DELETED_AT_ONCE = 500


class Reconciler:
    """Compares a tree with the journal, every byte; belongs to the publisher's thread."""

    def __init__(self, writer: TreeWriter, large: LargeHeads, reads: Reads, namespace: str) -> None:
        self._writer, self._large, self._reads, self._namespace = writer, large, reads, namespace

    # A tree without a head

    def fill(self) -> Iterator[None]:
        """Bring the nodes of a tree without a head to the journal, and make its head; each turn is a portion's work.

        Nobody can take half of it for a changeset: until the head is there, nothing says what the nodes show.
        """
        writer = self._writer
        writer.ensure()
        strays = writer.look_at_log()
        writer.begin_headless()
        state = self._reads.pin(None)
        for found in self._differences(state):
            ready = [head for head in map(self._large.ready, found) if head is not None]
            for piece in pieces(ready, writer.sizes.node):
                writer.send(Step(None, None, piece))
            self._show_life()
            yield
        self._delete_batches(strays)
        # A tree that lost its head, or all of its nodes, must not go on with numbers that mirrors know already.
        n = max([state.revision, *strays])
        writer.create_head(Head(state.lineage, n, n, state.revision, state.chain.hex()))
        writer.nodes.is_complete = True

    def _delete_batches(self, numbers: Sequence[int]) -> None:
        writer = self._writer
        for start in range(0, len(numbers), _DELETED_AT_ONCE):
            some = [Delete(writer.tree.batch(n)) for n in numbers[start : start + _DELETED_AT_ONCE]]
            writer.send(Step(writer.planned, others=some))

    # A tree of another lineage, or one whose log is damaged where it is needed

    def restate(self, at: int | None) -> Iterator[None]:
        """Bring a tree to the journal, now or as of revision `at`, as one repair that mirrors take as a whole."""
        writer = self._writer
        state = self._reads.pin(at)
        heads: dict[str, PackedHead] = {}
        for found in self._differences(state):
            ready = [head for head in map(self._large.ready, found) if head is not None]
            heads.update((head.key, head) for head in ready)
            self._show_life()
            yield
        size = sum(map(writer.sizes.both, heads.values()))
        writer.publish([Bundle(heads, state.position, size, repair=True)])
        writer.nodes.is_complete = True

    def _show_life(self) -> None:
        """Move the fence, even if there is nothing to write: who waits for us sees that we are at it."""
        self._writer.send(Step(self._writer.planned))

    # Comparing

    def _differences(self, state: State) -> Iterator[list[PackedHead]]:
        """What the nodes should hold and do not, as of `state`, in the order of the keys."""
        writer = self._writer
        writer.nodes.clear()
        writer.nodes.look_at_large()
        names = sorted({*(writer.zk.children(writer.tree.data) or ()), *writer.nodes.large})
        after: str | None = None
        while True:
            portion = self._reads.heads_portion(
                self._namespace, state, after=after, portion=_PORTION, include_empty=True, payloads=True
            )
            start = 0 if after is None else bisect_right(names, after)
            end = len(names) if portion.next_after is None else bisect_right(names, portion.next_after)
            yield self._compare(portion.rows, names[start:end])
            after = portion.next_after
            if after is None:
                return

    def _compare(self, rows: list[HeadRow], names: list[str]) -> list[PackedHead]:
        writer = self._writer
        nodes = dict(zip(names, writer.zk.get_many([writer.tree.key(name) for name in names]), strict=True))
        found: list[PackedHead] = []
        for row in rows:
            node = nodes.pop(row.key, None)
            head = None if row.is_empty and node is None and row.key not in writer.nodes.large else packed(row)
            if head is not None and not self._large.is_right(head, node):
                found.append(head)
        for name, node in nodes.items():
            writer.nodes.learn(name, None if node is None else node[1])
            found.append(invented(name))
        return found

    # A tree whose publisher died at it

    def finish(self) -> bool:
        """Delete batches that no head speaks of, and bring the nodes up to the head; False where the log is damaged."""
        writer = self._writer
        assert writer.head is not None
        writer.nodes.look_at_large()
        strays = writer.look_at_log()
        self._delete_batches(strays)
        writer.drain()
        head = writer.head
        if head.data_n == head.n:
            return True
        try:
            batches = self._batches(head)
        except (CorruptError, NotFoundError):
            return False
        heads = {record.key: record for batch in batches for record in batch.records}
        writer.nodes.look(heads)
        for step in node_steps(list(heads.values()), head, writer.sizes):
            writer.send(step)
        writer.drain()
        return True

    def _batches(self, head: Head) -> list[Batch]:
        numbers = range(head.data_n + 1, head.n + 1)
        found = self._writer.zk.get_large([self._writer.tree.batch(n) for n in numbers])
        if None in found:
            raise NotFoundError("a batch of the log is gone")
        return [Batch.from_bytes(data) for data in found if data is not None]
