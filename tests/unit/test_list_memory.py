"""What is remembered of lists: which pieces may be sent for which moment, and what has to go for lack of room."""

from __future__ import annotations

import random

import pytest

from rainer.api.answers import ANCESTOR
from rainer.api.list_memory import ListKey, ListMemory, Piece, RememberedList, compress, decompress
from rainer.journal.row import State


def state(revision: int) -> State:
    return State("lineage", revision, b"%d" % revision, 0, "tag")


def key(name: str) -> ListKey:
    return name, False, ANCESTOR


def found(remembered: RememberedList, after: str, revision: int) -> tuple[bytes, str | None] | None:
    known = remembered.find(after, revision)
    return (known[0].data, known[1]) if known else None


@pytest.fixture
def remembered() -> RememberedList:
    """Three pieces at revision 5, which end at c, f and nowhere."""
    remembered = RememberedList(state(5))
    for after, end, data in (("", "c", b"abc"), ("c", "f", b"def"), ("f", None, b"ghi")):
        remembered.keep(state(5), after, end, data)
    return remembered


@pytest.mark.parametrize("raw", [b"", b"x", random.Random(1).randbytes(1_000), b"x" * 1_000_000])
def test_what_is_compressed_comes_back(raw: bytes) -> None:
    assert decompress(compress(raw)) == raw
    assert len(compress(raw)) <= len(raw) + 20


def test_pieces_are_found_by_where_they_begin(remembered: RememberedList) -> None:
    assert [found(remembered, after, 5) for after in ("", "c", "f")] == [(b"abc", "c"), (b"def", "f"), (b"ghi", None)]
    assert [found(remembered, after, 5) for after in ("a", "d", "g")] == [None] * 3
    assert [remembered.upto(after) for after in ("", "a", "c", "e", "f", "z")] == ["c", "c", "f", "f", None, None]


@pytest.mark.parametrize(("changed", "left"), [("a", "cf"), ("c", "cf"), ("d", "f"), ("f", "f"), ("ff", "c")])
def test_a_changed_key_takes_its_piece_alone(remembered: RememberedList, changed: str, left: str) -> None:
    remembered.move(state(6), [changed])
    assert found(remembered, "c", 6) == ((b"def", "f") if "c" in left else None)
    assert found(remembered, "f", 6) == ((b"ghi", None) if "f" in left else None)
    assert (found(remembered, "", 6) is None) is (changed in "abc")


def test_a_piece_is_for_no_moment_before_it_was_read(remembered: RememberedList) -> None:
    remembered.move(state(7), ["d"])
    remembered.keep(state(7), "c", "f", b"new")
    assert found(remembered, "c", 7) == (b"new", "f")
    assert found(remembered, "c", 6) is None
    assert found(remembered, "f", 6) == (b"ghi", None)


def test_what_was_read_of_an_earlier_moment_is_not_kept(remembered: RememberedList) -> None:
    remembered.move(state(7), ["d"])
    remembered.keep(state(5), "c", "f", b"old")
    assert found(remembered, "c", 7) is None


def test_a_piece_that_fits_no_range_is_not_kept(remembered: RememberedList) -> None:
    remembered.move(state(6), ["b", "d"])
    for after, end in (("a", "c"), ("c", "g"), ("c", None), ("", "d"), ("f", None)):
        remembered.keep(state(6), after, end, b"other")
    assert [found(remembered, after, 6) for after in ("", "c", "f")] == [None, None, (b"ghi", None)]
    assert len(remembered) == 3


def test_a_range_that_is_read_in_two_parts_is_divided(remembered: RememberedList) -> None:
    remembered.move(state(6), ["d"])
    remembered.keep(state(6), "c", "d", b"d")
    assert found(remembered, "c", 6) == (b"d", "d")
    assert found(remembered, "d", 6) is None
    assert remembered.upto("d") == "f"
    remembered.keep(state(6), "d", "f", b"ef")
    assert found(remembered, "d", 6) == (b"ef", "f")


@pytest.mark.parametrize(
    ("changed", "after", "end", "neighbour", "joined"),
    [
        ("b", "", "c", "", (b"def", "f")),
        ("d", "c", "f", "", (b"abc", "f")),
        ("z", "f", None, "c", (b"def", None)),
    ],
)
def test_an_empty_range_becomes_its_neighbours(
    remembered: RememberedList, changed: str, after: str, end: str | None, neighbour: str, joined: tuple[bytes, str]
) -> None:
    remembered.move(state(6), [changed])
    remembered.keep(state(6), after, end, b"")
    assert found(remembered, neighbour, 6) == joined
    assert found(remembered, neighbour, 5) is None, "then there was more in it"
    assert len(remembered) == 2


def test_an_empty_list_is_a_piece_of_its_own() -> None:
    remembered = RememberedList(state(0))
    remembered.keep(state(0), "", None, b"")
    assert found(remembered, "", 0) == (b"", None)


def test_an_empty_range_beside_an_unknown_one_is_a_piece_of_its_own(remembered: RememberedList) -> None:
    remembered.move(state(6), ["b", "d"])
    remembered.keep(state(6), "c", "f", b"")
    assert found(remembered, "c", 6) == (b"", "f")


def test_what_is_forgotten_stays_so(remembered: RememberedList) -> None:
    remembered.forget()
    remembered.keep(state(5), "", None, b"late")
    assert found(remembered, "", 5) is None
    assert remembered.size == 0


def fill(memory: ListMemory, name: str, pieces: int, data: bytes = b"x" * 1_000) -> RememberedList:
    begun = memory.begin(key(name), state(1))
    for n in range(pieces):
        memory.keep(begun, state(1), f"{n:02}" if n else "", f"{n + 1:02}", data)
    return begun


def test_who_was_not_asked_for_the_longest_goes_first() -> None:
    memory = ListMemory(11_000)
    first, second = fill(memory, "first", 2), fill(memory, "second", 2)
    assert memory.get(key("first")) is first
    third = fill(memory, "third", 2)
    assert [one.is_forgotten for one in (first, second, third)] == [False, True, False]
    assert memory.get(key("second")) is None
    assert memory.size == first.size + third.size <= 11_000


def test_a_list_takes_half_of_the_room_at_most() -> None:
    memory = ListMemory(12_000)
    large = fill(memory, "large", 10)
    assert 3_000 < large.size <= 6_000
    assert found(large, "", 1) is not None
    assert memory.size == large.size


def test_what_changed_makes_room() -> None:
    memory = ListMemory(12_000)
    remembered = fill(memory, "one", 3)
    before = memory.size
    memory.move(remembered, state(2), ["005"])
    assert memory.size == remembered.size == before - Piece(b"x" * 1_000, 1).size


def test_a_list_that_begins_anew_is_not_counted_twice() -> None:
    memory = ListMemory(12_000)
    old = fill(memory, "one", 3)
    new = memory.begin(key("one"), state(2))
    assert old.is_forgotten
    assert memory.size == new.size
    memory.keep(old, state(1), "", None, b"late")
    assert memory.size == new.size
