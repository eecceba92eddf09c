"""A server for the tests of one file, and its journal proved whole when they are done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.journal import Journal
from tests.publishing import Room, room
from tests.services.rainer import RainerServer


@pytest.fixture(scope="module")
def served(_guardian: None) -> Iterator[RainerServer]:
    """A server on SQLite whose tests may do their worst: at the end it stops well and its journal verifies."""
    with RainerServer() as server:
        yield server
        server.stop()
        verify(server.database)
        assert "Traceback" not in server.output, server.output[-4000:]


@pytest.fixture
def here(served: RainerServer, tmp_path: Path) -> Iterator[Room]:
    """A publisher's files, client and store, with a manifest and a folder of the store that are the test's own."""
    made = room(served.url, tmp_path)
    with made.client:
        yield made


def verify(database: str) -> None:
    """The journal is whole: chain, versions and heads."""
    with Journal(database) as journal:
        found = journal.verify()
    assert found.ok, found.problems
