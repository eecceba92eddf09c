"""What is published has one form; whatever else stands there is a CorruptError, never another exception."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer.errors import CorruptError
from rainer.model import published
from rainer.model.packed import FRAME_BYTES, RECORD_BYTES, Kind, PackedHead, frame, pack_records, unframe
from rainer.model.packed import unpack_records as unpack
from rainer.model.position import Position
from rainer.model.published import BATCH_MAGIC, Batch, Beat, Head, Parts, Report

LINEAGE = "11111111-1111-4111-8111-111111111111"
CHAIN = "ab" * 32
FORMS = (Head, Batch, Parts, Beat, Report)
HEAD = {"lineage": LINEAGE, "n": 7, "data_n": 5, "revision": 9, "chain": CHAIN}

numbers = st.integers(0, 2**63 - 1)
records = st.lists(
    st.builds(PackedHead, st.text(min_size=1, max_size=20), st.integers(0, 2**32 - 1), numbers, st.sampled_from(Kind),
              st.binary(max_size=200)),
    max_size=5,
)  # fmt: skip
positions = st.builds(Position, st.uuids().map(str), numbers, st.binary(min_size=32, max_size=32))


@given(numbers, positions, records, st.booleans())
def test_a_batch_is_read_as_it_was_written(n: int, at: Position, some: list[PackedHead], repair: bool) -> None:
    batch = Batch(n, at, some, 2, 3, repair)
    data = batch.to_bytes()
    assert Batch.from_bytes(data) == batch
    sizes = sum(RECORD_BYTES + len(r.key.encode()) + len(r.data) for r in some)
    assert len(data) - sizes - FRAME_BYTES == len(frame(BATCH_MAGIC, unframe(BATCH_MAGIC, data)[0], b"")) - FRAME_BYTES


@given(records, st.data())
def test_one_byte_flipped_or_cut_is_found(some: list[PackedHead], data: st.DataObject) -> None:
    whole = Batch(1, Position(LINEAGE, 1, bytes(32)), some).to_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    for damaged in (bytes(flipped), whole[:at]):
        with pytest.raises(CorruptError):
            Batch.from_bytes(damaged)


@pytest.mark.parametrize("form", FORMS)
@given(data=st.binary(max_size=300))
def test_any_other_bytes_are_corrupt(form: type[Head], data: bytes) -> None:
    with pytest.raises(CorruptError):
        form.from_bytes(data)


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
def test_members_of_another_kind_are_corrupt_or_fit(form: type[Head], data: st.DataObject) -> None:
    names = ["n", "lineage", "revision", "chain", "part", "parts", "repair"]
    names = names if form is Batch else [f.name for f in fields(form)]
    members = {name: data.draw(any_json) for name in names}
    spelt = frame(BATCH_MAGIC, members, b"") if form is Batch else json.dumps(members).encode()
    try:
        found = form.from_bytes(spelt)
    except CorruptError:
        return
    assert form.from_bytes(found.to_bytes()) == found


@pytest.mark.parametrize(
    "wrong",
    [{"n": 4}, {"n": True}, {"revision": -1}, {"chain": "AB" * 32}, {"chain": "ab"}, {"format": 2}, {"lineage": None}],
    ids=str,
)
def test_a_head_that_contradicts_itself_is_corrupt(wrong: dict[str, object]) -> None:
    assert Head.from_bytes(json.dumps(HEAD).encode()).position == Position(LINEAGE, 9, bytes.fromhex(CHAIN))
    with pytest.raises(CorruptError):
        Head.from_bytes(json.dumps(HEAD | wrong).encode())


def test_members_that_a_later_version_added_are_passed_over() -> None:
    assert Head.from_bytes(json.dumps(HEAD | {"later": [1]}).encode()) == Head(**HEAD)  # type: ignore[arg-type]


def test_records_of_the_end_of_the_range_fit() -> None:
    record = PackedHead("k" * 255, 2**31 - 1, 2**63 - 1, Kind.PARTS, b"\0" * 1_000_000)
    assert list(unpack(pack_records([record] * 2))) == [record] * 2
    with pytest.raises(CorruptError):
        list(unpack(pack_records([record])[:-1]))
    with pytest.raises(CorruptError):
        list(unpack(pack_records([record]).replace(b"\2kkk", b"\7kkk", 1)))


def test_every_member_has_a_kind_that_is_checked() -> None:
    for form in (Head, Parts, Beat, Report):
        assert {str(f.type) for f in fields(form)} <= published._TYPES.keys()
