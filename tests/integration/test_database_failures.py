"""Databases that are set up otherwise, refuse, hang or go away: what Rainer then does, and what it says."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import cast
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest
from psycopg import sql
from sqlalchemy import exc
from sqlalchemy.engine import make_url
from sqlalchemy.pool import QueuePool

from rainer.database.address import parse_address
from rainer.database.engine import open_engine
from rainer.database.failures import translate
from rainer.errors import InvalidError, RainerError, UnavailableError
from rainer.journal import Journal, LiveJournal
from rainer.journal import live as live_module
from rainer.journal.loop_thread import LoopThread
from rainer.journal.row import State
from rainer.journal.wakeup import Wakeup
from tests.services.database_service import DatabaseService
from tests.services.waiting import wait_until


def _execute(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    "query",
    ["connect_timeout=5", "application_name=mine", "sslmode=prefer&connect_timeout=7", "target_session_attrs=any"],
)
def test_commits_pass_whatever_the_url_asks_of_the_connection(postgresql_url: str, query: str) -> None:
    with Journal(f"{postgresql_url}?{query}") as journal:
        assert journal.append("k", b"x", version=1, author="me").version == 1


def test_host_port_user_and_database_may_stand_in_the_query(postgresql_url: str) -> None:
    parts = urlsplit(postgresql_url)
    query = f"host={parts.hostname}&port={parts.port}&user={parts.username}&dbname={parts.path[1:]}"
    with Journal(f"postgresql://?{query}") as journal:
        assert journal.append("k", b"x", version=1, author="me").version == 1


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("keepalives=1&sslmode=prefer&gssencmode=disable", "gssencmode, keepalives"),
        ("connect_timeout=soon", "connect_timeout"),
        ("connect_timeout=0", "connect_timeout"),
        ("sslmode=prefer&sslmode=require", "sslmode"),
    ],
)
def test_what_not_every_connection_could_honour_is_refused_at_the_start(query: str, words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        parse_address(f"postgresql://rainer@localhost/journal?{query}")


def test_the_databases_default_isolation_does_not_reach_the_committer(postgresql_url: str) -> None:
    name = sql.Identifier(urlsplit(postgresql_url).path[1:])
    isolation = sql.SQL("ALTER DATABASE {} SET default_transaction_isolation = 'repeatable read'").format(name)
    _execute(postgresql_url, isolation)
    with Journal(postgresql_url) as one, Journal(postgresql_url) as other:
        with ThreadPoolExecutor(16) as threads:
            begun = [
                threads.submit((one, other)[n % 2].append, f"key-{n}", b"", version=1, author="me") for n in range(200)
            ]
        assert {answer.result().revision for answer in begun} == set(range(1, 201))


def test_reads_of_a_stopped_server_end_and_closing_does_not_wait_for_them(
    own_postgresql: DatabaseService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "_READ_TIMEOUT_S", 1)
    monkeypatch.setattr(live_module, "_GRACE_S", 1)

    async def main(journal: Journal) -> None:
        live = journal.live()
        await live.start()
        await live.in_thread(live.reads.state)
        own_postgresql.pause()
        with pytest.raises(UnavailableError, match="the database does not answer within 1 s"):
            await live.in_thread(live.reads.state)
        begun = time.monotonic()
        await live.close()
        assert time.monotonic() - begun < 20

    with Journal(own_postgresql.create_database()) as journal:
        try:
            asyncio.run(main(journal))
        finally:
            own_postgresql.resume()
        pool = cast(QueuePool, journal.engine.pool)
        wait_until(lambda: pool.checkedout() == 0, 20, "the end of the read that nobody waited for")


def _refuse_writes(url: str, grants: str) -> str:
    """The URL of a user who may do only what `grants` names on the database."""
    address = make_url(url).set(drivername="mysql+pymysql")
    name = f"limited_{secrets.token_hex(4)}"
    with closing(_mariadb(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY 'limited'")
        cursor.execute(f"GRANT {grants} ON `{address.database}`.* TO '{name}'@'127.0.0.1'")
    limited = address.set(drivername="mysql", username=name, password="limited")
    return limited.render_as_string(hide_password=False)


def _mariadb(url: str) -> pymysql.connections.Connection[pymysql.cursors.Cursor]:
    address = make_url(url)
    return pymysql.connect(
        host=address.host or "127.0.0.1",
        port=address.port or 3306,
        user=str(address.username),
        password=str(address.password),
        database=str(address.database),
        autocommit=True,
    )


def test_a_mariadb_user_who_may_not_write_is_no_fault_of_the_value(mariadb_url: str) -> None:
    Journal(mariadb_url).close()
    limited = _refuse_writes(mariadb_url, "SELECT, UPDATE")
    with Journal(limited) as journal, pytest.raises(UnavailableError, match="user may not") as caught:
        journal.append("k", b"x", version=1, author="me")
    assert "grant" in str(caught.value.hint)


def test_a_postgresql_user_who_may_not_write_is_told_so(postgresql_url: str) -> None:
    Journal(postgresql_url).close()
    name = f"limited_{secrets.token_hex(4)}"
    user = sql.Identifier(name)
    _execute(postgresql_url, sql.SQL("CREATE USER {}").format(user))
    _execute(postgresql_url, sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(user))
    try:
        limited = make_url(postgresql_url).set(username=name).render_as_string(hide_password=False)
        with Journal(limited) as journal, pytest.raises(UnavailableError, match="user may not"):
            journal.append("k", b"x", version=1, author="me")
    finally:
        _execute(postgresql_url, sql.SQL("DROP OWNED BY {0}; DROP USER {0}").format(user))


def test_a_table_of_somebody_else_is_no_reason_to_upgrade(database_url: str) -> None:
    engine = open_engine(parse_address(database_url))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE journal (title VARCHAR(20))")
    engine.dispose()
    with pytest.raises(RainerError, match="not Rainer's") as caught:
        Journal(database_url)
    assert "db upgrade" not in str(caught.value.hint)


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (1366, InvalidError, "refuses this value"),
        (1406, InvalidError, "refuses this value"),
        (1153, InvalidError, "refuses this value"),
        (1047, UnavailableError, "takes no statements"),
        (1317, UnavailableError, "broke the statement off"),
        (1969, UnavailableError, "longer than the server allows"),
        (1364, UnavailableError, "does not answer"),
        (4711, UnavailableError, "does not answer"),
    ],
)
def test_only_a_value_at_fault_is_refused_for_good(number: int, kind: type[RainerError], words: str) -> None:
    error = exc.DataError("INSERT", {}, pymysql.err.DataError(number, "words"))
    with pytest.raises(kind, match=words):
        raise translate(error)


def test_an_error_without_words_is_named() -> None:
    assert "TimeoutError" in str(translate(TimeoutError()))


def test_a_statement_that_took_too_long_is_told_from_one_that_was_cancelled() -> None:
    for said, words in (("statement timeout", "took over 30 s"), ("user request", "broke the statement off")):
        orig = psycopg.errors.QueryCanceled(f"canceling statement due to {said}")
        with pytest.raises(UnavailableError, match=words):
            raise translate(exc.OperationalError("SELECT", {}, orig))


def test_a_database_that_is_away_is_told_of_once_and_asked_less_often(caplog: pytest.LogCaptureFixture) -> None:
    looks = 0
    away = True
    state = State("lineage", 1, b"", 0, "tag")

    async def read_state() -> State:
        nonlocal looks
        looks += 1
        if away:
            raise UnavailableError("away")
        return state

    async def main() -> None:
        nonlocal away
        wakeup = Wakeup(read_state, 0.01)
        assert not await wakeup.wait(wakeup.turn, state, 0.5)
        away = False
        assert looks == 1
        assert not await wakeup.wait(wakeup.turn, state, 1.0)
        await wakeup.close()

    asyncio.run(main())
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "the journal cannot be polled, trying again until it can",
        "the journal can be polled again",
    ]


def test_a_loop_that_cannot_begin_leaves_no_thread_behind() -> None:
    def make() -> LiveJournal:
        raise UnavailableError("not now")

    with pytest.raises(UnavailableError, match="not now"):
        LoopThread(make)
    assert "rainer-journal" not in {thread.name for thread in threading.enumerate()}
