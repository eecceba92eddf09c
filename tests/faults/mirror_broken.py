"""Publishers and mirrors that are broken on purpose: the real ones, with one fault put between two of their parts.

A publisher is broken in what it writes to ZooKeeper, a mirror in what its source hands to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from rainer.model.packed import Kind, PackedHead
from rainer.model.position import Position
from rainer.model.published import Batch, Head
from rainer.zk import Create, Operation, Set, Written, ZooKeeper

Records = Sequence[PackedHead]


class TamperedZooKeeper(ZooKeeper):
    """A publisher's connection whose writes go through `tamper` first; a class of its own for each test."""

    tamper: ClassVar[Callable[[list[Operation]], list[Operation]]]

    def write_later(self, operations: Sequence[Operation]) -> Callable[[], list[Written]]:
        return super().write_later(type(self).tamper(list(operations)))

    @classmethod
    def by(cls, tamper: PublisherFault) -> type[TamperedZooKeeper]:
        return type("TamperedZooKeeper", (cls,), {"tamper": staticmethod(tamper)})


class PublisherFault:
    """Sees every multi that carries a batch of the log, once `is_armed`; what it does not change passes as it is."""

    def __init__(self) -> None:
        self.is_armed = False
        self.done = 0

    def __call__(self, operations: list[Operation]) -> list[Operation]:
        at = next((n for n, o in enumerate(operations) if isinstance(o, Create) and "/log/" in o.path), None)
        if at is None or not self.is_armed:
            return operations
        create = operations[at]
        assert isinstance(create, Create)
        batch = Batch.from_bytes(create.data)
        if batch.repair:
            return operations  # it mends what was broken before, and would hide the fault
        broken = self.broken(batch)
        if broken == batch:
            return operations
        self.done += 1
        operations[at] = Create(create.path, broken.to_bytes())
        return self.beside(operations, batch, broken)

    def broken(self, batch: Batch) -> Batch:
        """The batch as it is written instead; as it is, where the fault is not in the batch."""
        return batch

    def beside(self, operations: list[Operation], batch: Batch, broken: Batch) -> list[Operation]:
        """Keep the nodes of records away that are not in the batch any more."""
        gone = {r.key for r in batch.records} - {r.key for r in broken.records}
        return [o for o in operations if not ("/data/" in o.path and o.path.rsplit("/", 1)[1] in gone)]


class DroppedPush(PublisherFault):
    """One batch goes out empty."""

    def broken(self, batch: Batch) -> Batch:
        return batch if self.done else replace(batch, records=[])


class LatePush(PublisherFault):
    """Each batch carries what the one before should have carried."""

    def __init__(self) -> None:
        super().__init__()
        self._held: Records = []

    def broken(self, batch: Batch) -> Batch:
        records, self._held = self._held, batch.records
        return replace(batch, records=list(records))


class SplitChangeset(PublisherFault):
    """Half of a batch goes out now, and the rest with the next one."""

    def __init__(self) -> None:
        super().__init__()
        self._held: Records = []

    def broken(self, batch: Batch) -> Batch:
        middle = (len(batch.records) + 1) // 2
        records = [*self._held, *batch.records[:middle]]
        self._held = batch.records[middle:]
        return replace(batch, records=records)


class ForgottenRemoval(PublisherFault):
    """Removals stay at home."""

    def broken(self, batch: Batch) -> Batch:
        return replace(batch, records=[r for r in batch.records if r.kind is not Kind.REMOVED])


class TrustedLineage(PublisherFault):
    """It writes on in a tree as if the tree's lineage were its own journal's."""

    def __init__(self, lineage: str) -> None:
        super().__init__()
        self._lineage = lineage

    def __call__(self, operations: list[Operation]) -> list[Operation]:
        for n, operation in enumerate(operations):
            if isinstance(operation, Set | Create) and operation.path.endswith("/head"):
                head = replace(Head.from_bytes(operation.data), lineage=self._lineage)
                operations[n] = replace(operation, data=head.to_bytes())
                self.done += 1
            elif isinstance(operation, Create) and "/log/" in operation.path:
                batch = Batch.from_bytes(operation.data)
                own = batch.position
                trusted = replace(batch, position=Position(self._lineage, own.revision, own.chain))
                operations[n] = Create(operation.path, trusted.to_bytes())
        return operations


PUBLISHER_FAULTS: Mapping[str, type[PublisherFault]] = {
    "dropped push": DroppedPush,
    "late push": LatePush,
    "split changeset": SplitChangeset,
    "forgotten removal": ForgottenRemoval,
}


class BrokenSink(ABC):
    """Stands between a source and its mirror; everything but `apply` passes as it is."""

    def __init__(self, sink: Any) -> None:
        self._sink = sink
        self.done = 0
        self.is_armed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    def apply(self, records: Records, position: Position | None, *, repair: bool = False) -> bool:
        if not self.is_armed:
            return bool(self._sink.apply(records, position, repair=repair))
        self.done += 1
        return self.break_apply(list(records), position, repair)

    @abstractmethod
    def break_apply(self, records: list[PackedHead], position: Position | None, repair: bool) -> bool: ...


class DropsOne(BrokenSink):
    """One push never reaches the mirror, which moves on all the same."""

    def break_apply(self, records: list[PackedHead], position: Position | None, repair: bool) -> bool:
        return bool(self._sink.apply([] if self.done == 1 else records, position, repair=repair))


class OutOfOrder(BrokenSink):
    """Of two pushes the second is applied first."""

    _held: tuple[list[PackedHead], Position | None] | None = None

    def break_apply(self, records: list[PackedHead], position: Position | None, repair: bool) -> bool:
        if self._held is None:
            self._held = records, position
            return True
        before, self._held = self._held, None
        return all([self._sink.apply(records, position), self._sink.apply(*before)])


class Splits(BrokenSink):
    """Every push is applied in two halves; `between` runs when the first one is."""

    between: Callable[[], None] = staticmethod(lambda: None)

    def break_apply(self, records: list[PackedHead], position: Position | None, repair: bool) -> bool:
        middle = len(records) // 2
        first = self._sink.apply(records[:middle], position)
        self.between()
        return bool(first and self._sink.apply(records[middle:], position, repair=True))


class ForgetsRemovals(BrokenSink):
    """Removals are passed over."""

    def break_apply(self, records: list[PackedHead], position: Position | None, repair: bool) -> bool:
        return bool(self._sink.apply([r for r in records if r.kind is not Kind.REMOVED], position, repair=repair))


class TrustsLineages(BrokenSink):
    """Whatever life of a journal a push is of, it is taken for the held one."""

    def break_apply(self, records: list[PackedHead], position: Position | None, repair: bool) -> bool:
        return bool(self._sink.apply(records, self._trusting(position), repair=True))

    def replace(self, heads: Iterable[PackedHead], position: Position | None) -> bool:
        if self.is_armed and position is not None:
            self.done += 1
            return bool(self._sink.apply(list(heads), self._trusting(position), repair=True))
        return bool(self._sink.replace(heads, position))

    def _trusting(self, position: Position | None) -> Position | None:
        held: Position | None = self._sink.position
        if position is None or held is None:
            return position
        return Position(held.lineage, position.revision, position.chain)


MIRROR_FAULTS: Mapping[str, type[BrokenSink]] = {
    "drops one": DropsOne,
    "out of order": OutOfOrder,
    "splits": Splits,
    "forgets removals": ForgetsRemovals,
}


class BrokenSource:
    """A source that feeds its mirror through a broken sink."""

    def __init__(self, source: Any, kind: type[BrokenSink]) -> None:
        self._source, self._kind = source, kind
        self.sink: BrokenSink

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def start(self, sink: Any) -> None:
        self.sink = self._kind(sink)
        self._source.start(self.sink)
