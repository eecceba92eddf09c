"""A server for the tests of one file, and its journal proved whole when they are done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rainer.journal import Journal
from tests.services.rainer import RainerServer


@pytest.fixture(scope="module")
def served(_guardian: None) -> Iterator[RainerServer]:
    """A server on SQLite whose tests may do their worst: at the end it stops well and its journal verifies."""
    with RainerServer() as server:
        yield server
        server.stop()
        verify(server.database)
        assert "Traceback" not in server.output, server.output[-4000:]


def verify(database: str) -> None:
    """The journal is whole: chain, versions and heads."""
    with Journal(database) as journal:
        found = journal.verify()
    assert found.ok, found.problems
