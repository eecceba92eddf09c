"""Marks: what the server says of a commit stands wherever the commit is read, and in its hash."""

from __future__ import annotations

import pytest

from rainer.journal import Journal
from rainer.journal.group import Kept, RulesMoved, Submission
from rainer.model.commit import Draft
from rainer.model.marks import Marks
from tests.contracts.live import living, run, together
from tests.contracts.recomputed import recompute
from tests.contracts.tables import stored, tamper

MARKS = Marks(identity="j\u00fcrgen", approved_by="bob", proposal="7", forced=True)


def drafts(namespace: str, *keys: str) -> tuple[Draft, ...]:
    return tuple(Draft(namespace, key, 1, b"1", "me") for key in keys)


async def commit(journal: Journal, *submissions: Submission) -> list[object]:
    async with living(journal) as live:
        return list(await together(live, submissions))


def test_marks_are_read_wherever_the_commit_is(journal: Journal) -> None:
    """More rows than one statement takes on any database, with marks and without."""
    marked = Submission(drafts("diary", *"abcdefghijk"), "id-1", marks=MARKS.to_text())
    run(commit(journal, marked, Submission(drafts("diary", "plain"), None)))
    assert {c.key: c.marks for c in journal.heads()} == dict.fromkeys("abcdefghijk", MARKS) | {"plain": None}
    assert [c.marks for c in journal.changes().commits] == [MARKS] * 11 + [None]
    assert (journal.get("a").marks, journal.log("k")[0].marks, journal.get("plain").marks) == (MARKS, MARKS, None)
    rows = stored(journal)
    assert [bytes(row.hash) for row in rows] == recompute(rows, {1: "diary"})
    assert journal.verify().ok


def test_a_repetition_gets_the_first_answer_with_its_marks(journal: Journal) -> None:
    marked = Submission(drafts("diary", "a"), "id-1", marks=MARKS.to_text())
    run(commit(journal, marked))
    (again,) = run(commit(journal, marked._replace(marks=None)))
    assert isinstance(again, Kept)
    assert [row.marks for row in again] == [MARKS.to_text()]


@pytest.mark.parametrize("done", ["NULL", "'{}'", "'{\"forced\" : true}'"])
def test_marks_that_were_tampered_with_are_found(journal: Journal, done: str) -> None:
    run(commit(journal, Submission(drafts("diary", "a", "b"), None, marks=MARKS.to_text())))
    tamper(journal, f"UPDATE commits SET marks = {done} WHERE revision = 2")
    assert journal.verify().first_bad == 2


def test_marks_that_were_invented_are_found(journal: Journal) -> None:
    journal.append("a", b"1", version=1, author="me")
    tamper(journal, "UPDATE commits SET marks = '{\"forced\" : true}'")
    assert journal.verify().first_bad == 1


def test_a_commit_to_the_systems_namespace_moves_the_rules(journal: Journal, second: Journal) -> None:
    """For whoever was checked under those before, in the same group too, and whoever made the commit."""
    journal.create_namespace("rainer", format="yaml")
    before = journal.reads.state().namespaces_tag
    outcomes = run(
        commit(
            journal,
            Submission(drafts("diary", "a"), None, rules=before),
            Submission(drafts("rainer", "rules"), None, rules=before),
            Submission(drafts("diary", "b"), None, rules=before),
        )
    )
    assert [type(outcome) for outcome in outcomes] == [Kept, Kept, RulesMoved]
    moved = journal.reads.state().namespaces_tag
    assert moved != before
    (outcome,) = run(commit(second, Submission(drafts("diary", "b"), None, rules=before)))
    assert isinstance(outcome, RulesMoved)
    (outcome,) = run(commit(second, Submission(drafts("diary", "b"), None, rules=moved)))
    assert isinstance(outcome, Kept)
    assert journal.reads.state().namespaces_tag == moved, "an ordinary commit moves no rules"
    assert journal.verify().ok


def test_damaged_marks_say_nothing() -> None:
    for text in (None, "", "{", "[]", "{}", "7", '{"forced":1}', "[" * 100_000):
        assert Marks.from_text(text) is None
    assert Marks.from_text(MARKS.to_text()) == MARKS
    assert Marks.from_members(MARKS.members()) == MARKS
    assert Marks().to_text() is None
