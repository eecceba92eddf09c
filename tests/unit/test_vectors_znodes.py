"""The golden vectors of trees: every node is what the publisher's own code writes and the mirror's reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from rainer.errors import CorruptError
from rainer.model.packed import Kind, PackedHead
from rainer.model.published import Batch, Head, Parts
from rainer.model.serialization import from_bytes, to_bytes
from rainer.publish.changes import WRITE_BYTES, Bundle, Sizes
from rainer.publish.large import PIECE_BYTES, is_large, parts_of
from rainer.publish.steps import steps_of
from rainer.zk import Tree
from tests.unit.vectors import load, name_of, raw

VECTORS = load("znodes")
TREE = Tree("/rainer/diary")
BY_ANOTHER_HAND = ("data/foo",)  # the ancestor's form: read, and not written so


def nodes_of(tree: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Every node's contents, as long as the tree lives."""
    for nodes in (tree["nodes"], *(step["nodes"] for step in tree["then"])):
        yield from ((path, raw(spelt)) for path, spelt in nodes.items() if spelt is not None)


@pytest.mark.parametrize("tree", VECTORS["trees"], ids=name_of)
def test_nodes_are_read_and_written_as_exactly_these_bytes(tree: dict[str, Any]) -> None:
    for path, data in nodes_of(tree):
        place, _, name = path.partition("/")
        if path == "head":
            assert Head.from_bytes(data).to_bytes() == data
        elif place == "log" and name:
            batch = Batch.from_bytes(data)
            assert batch.to_bytes() == data
            assert TREE.batch(batch.n) == f"{TREE.root}/{path}"
        elif place == "large" and name and "/" not in name and data:
            assert Parts.from_bytes(data).to_bytes() == data
        elif place == "data" and name:
            check_data(path, name, data)


def check_data(path: str, name: str, data: bytes) -> None:
    assert TREE.key(name) == f"{TREE.root}/{path}"
    if data == b"garbage":
        with pytest.raises(CorruptError):
            from_bytes(data)
        return
    commit = from_bytes(data)
    assert commit.key == name
    assert path in BY_ANOTHER_HAND or to_bytes(commit) == data


def test_a_publisher_makes_of_a_changeset_exactly_this_step() -> None:
    compared = 0
    for tree in VECTORS["trees"]:
        before = tree["nodes"].get("head")
        for step in tree["then"]:
            logged = [raw(data) for path, data in step["nodes"].items() if path.startswith("log/") and data]
            after = step["nodes"].get("head")
            if before and after and len(logged) == 1 and Batch.from_bytes(logged[0]).parts == 1:
                compared += check_step(raw(before), logged[0], raw(after))
            before = after or before
    assert compared >= 10


def check_step(before: bytes, logged: bytes, after: bytes) -> int:
    batch, head = Batch.from_bytes(logged), Head.from_bytes(before)
    if batch.position.lineage != head.lineage:
        return 0
    bundle = Bundle({record.key: record for record in batch.records}, batch.position, WRITE_BYTES, batch.repair)
    (step,) = steps_of(bundle, head, Sizes(TREE.root))
    assert step.batch is not None
    assert step.head is not None
    assert (step.batch.to_bytes(), step.head.to_bytes()) == (logged, after)
    return 1


@pytest.mark.parametrize("vector", VECTORS["large"], ids=name_of)
def test_a_large_commit_is_cut_into_exactly_these_pieces(vector: dict[str, Any]) -> None:
    head = PackedHead(vector["key"], vector["version"], vector["revision"], Kind.HEAD, raw(vector["data"]))
    assert is_large(head)
    parts = parts_of(head)
    assert (parts.names, parts.to_bytes()) == (vector["names"], raw(vector["list"]))
    pieces = [head.data[at : at + PIECE_BYTES] for at in range(0, len(head.data), PIECE_BYTES)]
    assert [len(piece) for piece in pieces] == vector["sizes"]
    assert [hashlib.sha256(piece).hexdigest() for piece in pieces] == vector["sha256s"]
    assert to_bytes(from_bytes(head.data)) == head.data
