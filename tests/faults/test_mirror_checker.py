"""The mirrors' checker on recorded histories: silent over a right one, it names the first wrong moment of others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import pytest

from rainer.journal import Journal
from rainer.model.commit import draft
from rainer.model.position import Position
from tests.faults.mirror_checker import Promise, Violation, check
from tests.faults.mirror_history import Entry, Observation, Recorder, Truth, Value, read_truth

A, B = "a" * 36, "b" * 36


def val(version: int, text: str = "x") -> Value:
    return Value.of(version, text.encode())


def truth(*changesets: Mapping[str, Value | None], lineage: str = A) -> Truth:
    """A journal of changesets, whose revisions count their keys from 1."""
    entries: list[Entry] = []
    for changeset in changesets:
        first = len(entries) + 1
        entries += [Entry(first + n, first, key, value) for n, (key, value) in enumerate(changeset.items())]
    chains = {n: hashlib.sha256(f"{lineage} {n}".encode()).digest() for n in range(1, len(entries) + 1)}
    return Truth(lineage, entries, {0: bytes(32), **chains})


TRUTH = truth(
    {"a": val(1), "b": val(1), "c": val(1)},  # revisions 1 to 3
    {"a": val(2)},  # 4
    {"b": None},  # 5
    {"a": val(3), "c": val(2), "d": val(1)},  # 6 to 8
)
STATES = (3, 4, 5, 8)


def shown(*states: tuple[int | Position | None, Mapping[str, Value]], rejected: str = "") -> list[Observation]:
    """What a mirror showed: at a revision (or position) these heads."""
    before: Mapping[str, Value] = {}
    found = []
    for number, (where, heads) in enumerate(states):
        changed: dict[str, Value | None] = {k: v for k, v in heads.items() if before.get(k) != v}
        changed |= dict.fromkeys(before.keys() - heads.keys())
        position = TRUTH.position(where) if isinstance(where, int) else where
        found.append(Observation(float(number), position, changed, frozenset(rejected)))
        before = heads
    return found


def right(*revisions: int) -> list[tuple[int, dict[str, Value]]]:
    return [(revision, TRUTH.heads(revision)) for revision in revisions]


def broken(*states: tuple[int | Position | None, Mapping[str, Value]], rejected: str = "") -> Violation:
    found = check(shown(*states, rejected=rejected), TRUTH)
    assert found is not None
    return found


def test_a_right_history_breaks_nothing() -> None:
    assert check(shown((None, {}), *right(*STATES)), TRUTH) is None
    assert check(shown(*right(3, 3, 8, 8)), TRUTH) is None


def test_nothing_loaded_yet_breaks_nothing() -> None:
    assert check(shown((None, {}), (None, {})), TRUTH) is None
    assert check(shown((0, {})), TRUTH) is None


def test_a_dropped_push() -> None:
    found = broken(*right(3), (4, TRUTH.heads(3)))
    assert (found.promise, found.key, found.shown, found.expected) == (Promise.LOST, "a", val(1), val(2))
    assert found.position == TRUTH.position(4)
    assert "revision 4" in str(found)
    assert "'a'" in str(found)


def test_two_pushes_in_the_wrong_order() -> None:
    held = {"a": val(1), "c": val(1)}  # the removal of b came before the second version of a
    assert broken(*right(3), (4, held)).key == "a"
    assert broken(*right(3), (3, held)).promise is Promise.EARLY


@pytest.mark.parametrize("missing", ["a", "c", "d"])
def test_half_a_changeset(missing: str) -> None:
    heads = dict(TRUTH.heads(8))
    old = TRUTH.heads(5).get(missing)
    heads |= {missing: old} if old else {}
    if not old:
        del heads[missing]
    for revision in (5, 8):  # before the position says so, and after
        found = broken(*right(3, 4, 5), (revision, heads))
        assert found.promise is Promise.HALF, found
        assert "keys of the changeset" in found.detail


def test_a_position_in_the_middle_of_a_changeset() -> None:
    found = broken(*right(3, 4, 5), (6, TRUTH.heads(6)))
    assert (found.promise, found.key) == (Promise.HALF, "c")


def test_a_forgotten_removal() -> None:
    found = broken(*right(3, 4), (5, TRUTH.heads(4)))
    assert (found.promise, found.key, found.expected) == (Promise.REMOVED, "b", None)


def test_something_newer_than_the_position() -> None:
    found = broken(*right(3), (3, {**TRUTH.heads(3), "a": val(2)}))
    assert (found.promise, found.key) == (Promise.EARLY, "a")


def test_invented_content() -> None:
    for heads in ({"a": val(1, "other")}, {"a": val(99)}, {"nobody": val(1)}):
        assert broken((3, {**TRUTH.heads(3), **heads})).promise is Promise.OTHER


def test_a_position_that_goes_back() -> None:
    assert broken(*right(3, 5, 4)).promise is Promise.BACK


def test_a_lost_good_value() -> None:
    heads = TRUTH.heads(3)
    del heads["c"]
    assert broken(*right(3), (3, heads)).promise is Promise.GOOD_LOST
    assert broken(*right(3), (None, {})).promise is Promise.GOOD_LOST


def test_a_key_that_was_rejected_keeps_what_it_had() -> None:
    states = [*right(3), (4, TRUTH.heads(3)), (5, {"a": val(1), "c": val(1)})]
    assert check(shown(*states, rejected="a"), TRUTH) is None
    assert broken(*states, rejected="b").key == "a"
    without = TRUTH.heads(3)
    del without["a"]
    assert check(shown((3, without), rejected="a"), TRUTH) is None
    assert broken(*right(3), (3, without), rejected="a").promise is Promise.GOOD_LOST


def test_keys_that_are_shown_as_of_nowhere() -> None:
    found = broken((None, {}), (None, {"a": val(1)}))
    assert (found.promise, found.key) == (Promise.LINEAGE, "a")


def test_another_lineage() -> None:
    other = truth({"a": val(1), "b": val(1)}, {"a": val(2, "elsewhere")}, lineage=B)
    moved = [*right(3, 4), (other.position(3), other.heads(3))]
    assert broken(*moved).promise is Promise.LINEAGE
    assert check(shown(*moved), TRUTH, other) is None
    mixed = [*right(3, 4), (other.position(3), {**TRUTH.heads(4), "a": val(2, "elsewhere")})]
    found = check(shown(*mixed), TRUTH, other)
    assert found is not None
    assert found.key == "b" or found.key == "c"


def test_a_chain_that_is_not_the_journals() -> None:
    assert broken((Position(A, 3, bytes(32)), TRUTH.heads(3))).promise is Promise.LINEAGE
    assert broken((Position(A, 9, bytes(32)), TRUTH.heads(8))).promise is Promise.LINEAGE


class Held:
    """A mirror as far as a recorder looks."""

    def __init__(self) -> None:
        self.position: Position | None = None
        self.heads: dict[str, Held.Commit] = {}
        self.rejected: dict[str, str] = {}

    class Commit:
        def __init__(self, version: int, payload: bytes) -> None:
            self.version, self.payload = version, payload

    def items(self) -> Iterator[tuple[str, Commit]]:
        yield from self.heads.items()


def test_a_recorder_notes_what_changes_and_when() -> None:
    held = Held()
    recorder = Recorder(held)
    with recorder:
        held.heads["a"] = Held.Commit(1, b"x")
        recorder.look()
        recorder.look()
        held.position = TRUTH.position(3)
        recorder.look()
        del held.heads["a"]
    changes: Sequence[Observation] = recorder.observations
    assert [dict(o.changed) for o in changes] == [{}, {"a": val(1)}, {}, {"a": None}]
    assert [o.position for o in changes] == [None, None, TRUTH.position(3), TRUTH.position(3)]
    assert [o.at for o in changes] == sorted(o.at for o in changes)
    assert recorder.failures == []


def test_the_truth_is_what_the_journal_holds() -> None:
    with Journal("memory:") as journal:
        journal.append_many([draft(key, b"1", version=1, author="me") for key in ("a", "b")])
        journal.append("a", b"2", version=2, author="me")
        journal.append("b", None, version=2, author="me")
        found = read_truth(journal)
        position = journal.position()
    assert found.heads(2) == {"a": val(1, "1"), "b": val(1, "1")}
    assert found.heads() == found.heads(4) == {"a": val(2, "2")}
    assert found.entries[0].changeset == found.entries[1].changeset != found.entries[2].changeset
    assert found.position(found.revision) == position
