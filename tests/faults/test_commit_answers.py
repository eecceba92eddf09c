"""A COMMIT that fails in a way nobody foresaw is no reason to guess: what is told is what the journal holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rainer.errors import OutcomeUnknown, RainerError
from rainer.journal import Journal, LiveJournal
from tests.contracts.live import living, run, submission

pytestmark = pytest.mark.faults


class UnforeseenError(Exception):
    """What no driver says it raises."""


def _fail_at_commit(live: LiveJournal, *, kept: bool, gone: bool = False) -> None:
    """Let the next COMMIT fail, after or before it was made; with `gone` nobody can be asked about it either."""
    session: Any = live.committer._session
    live.committer.known.contended = True  # so that COMMIT is a step of its own on every database
    commit: Callable[..., Any] = session.commit

    async def fail() -> None:
        session.commit = commit
        if kept:
            await commit()
        if gone:
            session.begin = _raise
        raise UnforeseenError

    session.commit = fail


async def _raise() -> None:
    raise UnforeseenError


def _commit_b(url: str, *, kept: bool, gone: bool = False) -> tuple[BaseException | None, list[str]]:
    """The error of a commit of `b` whose COMMIT fails, and the keys that the journal holds after it."""

    async def main(journal: Journal) -> BaseException | None:
        async with living(journal) as live:
            await live.commit(submission("a"))
            _fail_at_commit(live, kept=kept, gone=gone)
            try:
                await live.commit(submission("b"))
            except RainerError as e:
                return e
        return None

    with Journal(url) as journal:
        error = run(main(journal))
        return error, [commit.key for commit in journal.heads()]


def test_a_commit_that_was_kept_is_acknowledged(database_url: str) -> None:
    assert _commit_b(database_url, kept=True) == (None, ["a", "b"])


def test_a_commit_that_was_not_kept_is_refused(database_url: str) -> None:
    error, keys = _commit_b(database_url, kept=False)
    assert type(error) is RainerError
    assert keys == ["a"]


@pytest.mark.parametrize("kept", [True, False])
def test_a_commit_of_which_nothing_is_known_is_called_unknown(database_url: str, kept: bool) -> None:
    error, keys = _commit_b(database_url, kept=kept, gone=True)
    assert type(error) is OutcomeUnknown
    assert keys == (["a", "b"] if kept else ["a"])
