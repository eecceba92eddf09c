"""The audit: the leader compares the tree with the journal, a little at a time, and repairs what hands have changed.

A node whose last transaction is our own holds what we wrote: it costs one comparison of numbers. Only the others are
read and compared with the journal.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence

from rainer.errors import ConflictError, DeniedError, InvalidError, PositionGone
from rainer.journal.reads import Reads
from rainer.model.packed import PackedHead
from rainer.publish.changes import Bundle, invented, packed, pieces
from rainer.publish.large import LargeHeads
from rainer.publish.steps import Step
from rainer.publish.tree_writer import TreeWriter, key_of
from rainer.zk import Delete

log = logging.getLogger("rainer.publish")

CYCLE_S = 20.0
"""How long it takes to go once through all keys; whatever a hand does is found within it."""
_PORTION = 1_000
_JOURNAL_PORTION = 10_000
_SUPERSEDED_S = 30.0


class Audit:
    """Of one tree; `step` does one portion. Belongs to the publisher's thread."""

    def __init__(
        self, writer: TreeWriter, large: LargeHeads, reads: Reads, namespace: str, namespace_id: int,
        restrict: Callable[[Sequence[str]], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._writer, self._large, self._reads, self._restrict = writer, large, reads, restrict
        self._namespace, self._namespace_id = namespace, namespace_id
        self._prints: dict[str, tuple[int, ...]] = {}
        self._superseded: dict[str, float] = {}
        self._cycle: Iterator[float] | None = None
        self.due = 0.0
        """When the next portion is due, in monotonic seconds."""

    def begin(self) -> None:
        """Begin a cycle anew: this publisher has just taken the lead."""
        self._cycle, self.due = None, 0.0

    def step(self, now: float) -> None:
        """Do a portion when it is due. Raises what ZooKeeper or the journal raise; the next step begins a new cycle."""
        if now < self.due:
            return
        cycle, self._cycle = self._cycle or self._cycles(), None
        self.due = now + next(cycle)
        self._cycle = cycle

    def _cycles(self) -> Iterator[float]:
        """Each turn is a portion's work and gives the pause until the next in seconds."""
        while True:
            yield from self._go()

    def _go(self) -> Iterator[float]:
        """One cycle through all keys."""
        begun = time.monotonic()
        writer = self._writer
        names = set(writer.zk.children(writer.tree.data) or ())
        is_first = not writer.nodes.is_complete
        if is_first:
            keys, wrong = sorted(names.union(self._journal_keys())), set[str]()
            self._measure_log()
        else:
            keys = writer.nodes.present()
            wrong = names.symmetric_difference(keys) | set(writer.unpublishable)
        yield from self._repair_all(wrong)
        portions = [keys[at : at + _PORTION] for at in range(0, len(keys), _PORTION)]
        for left, portion in zip(range(len(portions), 0, -1), portions, strict=True):
            yield max(0.0, (begun + CYCLE_S - time.monotonic()) / (left + 1))
            yield from self._repair_all(portion if is_first else self._strange(portion))
        writer.nodes.is_complete = True
        yield from self._look_at_large()
        yield max(0.0, begun + CYCLE_S - time.monotonic())

    def _journal_keys(self) -> Iterator[str]:
        pinned = self._reads.pin(None)
        after: str | None = None
        while True:
            portion = self._reads.heads_portion(self._namespace, pinned, after=after, portion=_JOURNAL_PORTION)
            yield from (cells[0] for cells in portion.cells)
            after = portion.next_after
            if after is None:
                return

    def _measure_log(self) -> None:
        """How large the batches are, with the pieces they speak of, that others wrote."""
        writer = self._writer
        numbers = writer.window.unmeasured()
        found = writer.zk.get_large([writer.tree.batch(n) for n in numbers])
        writer.window.measure({n: len(data) for n, data in zip(numbers, found, strict=True) if data is not None})

    def _strange(self, keys: Sequence[str]) -> list[str]:
        """Those of the keys whose node was last written by somebody else, or is gone."""
        nodes, tree = self._writer.nodes, self._writer.tree
        known = [key for key in keys if nodes.is_present(key)]
        found = self._writer.zk.last_changes([tree.key(key) for key in known])
        zxids = nodes.zxids
        return [key for key, zxid in zip(known, found, strict=True) if zxid is None or zxid != zxids.get(key)]

    def _repair_all(self, keys: Collection[str]) -> Iterator[float]:
        wanted = sorted(keys)
        for start in range(0, len(wanted), _PORTION):
            self.repair(wanted[start : start + _PORTION])
            if start + _PORTION < len(wanted):
                yield 0.0

    # Repairing

    def repair(self, keys: Sequence[str]) -> None:
        """Compare these keys with the journal, every byte, and restate those that differ."""
        writer = self._writer
        head = writer.head
        if head is None or not keys:
            return
        pinned = self._reads.pin(head.revision)
        if pinned.position != head.position:
            raise PositionGone(f"the journal does not hold {head.position}")
        _, rows = self._reads.head_rows([(self._namespace_id, key) for key in keys])
        by_key = {row.key: row for row in rows}
        nodes = writer.zk.get_many([writer.tree.key(key) for key in keys])
        wrong: list[PackedHead] = []
        for key, node in zip(keys, nodes, strict=True):
            row = by_key.get(key)
            if row is not None and row.revision > head.revision:
                continue  # it is about to be published
            wanted = invented(key) if row is None else packed(row)
            if not self._large.is_right(wanted, node):
                wrong.append(wanted)
            else:
                writer.unpublishable.pop(key, None)
        self._restate(wrong)
        if writer.nodes.is_complete:  # whoever touched them may have opened them
            self._restrict([writer.tree.key(key) for key in keys])

    def _restate(self, heads: list[PackedHead]) -> None:
        """Publish repairs; a key that cannot be repaired stands alone and is reported."""
        writer = self._writer
        alone = [h for h in heads if h.key in writer.unpublishable]
        together = [h for h in heads if h.key not in writer.unpublishable]
        runs = pieces(together, writer.sizes.both) + [[h] for h in alone]
        while runs:
            run = runs.pop(0)
            before = {h.key: writer.unpublishable.pop(h.key) for h in run if h.key in writer.unpublishable}
            try:
                self._publish(run)
            except (DeniedError, InvalidError, ConflictError) as e:
                key = key_of(writer.tree, e)
                if key is None:
                    raise
                if key not in before:
                    log.warning("%s/%s cannot be published: %s", self._namespace, key, e)
                writer.unpublishable[key] = str(e)
                writer.load()
                rest = [h for h in run if h.key != key]
                runs[:0] = [rest] if rest else []

    def _publish(self, run: list[PackedHead]) -> None:
        writer = self._writer
        ready = {h.key: h for h in map(self._large.ready, run) if h is not None}
        if ready and writer.head is not None:
            log.warning("repairing %d keys of %s that are not as the journal has them", len(ready), self._namespace)
            size = sum(map(writer.sizes.both, ready.values()))
            writer.publish([Bundle(ready, writer.head.position, size, repair=True)])

    # Large keys

    def _look_at_large(self) -> Iterator[float]:
        """Compare the nodes under `large/`, and delete pieces that were superseded a while ago."""
        writer = self._writer
        there = set(writer.zk.children(writer.tree.large) or ())
        for key in sorted(there | writer.nodes.large):
            if key in there:
                writer.nodes.large.add(key)
            seen = self._large.print_of(key)
            if seen is None or self._prints.get(key) != seen:
                self.repair([key])
                # What was there before the bytes were compared: whatever a hand does from then on looks different.
                if seen is not None:
                    self._prints[key] = seen
            self._delete_superseded(key)
            yield 0.01
        for key in set(self._prints) - writer.nodes.large:
            del self._prints[key]

    def _delete_superseded(self, key: str) -> None:
        now, writer = time.monotonic(), self._writer
        old = self._large.superseded(key)
        for path in old:
            self._superseded.setdefault(path, now)
        due = [path for path in old if now - self._superseded[path] >= _SUPERSEDED_S]
        if due:
            writer.send(Step(writer.planned, others=[Delete(path) for path in due]))
            writer.drain()
        for path in due:
            del self._superseded[path]
