"""What comes into a mirror is proven readable, or refused: never taken and found broken later."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer.errors import CorruptError
from rainer.mirror import heads
from rainer.model import times
from rainer.model.commit import Commit
from rainer.model.packed import Kind, PackedHead
from rainer.model.serialization import from_bytes, to_bytes
from tests.mirrors import commit, head
from tests.unit.vectors import load, name_of, raw

BYTES = load("commit_bytes")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
commits = st.builds(
    lambda key, version, payload, author, comment, ms: Commit(
        key, version, payload, author, comment, times.from_ms(ms), payload is None
    ),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10),
    st.integers(1, 2**31 - 1),
    st.none() | st.binary(max_size=30),
    texts,
    texts,
    st.integers(times.MIN_MS, times.MAX_MS),
)


@given(commits)
def test_every_commit_that_can_be_written_is_taken_as_it_is(made: Commit) -> None:
    data = to_bytes(made)
    kind = Kind.REMOVED if made.is_empty else Kind.HEAD
    assert heads.check(PackedHead(made.key, made.version, 7, kind, data)) == (made.version, made.is_empty)
    assert heads.head_of(made.key, data, 7) == PackedHead(made.key, made.version, 7, kind, data)


@given(commits, st.data())
def test_what_is_taken_can_be_read_however_it_was_damaged(made: Commit, data: st.DataObject) -> None:
    damaged = bytearray(to_bytes(made))
    for _ in range(data.draw(st.integers(1, 2))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(
            st.sampled_from(b'\x00\n"\\019Z-:{}\xff') | st.integers(0, 255)
        )
    cut = bytes(damaged[: data.draw(st.just(len(damaged)) | st.integers(0, len(damaged)))])
    try:
        version, removed = heads.check(PackedHead(made.key, 0, 0, Kind.HEAD, cut))
    except CorruptError:
        return
    found = from_bytes(cut)
    assert (found.key, found.version, found.is_empty) == (made.key, version, removed)


@pytest.mark.parametrize("vector", [*BYTES["write"], *BYTES["read"]], ids=name_of)
def test_what_others_wrote_is_taken(vector: dict[str, object]) -> None:
    data = raw(vector["bytes"])  # type: ignore[arg-type]
    found = from_bytes(data)
    assert heads.check(PackedHead(found.key, 0, 0, Kind.HEAD, data)) == (found.version, found.is_empty)


@pytest.mark.parametrize("vector", BYTES["broken"], ids=name_of)
def test_what_is_broken_is_refused(vector: dict[str, object]) -> None:
    data = raw(vector["bytes"])  # type: ignore[arg-type]
    key = "k"
    with contextlib.suppress(ValueError, KeyError, IndexError, TypeError):
        key = json.loads(data.split(b"\n")[1])["key"]
    with pytest.raises(CorruptError):
        heads.check(PackedHead(key, 0, 0, Kind.HEAD, data))


def test_a_day_is_proven_only_if_there_is_such_a_day() -> None:
    days = [f"2023-{month:02}-{day:02}" for month in range(14) for day in range(33)]
    for day in [*days, "2024-02-29", "1900-02-29", "0000-01-01", "9999-12-31"]:
        header = json.dumps(
            {"key": "k", "version": 1, "author": "a", "comment": "", "mtime": f"{day}T23:59:59.999Z", "empty": False},
            separators=(",", ":"),
        ).encode()
        head = PackedHead("k", 1, 0, Kind.HEAD, b"%d\n%b\n\n" % (len(header), header))
        assert _taken(lambda head=head: heads.check(head)) == _taken(lambda head=head: from_bytes(head.data)), day


def _taken(take: Callable[[], object]) -> bool:
    try:
        take()
    except CorruptError:
        return False
    return True


@pytest.mark.parametrize(
    "told",
    [
        head("k", 3)._replace(key="l"),
        head("k", 3)._replace(version=4),
        head("k", 3)._replace(kind=Kind.REMOVED),
        head("k", 3, None)._replace(kind=Kind.HEAD),
        head("ké", 3)._replace(key="l"),
    ],
)
def test_bytes_that_are_not_what_was_told_of_them_are_refused(told: PackedHead) -> None:
    with pytest.raises(CorruptError):
        heads.check(told)


def test_what_is_held_is_read_and_packed_again() -> None:
    packed = head("k", 3, b"payload", 17)
    held = (packed.data, 3, 17)
    found = heads.read("k", held, "diary")
    assert found == commit("k", 3, b"payload", 17)
    assert heads.pack("k", held) == heads.pack("k", found) == packed
    assert heads.version_of(held) == heads.version_of(found) == 3
    assert heads.is_same(held, packed.data, 3)
    assert heads.is_same(found, packed.data, 3)
    assert not heads.is_same(found, packed.data, 4)
    assert not heads.is_same(found, packed.data + b"\n", 3)
    assert heads.read("k", (packed.data, 3, 0), "other").revision is None
