"""Group commit: who shares a transaction shares nothing else. Poison, quitters, bad listeners harm only themselves."""

from __future__ import annotations

import asyncio
import logging

import pytest

from rainer.errors import CommitIdReused, RainerError, UnavailableError, VersionConflict
from rainer.journal import Journal, LiveJournal
from rainer.journal.group import Plan
from tests.contracts.live import Gate, living, run, submission, together
from tests.contracts.tables import stored, tamper

POISON = "poison"


def groups_of(live: LiveJournal) -> list[list[str]]:
    """The keys of each written group, filled in as they are written."""
    groups: list[list[str]] = []
    live.on_group(lambda plan: groups.append([row.key for row in plan.rows]))
    return groups


def test_submissions_that_wait_together_share_a_transaction(journal: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            groups = groups_of(live)
            answers = await together(live, [submission(f"k{n}") for n in range(64)])
            assert [rows[0].revision for rows in answers] == list(range(1, 65))  # type: ignore[index]
            assert [len(group) for group in groups] == [64]

    run(main())


def test_versions_of_one_key_may_share_a_group_and_the_first_to_come_wins(journal: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            groups = groups_of(live)
            offered = [("k", 1, b"a"), ("k", 1, b"b"), ("k", 2, b"c"), ("k", 4, b"d"), ("k", 3, b"e")]
            answers = await together(live, [submission(k, v, payload=p) for k, v, p in offered])
            won = [not isinstance(answer, BaseException) for answer in answers]
            assert won == [True, False, True, False, True]
            assert isinstance(answers[1], VersionConflict)
            assert (answers[1].expected, answers[1].provided) == (2, 1)
            assert isinstance(answers[3], VersionConflict)
            assert answers[3].expected == 3
            assert groups == [["k", "k", "k"]]

    run(main())
    assert [c.payload for c in journal.log("k")] == [b"e", b"c", b"a"]


def test_a_repetition_inside_a_group(journal: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            one, too_early = submission("k", commit_id="id"), submission("k", 2, commit_id="too-early")
            two, other = submission("k", 2, commit_id="two"), submission("k", payload=b"other", commit_id="id")
            answers = await together(live, [too_early, one, two, one, two, other])
            assert isinstance(answers[0], VersionConflict)
            assert answers[1] == answers[3]
            assert answers[2] == answers[4]
            assert isinstance(answers[5], CommitIdReused)

    run(main())
    assert [row.commit_id for row in stored(journal)] == ["id", "two"]


def refuse_poison(journal: Journal) -> None:
    """Make the database itself refuse one author's rows, in whatever way it has."""
    if journal.engine.dialect.name == "sqlite":
        tamper(
            journal,
            f"CREATE TRIGGER no_poison BEFORE INSERT ON commits WHEN NEW.author = '{POISON}'"
            " BEGIN SELECT RAISE(ABORT, 'no poison'); END",
        )
    else:
        tamper(journal, f"ALTER TABLE commits ADD CONSTRAINT no_poison CHECK (author <> '{POISON}')")


@pytest.mark.parametrize("place", [0, 31, 63])
def test_a_row_that_only_the_database_refuses_harms_nobody_else(journal: Journal, place: int) -> None:
    refuse_poison(journal)

    async def main() -> None:
        async with living(journal) as live:
            many = [submission(f"k{n}", author=POISON if n == place else "me") for n in range(64)]
            for version in (1, 2):  # the second time the committer knows the heads
                many = [submission(f"k{n}", version, author=s.drafts[0].author) for n, s in enumerate(many)]
                answers = await together(live, many)
                refused = [n for n, answer in enumerate(answers) if isinstance(answer, BaseException)]
                assert refused == [place]
                assert isinstance(answers[place], RainerError)
            assert (await live.commit(submission("after")))[0].revision == 127

    run(main())
    assert journal.verify().ok


PAST_ALL_CHECKS = {
    "surrogate": {"author": "\ud800"},
    "not bytes": {"payload": "text"},
    "number beyond all columns": {"mtime_ms": 2**63},
    "text as a number": {"mtime_ms": "soon"},
}


@pytest.mark.parametrize("poison", PAST_ALL_CHECKS.values(), ids=PAST_ALL_CHECKS.keys())
def test_a_draft_that_slipped_past_every_check_harms_nobody_else(journal: Journal, poison: dict[str, object]) -> None:
    async def main() -> None:
        async with living(journal) as live:
            many = [submission(f"k{n}") for n in range(64)]
            for name, value in poison.items():
                object.__setattr__(many[31].drafts[0], name, value)
            answers = await together(live, many)
            assert [n for n, answer in enumerate(answers) if isinstance(answer, BaseException)] == [31]
            assert isinstance(answers[31], RainerError)
            await live.commit(submission("after"))

    run(main())
    assert journal.position().revision == 64
    assert journal.verify().ok


def test_a_nul_that_slipped_past_every_check_harms_nobody_else(journal: Journal) -> None:
    """Some databases keep it and some do not; either way the rest is kept."""

    async def main() -> None:
        async with living(journal) as live:
            many = [submission(f"k{n}") for n in range(64)]
            object.__setattr__(many[31].drafts[0], "comment", "a\0b")
            answers = await together(live, many)
            assert [n for n, a in enumerate(answers) if isinstance(a, BaseException)] in ([], [31])
            await live.commit(submission("after"))

    run(main())
    assert journal.verify().ok


def test_whoever_left_before_the_group_began_has_committed_nothing(journal: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            futures = [live.committer.submit(submission(f"k{n}")) for n in range(4)]
            futures[1].cancel()
            await asyncio.gather(*futures, return_exceptions=True)

    run(main())
    assert [row.key for row in stored(journal)] == ["k0", "k2", "k3"]


def test_whoever_leaves_in_mid_group_takes_nobody_along(journal: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            gate = Gate(live)
            callers = [asyncio.create_task(live.commit(submission(f"k{n}"))) for n in range(4)]
            await gate.reached.wait()
            callers[1].cancel()
            gate.open()
            answers = await asyncio.gather(*callers, return_exceptions=True)
            assert isinstance(answers[1], asyncio.CancelledError)
            assert [a[0].key for a in answers if isinstance(a, tuple)] == ["k0", "k2", "k3"]
            await live.commit(submission("after"))

    run(main())
    assert [row.key for row in stored(journal)] == ["k0", "k1", "k2", "k3", "after"]


def test_a_listener_that_fails_harms_neither_callers_nor_other_listeners(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_plan: Plan) -> None:
        raise ZeroDivisionError

    async def main() -> None:
        async with living(journal) as live:
            live.on_group(fail)
            groups = groups_of(live)
            turn = live.wakeup.turn
            await live.commit(submission("a"))
            await live.commit(submission("b"))
            assert groups == [["a"], ["b"]]
            assert live.wakeup.turn >= turn + 2
            assert (await live.head("diary", "b"))[1].row is not None

    with caplog.at_level(logging.ERROR):
        run(main())
    assert "a listener failed" in caplog.text


def test_a_listener_hears_before_the_callers(journal: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            heard: list[int] = []
            live.on_group(lambda plan: heard.append(plan.after.revision))
            for n in range(3):
                rows = await live.commit(submission(f"k{n}"))
                assert heard[-1] == rows[-1].revision

    run(main())


def test_each_caller_gets_an_error_of_its_own(journal: Journal) -> None:
    """One error raised in many tasks would collect the tracebacks of all of them."""

    async def main() -> None:
        async with living(journal) as live:
            object.__setattr__(live.committer, "_transact_once", _fail)
            answers = await together(live, [submission(f"k{n}") for n in range(3)])
            assert all(isinstance(answer, UnavailableError) for answer in answers)
            assert len({id(answer) for answer in answers}) == 3
            assert {str(answer) for answer in answers} == {"gone"}

    run(main())


async def _fail(_group: object) -> Plan:
    raise UnavailableError("gone", hint="wait")


def test_a_connection_that_died_idle_is_renewed(journal: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            await live.commit(submission("a"))
            await live.committer._session.reset()
            if journal.dialect != "memory":  # where the connection is the journal
                journal.engine.dispose()
            await live.commit(submission("b"))
            assert (await live.head("diary", "b"))[1].row is not None

    run(main())
    assert [row.key for row in stored(journal)] == ["a", "b"]
