"""Every test that takes `journal` or `journal_url` runs on every backend: one contract, the same number of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from rainer.journal import Journal
from tests.contracts.recycled import Recycled
from tests.plugins.contract_counts import BACKENDS
from tests.services.database_service import DatabaseService

MEMORY = "memory:"


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The kind of database that a test runs on."""
    return str(request.param)


@pytest.fixture
def journal_url(backend: str, request: pytest.FixtureRequest) -> str:
    """The URL of a fresh, empty database of each kind."""
    if backend == "memory":
        return MEMORY
    url: str = request.getfixturevalue(f"{backend}_url")
    return url


@pytest.fixture(scope="session")
def recycled_postgresql(postgresql: DatabaseService) -> Recycled:
    return Recycled(postgresql)


@pytest.fixture(scope="session")
def recycled_mariadb(mariadb: DatabaseService) -> Recycled:
    return Recycled(mariadb)


@pytest.fixture
def empty_journal_url(backend: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database of each kind that holds an empty journal, or of the one that the test itself names."""
    if backend in ("memory", "sqlite") or "journal_url" in request.fixturenames:
        yield request.getfixturevalue("journal_url")
        return
    recycled: Recycled = request.getfixturevalue(f"recycled_{backend}")
    url = recycled.take()
    yield url
    recycled.put_back(url)


@pytest.fixture
def journal(empty_journal_url: str) -> Iterator[Journal]:
    """An empty journal."""
    with Journal(empty_journal_url) as journal:
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
