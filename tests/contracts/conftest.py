"""Every test that takes `journal` or `journal_url` runs on every backend: one contract, the same number of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from rainer.journal import Journal
from tests.plugins.contract_counts import BACKENDS

MEMORY = "memory:"


@pytest.fixture(params=BACKENDS)
def journal_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh, empty database of each kind."""
    if request.param == "memory":
        return MEMORY
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def journal(journal_url: str) -> Iterator[Journal]:
    """An empty journal."""
    with Journal(journal_url) as journal:
        yield journal


@pytest.fixture
def second_of() -> Iterator[Callable[[Journal], Journal]]:
    """Another Journal on the database of one, as another process has it; in memory, where none can be, the same one."""
    with ExitStack() as opened:

        def open_second(journal: Journal) -> Journal:
            if journal.dialect == "memory":
                return journal
            return opened.enter_context(Journal(journal.engine.url.render_as_string(hide_password=False)))

        yield open_second


@pytest.fixture
def second(journal: Journal, second_of: Callable[[Journal], Journal]) -> Journal:
    """Another Journal on the same database."""
    return second_of(journal)
