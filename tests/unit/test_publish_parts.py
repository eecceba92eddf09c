"""What the publisher is made of that needs no server: bundles, steps, the log's window, the bytes of heads."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer.journal.row import Row
from rainer.model import times
from rainer.model.commit import Commit
from rainer.model.packed import Kind, PackedHead
from rainer.model.position import Position
from rainer.model.published import Head
from rainer.model.serialization import from_bytes, pack, to_bytes
from rainer.publish import log_window
from rainer.publish.changes import LARGE_BYTES, WRITE_BYTES, Bundle, Sizes, bundles, invented, packed, pieces
from rainer.publish.large import PIECE_BYTES, is_large, parts_of
from rainer.publish.steps import Step, node_steps, steps_of

CHAIN = bytes(32)
SIZES = Sizes("/rainer/diary")
END = Position("lineage", 10_000, CHAIN)
HEAD = Head("lineage", 7, 7, 100, CHAIN.hex())


def row(revision: int, key: str, changeset: int | None = None, payload: bytes | None = b"1", version: int = 1) -> Row:
    return Row(
        revision, 1, key, version, "me", "why", 1234, 1234, payload is None, payload, None, None,
        changeset or revision, revision.to_bytes(32, "big"),
    )  # fmt: skip


def made(rows: list[Row]) -> list[Bundle]:
    return list(bundles(rows, END, lambda head: head, SIZES))


@given(st.text(min_size=1), st.text(), st.text(), st.integers(0, 4 * 10**12), st.binary() | st.none())
def test_a_head_is_in_the_ancestors_bytes(
    key: str, author: str, comment: str, mtime_ms: int, payload: bytes | None
) -> None:
    commit = Commit(key, 3, payload, author, comment, times.from_ms(mtime_ms), payload is None)
    data = pack(key, 3, author, comment, mtime_ms, payload is None, payload or b"")
    assert data == to_bytes(commit)
    assert from_bytes(data) == commit


def test_a_removal_carries_its_empty_commit() -> None:
    head = packed(row(5, "k", payload=None))
    assert (head.kind, from_bytes(head.data).is_empty, head.revision) == (Kind.REMOVED, True, 5)
    assert invented("k") == PackedHead("k", 0, 0, Kind.REMOVED, b"")


def test_small_changesets_share_a_bundle_with_the_newest_of_each_key() -> None:
    rows = [row(1, "a"), row(2, "b", 3), row(3, "c", 3), row(4, "a", version=2)]
    (bundle,) = made(rows)
    assert [(h.key, h.version) for h in bundle.records] == [("b", 1), ("c", 1), ("a", 2)]
    assert bundle.position == END


def test_a_bundle_ends_where_a_changeset_does() -> None:
    payload = bytes(WRITE_BYTES // 10)
    rows = [row(n, f"k{n}", -(-n // 3) * 3, payload) for n in range(1, 31)]
    found = made(rows)
    assert len(found) > 5
    assert all(bundle.position.revision % 3 == 0 for bundle in found[:-1])
    assert found[-1].position == END
    assert [h.revision for bundle in found for h in bundle.records] == list(range(1, 31))


def test_what_cannot_be_published_is_left_out_of_its_bundle() -> None:
    found = list(bundles([row(1, "a"), row(2, "b")], END, lambda h: None if h.key == "a" else h, SIZES))
    assert [h.key for bundle in found for h in bundle.records] == ["b"]
    assert list(bundles([row(1, "a")], END, lambda h: None, SIZES)) == []


def test_a_small_bundle_is_one_step() -> None:
    (bundle,) = made([row(1, "a"), row(2, "b")])
    (step,) = steps_of(bundle, HEAD, SIZES)
    assert step.head == Head("lineage", 8, 8, END.revision, CHAIN.hex())
    assert step.batch is not None
    assert (step.batch.n, step.batch.part, step.batch.parts, step.batch.repair) == (8, 1, 1, False)
    assert list(step.heads) == bundle.records == list(step.batch.records)


def test_a_large_changeset_is_whole_in_the_log_before_the_head_says_so() -> None:
    (bundle,) = made([row(n, f"k{n}", 5_000, bytes(500)) for n in range(1, 5_001)])
    steps = list(steps_of(bundle, HEAD, SIZES))
    parts = [step for step in steps if step.batch is not None]
    assert [(s.batch.n, s.batch.part, s.batch.parts) for s in parts if s.batch] == [
        (HEAD.n + k, k, len(parts)) for k in range(1, len(parts) + 1)
    ]
    assert all(step.head == HEAD and not step.heads for step in parts)
    assert [head for s in parts if s.batch for head in s.batch.records] == bundle.records
    moved, *nodes, last = steps[len(parts) :]
    assert moved.head == Head("lineage", HEAD.n + len(parts), HEAD.data_n, END.revision, CHAIN.hex())
    assert [head for s in nodes for head in s.heads] == bundle.records
    assert {step.head for step in nodes} == {moved.head}
    assert last == Step(Head("lineage", HEAD.n + len(parts), HEAD.n + len(parts), END.revision, CHAIN.hex()))
    assert list(node_steps(bundle.records, moved.head, SIZES)) == [*nodes, last]  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 2 * WRITE_BYTES), max_size=30))
def test_pieces_keep_the_order_and_fill_what_a_write_carries(sizes: list[int]) -> None:
    heads = [PackedHead(str(n), 1, 1, Kind.HEAD, b"") for n in range(len(sizes))]
    found = pieces(heads, lambda head: sizes[int(head.key)])
    assert [head for run in found for head in run] == heads
    totals = [sum(sizes[int(h.key)] for h in run) for run in found]
    assert all(total <= WRITE_BYTES or len(run) == 1 for total, run in zip(totals, found, strict=True))
    firsts = [sizes[int(run[0].key)] for run in found]
    assert all(total + first > WRITE_BYTES for (total, _), (_, first) in pairwise(zip(totals, firsts, strict=True)))


def test_a_large_head_has_the_same_parts_whoever_makes_them() -> None:
    head = PackedHead("k", 3, 17, Kind.HEAD, bytes(LARGE_BYTES + 1))
    assert is_large(head)
    assert not is_large(head._replace(data=bytes(LARGE_BYTES)))
    parts = parts_of(head)
    assert parts.names == ["0000000017-0001", "0000000017-0002"]
    assert (parts.version, parts.revision, parts.bytes) == (3, 17, LARGE_BYTES + 1)
    assert len(parts_of(head._replace(data=bytes(3 * PIECE_BYTES))).names) == 3


def test_the_log_keeps_so_many_batches_and_none_that_the_nodes_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_window, "KEEP_BATCHES", 3)
    window = log_window.LogWindow()
    for n in range(1, 9):
        window.add(n, 10)
    assert window.surplus(upto=2) == [1, 2]
    assert window.surplus(upto=8) == [3, 4, 5]
    assert window.surplus(upto=8) == []
    assert len(window) == 3


def test_the_log_keeps_so_many_bytes_and_what_is_young(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_window, "KEEP_BYTES", 100)
    monkeypatch.setattr(log_window, "KEEP_YOUNG_BYTES", 200)
    window = log_window.LogWindow()
    window.keep([1, 2, 3])  # of somebody else, who knows how old
    assert window.surplus(upto=9) == []
    assert window.unmeasured() == [1, 2, 3]
    window.measure({1: 60, 2: 60, 3: 60})
    assert window.surplus(upto=9) == [1, 2]
    for n in range(4, 8):
        window.add(n, 60)
    assert window.surplus(upto=9) == [3, 4]
    assert window.surplus(upto=9) == []
