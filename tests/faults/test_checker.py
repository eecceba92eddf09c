"""The checker finds what it is there for: histories that keep every promise pass, and each broken one is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import sqlalchemy as sa

from rainer.database.schema import commits
from rainer.journal import Journal
from tests.faults.checker import Promise, assert_kept, check
from tests.faults.contents import Contents, StoredCommit, StoredHead, read_contents
from tests.faults.history import Attempt, HeadRead, History, Outcome


@dataclass
class Run:
    """A history and what the journal holds after it."""

    history: History
    contents: Contents

    def promises(self) -> set[Promise]:
        return {violation.promise for violation in check(self.history, self.contents)}

    def attempt(self, index: int, **changes: object) -> None:
        self.history.attempts[index] = replace(self.history.attempts[index], **changes)  # type: ignore[arg-type]

    def store(self, *rows: StoredCommit, **changes: object) -> None:
        self.contents = replace(self.contents, commits=rows, **changes)  # type: ignore[arg-type]


def _attempt(number: int, key: str, version: int, outcome: Outcome, revision: int | None = None) -> Attempt:
    return Attempt(
        "writer-1", key, version, b"token %d" % number, f"id-{number}", number, number + 0.5, outcome, revision
    )


def _row(number: int, revision: int, key: str, version: int) -> StoredCommit:
    return StoredCommit(revision, key, version, "writer-1", b"token %d" % number, f"id-{number}")


@pytest.fixture
def run() -> Run:
    """Three commits of two keys; one attempt was refused, one was beaten, one is unknown and stands."""
    attempts = [
        _attempt(1, "a", 1, Outcome.ACKED, 1),
        _attempt(2, "a", 2, Outcome.UNKNOWN),
        _attempt(3, "b", 1, Outcome.ACKED, 3),
        _attempt(4, "b", 1, Outcome.CONFLICT),
        _attempt(5, "b", 2, Outcome.REFUSED),
    ]
    reads = [HeadRead("a", 0.1, 0.2, 0), HeadRead("a", 1.6, 1.9, 1, 1, b"token 1")]
    rows = (_row(1, 1, "a", 1), _row(2, 2, "a", 2), _row(3, 3, "b", 1))
    return Run(History(attempts, reads), Contents(rows, (StoredHead("a", 2, 2), StoredHead("b", 1, 3)), 3))


def test_a_history_that_keeps_every_promise_passes(run: Run) -> None:
    assert run.promises() == set()
    assert_kept(run.history, run.contents)


def test_a_repetition_that_is_answered_as_the_first_attempt_passes(run: Run) -> None:
    again = replace(run.history.attempts[1], begun=8.0, ended=8.5, outcome=Outcome.ACKED, revision=2)
    run.history.attempts.append(again)
    assert run.promises() == set()


def _lose_an_acknowledged_commit(run: Run) -> None:
    first, second, _ = run.contents.commits
    run.store(first, second, revision=2, heads=run.contents.heads[:1])


def _change_a_payload(run: Run) -> None:
    first, *others = run.contents.commits
    run.store(first._replace(payload=b"token 4"), *others)


def _change_an_author(run: Run) -> None:
    first, *others = run.contents.commits
    run.store(first._replace(author="writer-2"), *others)


def _acknowledge_another_revision(run: Run) -> None:
    run.attempt(2, revision=4)


def _acknowledge_a_version_twice(run: Run) -> None:
    run.attempt(3, outcome=Outcome.ACKED, revision=3)


def _store_a_version_twice(run: Run) -> None:
    first, second, third = run.contents.commits
    run.store(first, second, third, _row(4, 4, "b", 1), revision=4)


def _skip_a_version(run: Run) -> None:
    first, second, third = run.contents.commits
    run.store(first, second._replace(version=3), third, heads=(StoredHead("a", 3, 2), StoredHead("b", 1, 3)))
    run.attempt(1, version=3)


def _skip_a_revision(run: Run) -> None:
    first, second, third = run.contents.commits
    run.store(first, second, third._replace(revision=4), revision=4)


def _let_the_counter_run_ahead(run: Run) -> None:
    run.contents = replace(run.contents, revision=4)


def _store_a_revision_twice(run: Run) -> None:
    first, second, third = run.contents.commits
    run.store(first, second, third._replace(revision=2))


def _turn_a_head_back(run: Run) -> None:
    run.contents = replace(run.contents, heads=(StoredHead("a", 1, 1), StoredHead("b", 1, 3)))


def _drop_a_head(run: Run) -> None:
    run.contents = replace(run.contents, heads=run.contents.heads[1:])


def _point_a_head_at_nothing(run: Run) -> None:
    run.contents = replace(run.contents, heads=(*run.contents.heads, StoredHead("c", 1, 3)))


def _store_what_nobody_sent(run: Run) -> None:
    run.store(*run.contents.commits, _row(9, 4, "c", 1), revision=4)


def _store_a_commit_id_twice(run: Run) -> None:
    run.store(*run.contents.commits, _row(2, 4, "a", 3), revision=4)


def _keep_what_was_refused(run: Run) -> None:
    run.store(*run.contents.commits, _row(5, 4, "b", 2), revision=4)


def _keep_what_was_beaten(run: Run) -> None:
    first, second, _ = run.contents.commits
    run.store(first, second, _row(4, 3, "b", 1))


def _read_an_older_version(run: Run) -> None:
    run.history.reads.append(HeadRead("b", 3.6, 3.7, 0))


def _read_and_then_read_what_was_before(run: Run) -> None:
    run.history.reads += [HeadRead("a", 3.0, 3.1, 2, 2, b"token 2"), HeadRead("a", 3.2, 3.3, 1, 1, b"token 1")]


def _read_what_is_not_there(run: Run) -> None:
    run.history.reads.append(HeadRead("b", 9.0, 9.1, 2, 4, b"token 5"))


def _read_another_payload(run: Run) -> None:
    run.history.reads.append(HeadRead("b", 9.0, 9.1, 1, 3, b"token 4"))


def _number_against_time(run: Run) -> None:
    first, second, third = run.contents.commits
    run.store(third._replace(revision=1), second, first._replace(revision=3), heads=(), revision=3)
    run.attempt(0, revision=3)
    run.attempt(2, revision=1)


def _break_the_chain(run: Run) -> None:
    run.contents = replace(run.contents, problems=("revision 2: hash",))


def _answer_with_a_fault(run: Run) -> None:
    run.history.surprises.append("500 to a POST")


BROKEN: list[tuple[Callable[[Run], None], Promise]] = [
    (_lose_an_acknowledged_commit, Promise.LOST),
    (_change_a_payload, Promise.CHANGED),
    (_change_an_author, Promise.CHANGED),
    (_acknowledge_another_revision, Promise.CHANGED),
    (_acknowledge_a_version_twice, Promise.ACKED_TWICE),
    (_store_a_version_twice, Promise.VERSION_TWICE),
    (_skip_a_version, Promise.VERSION_GAP),
    (_skip_a_revision, Promise.REVISION_GAP),
    (_let_the_counter_run_ahead, Promise.REVISION_GAP),
    (_store_a_revision_twice, Promise.REVISION_TWICE),
    (_turn_a_head_back, Promise.WRONG_HEAD),
    (_drop_a_head, Promise.WRONG_HEAD),
    (_point_a_head_at_nothing, Promise.WRONG_HEAD),
    (_store_what_nobody_sent, Promise.PHANTOM),
    (_store_a_commit_id_twice, Promise.COMMIT_ID_TWICE),
    (_keep_what_was_refused, Promise.REFUSED_STANDS),
    (_keep_what_was_beaten, Promise.REFUSED_STANDS),
    (_read_an_older_version, Promise.STALE_READ),
    (_read_and_then_read_what_was_before, Promise.STALE_READ),
    (_read_what_is_not_there, Promise.READ_OF_NOTHING),
    (_read_another_payload, Promise.READ_OF_NOTHING),
    (_number_against_time, Promise.DISORDER),
    (_break_the_chain, Promise.CHAIN_BROKEN),
    (_answer_with_a_fault, Promise.SURPRISE),
]


@pytest.mark.parametrize(("damage", "promise"), BROKEN, ids=[damage.__name__.strip("_") for damage, _ in BROKEN])
def test_a_broken_promise_is_named(run: Run, damage: Callable[[Run], None], promise: Promise) -> None:
    damage(run)
    assert promise in run.promises()
    with pytest.raises(AssertionError, match=promise.value):
        assert_kept(run.history, run.contents)


def test_every_promise_is_broken_by_some_test() -> None:
    assert {promise for _, promise in BROKEN} == set(Promise)


def test_contents_are_read_as_they_stand(database_url: str) -> None:
    with Journal(database_url) as journal:
        journal.append("a", b"one", version=1, author="me", commit_id="first")
        journal.append("a", None, version=2, author="you")
        with journal.engine.begin() as connection:
            connection.execute(sa.update(commits).where(commits.c.revision == 1).values(payload=b"other"))
    contents = read_contents(database_url)
    assert contents.commits == (
        StoredCommit(1, "a", 1, "me", b"other", "first"), StoredCommit(2, "a", 2, "you", None, None),
    )  # fmt: skip
    assert contents.heads == (StoredHead("a", 2, 2),)
    assert contents.revision == 2
    assert contents.problems
    assert all("revision 1" in problem for problem in contents.problems)
