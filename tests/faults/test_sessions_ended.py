"""The database ends the servers' sessions, again and again, at any moment: also between a COMMIT and its answer.

Unlike a killed database this one can be asked at once how the COMMIT ended, so that an acknowledgement may hang on it.
"""

from __future__ import annotations

import contextlib
import random

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rainer.journal import Journal
from tests.faults.checker import assert_kept
from tests.faults.conftest import Serve
from tests.faults.contents import read_contents
from tests.faults.load import Load

pytestmark = pytest.mark.faults
_ENDS = 60

_END_POSTGRESQL = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_OTHERS_MYSQL = sa.text("SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()")


@pytest.fixture(params=["postgresql", "mariadb"])
def server_url(request: pytest.FixtureRequest) -> str:
    """A fresh database on a server that has sessions to end."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


def test_sessions_ended_at_any_moment_lose_nothing(server_url: str, serve: Serve, seed: int) -> None:
    chance = random.Random(seed)
    # Two, so that PostgreSQL commits in both ways: in one statement, and under the row's lock when they contend.
    servers = [serve(server_url), serve(server_url)]
    with Load([server.url for server in servers], seed) as load, Journal(server_url) as journal:
        for _ in range(_ENDS):
            load.wait_for_commits(chance.randint(1, 10))
            with journal.engine.connect() as connection:
                _end_other_sessions(connection)
        for server in servers:
            load.wait_for_commits(20, server=server.url)
    for server in servers:
        server.stop()
    print(f"{_ENDS} kills of all sessions: {load.history}")
    assert_kept(load.history, read_contents(server_url))


def _end_other_sessions(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(_END_POSTGRESQL)
        return
    for number in connection.execute(_OTHERS_MYSQL).scalars().all():
        with contextlib.suppress(sa.exc.DBAPIError):  # gone already
            connection.exec_driver_sql(f"KILL CONNECTION {int(number)}")
