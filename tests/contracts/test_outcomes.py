"""A COMMIT whose answer is lost: what is said afterwards is true, and a commit id finds out the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rainer.errors import OutcomeUnknown, UnavailableError
from rainer.journal import Journal, LiveJournal
from tests.contracts.live import living, run, submission
from tests.contracts.tables import stored


def lose_answer(live: LiveJournal, *, after_commit: bool, times: int = 1) -> None:
    """Let the session's COMMIT fail, after or before it reached the database."""
    session: Any = live.committer._session
    commit: Callable[..., Any] = session.commit
    left = times

    async def lost() -> None:
        nonlocal left
        if left == 0:
            await commit()
            return
        left -= 1
        if after_commit:
            await commit()
        raise UnavailableError("the connection broke")

    session.commit = lost
    # By the way that takes the journal's lock: only there is COMMIT a step of its own on every database.
    live.committer.known.contended = True


@pytest.mark.parametrize("after_commit", [True, False], ids=["kept", "not kept"])
def test_a_lost_answer_is_found_out(journal: Journal, after_commit: bool) -> None:
    async def main() -> None:
        async with living(journal) as live:
            await live.commit(submission("a"))
            lose_answer(live, after_commit=after_commit)
            rows = await live.commit(submission("b"))
            assert rows[0].revision == 2
            assert (await live.commit(submission("c")))[0].revision == 3

    run(main())
    assert [row.key for row in stored(journal)] == ["a", "b", "c"]
    assert journal.verify().ok


@pytest.mark.parametrize("after_commit", [True, False], ids=["kept", "not kept"])
def test_a_database_that_is_gone_leaves_the_outcome_open_and_the_id_finds_out(
    journal: Journal, after_commit: bool
) -> None:
    async def main() -> None:
        async with living(journal) as live:
            await live.commit(submission("a"))
            lose_answer(live, after_commit=after_commit)
            session: Any = live.committer._session
            begin = session.begin
            calls = 0

            async def gone_after_first() -> Any:
                nonlocal calls
                calls += 1
                if calls > 1:
                    raise UnavailableError("the database is gone")
                return await begin()

            session.begin = gone_after_first
            with pytest.raises(OutcomeUnknown) as caught:
                await live.commit(submission("b", commit_id="id"))
            assert not caught.value.retryable
            assert live.committer.counters.unknown == 1
            session.begin = begin
            rows = await live.commit(submission("b", commit_id="id"))
            assert rows[0].revision == 2

    run(main())
    assert [row.key for row in stored(journal)] == ["a", "b"]
