"""Databases that are set up otherwise, refuse, hang or go away: what Rainer then does, and what it says."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from rainer.database.address import parse_address
from rainer.errors import InvalidError, UnavailableError
from rainer.journal import Journal
from rainer.journal import live as live_module
from tests.services.database_service import DatabaseService


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
