"""Steps: what a publisher writes in one multi, and how larger work is cut into them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rainer.model.packed import PackedHead
from rainer.model.position import Position
from rainer.model.published import Batch, Head
from rainer.publish.changes import WRITE_BYTES, Bundle, Sizes, pieces
from rainer.zk import Operation


@dataclass(slots=True)
class Step:
    """One multi: the head as it is after it, a batch of the log, heads whose nodes are written, other operations."""

    head: Head | None
    batch: Batch | None = None
    heads: Sequence[PackedHead] = ()
    others: Sequence[Operation] = ()
    is_chained: bool = False

    @property
    def is_repair(self) -> bool:
        return self.batch is not None and self.batch.repair


def steps_of(bundle: Bundle, head: Head, sizes: Sizes) -> Iterator[Step]:
    """The steps that publish a bundle on a tree at `head`: one, or those of a changeset that is too large for that.

    Of a large one all parts are in the log before the head says so; then the nodes follow, and `data_n` last.
    """
    records, position = bundle.records, bundle.position
    if bundle.size <= WRITE_BYTES:
        after = moved(head, head.n + 1, position, data_n=head.n + 1)
        yield Step(after, Batch(after.n, position, records, repair=bundle.repair), records)
        return
    parts = pieces(records, sizes.record)
    for number, part in enumerate(parts, 1):
        yield Step(head, Batch(head.n + number, position, part, number, len(parts), bundle.repair))
    after = moved(head, head.n + len(parts), position, data_n=head.data_n)
    yield Step(after)
    yield from node_steps(records, after, sizes)


def node_steps(heads: Sequence[PackedHead], head: Head, sizes: Sizes) -> Iterator[Step]:
    """The steps that bring the nodes up to a head that stands in the log already."""
    for piece in pieces(heads, sizes.node):
        yield Step(head, None, piece)
    yield Step(replace(head, data_n=head.n))


def moved(head: Head, n: int, position: Position, *, data_n: int) -> Head:
    """A head that has moved on."""
    return Head(position.lineage, n, data_n, position.revision, position.chain.hex())
