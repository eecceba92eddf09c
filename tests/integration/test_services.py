"""The starters of real servers, on which every other test of a bad day depends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pymysql
import pytest

from tests.services.database_service import DatabaseService
from tests.services.processes import tree
from tests.services.waiting import wait_until

TOP = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def connected(url: str) -> Iterator[psycopg.Connection | pymysql.connections.Connection]:
    parts = urlsplit(url)
    if parts.scheme == "postgresql":
        connection = psycopg.connect(url, connect_timeout=5)
    else:
        connection = pymysql.connect(
            host=parts.hostname,
            port=parts.port,
            user=parts.username,
            password=parts.password,
            database=parts.path[1:],
            connect_timeout=5,
        )
    try:
        yield connection
    finally:
        with contextlib.suppress(psycopg.Error, pymysql.Error):
            connection.close()


def ask(connection: psycopg.Connection | pymysql.connections.Connection, statement: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def fill(connection: psycopg.Connection | pymysql.connections.Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE facts (n int)")
        cursor.execute("INSERT INTO facts VALUES (42)")
    connection.commit()


@pytest.fixture(params=["postgresql", "mariadb"])
def own_server(request: pytest.FixtureRequest) -> DatabaseService:
    return request.getfixturevalue(f"own_{request.param}")


def test_what_was_committed_survives_kill_9_on_the_same_port(own_server: DatabaseService) -> None:
    url, pid = own_server.create_database(), own_server.pid
    with connected(url) as connection:
        fill(connection)
        members = tree(pid)
        own_server.kill()
        assert not [member for member in members if member.is_running() and member.status() != psutil.STATUS_ZOMBIE]
    assert not own_server.running
    own_server.start()
    assert own_server.pid != pid
    with connected(url) as connection:
        assert ask(connection, "SELECT n FROM facts") == [(42,)]


def test_a_server_that_died_by_itself_starts_again(own_server: DatabaseService) -> None:
    os.kill(own_server.pid, signal.SIGKILL)
    wait_until(lambda: not own_server.running, 10, "the server's death")
    own_server.restart()
    assert own_server.create_database()


def _is_stopped_or_gone(member: psutil.Process) -> bool:
    try:
        return member.status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return True  # a worker that had done its work


def test_a_paused_server_answers_again_when_resumed(own_server: DatabaseService) -> None:
    members = tree(own_server.pid)
    own_server.pause()
    wait_until(lambda: all(_is_stopped_or_gone(member) for member in members), 10, "every process to be stopped")
    own_server.resume()
    with connected(own_server.create_database()) as connection:
        assert ask(connection, "SELECT 1") == [(1,)]


def test_a_database_in_use_can_be_dropped(own_server: DatabaseService) -> None:
    url = own_server.create_database()
    with connected(url) as connection:
        fill(connection)
        ask(connection, "SELECT n FROM facts")  # leaves a transaction open
        own_server.drop_database(url)


def test_postgresql_is_durable(postgresql_url: str) -> None:
    with connected(postgresql_url) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert ask(connection, f"SHOW {name}") == [("on",)]


def test_mariadb_is_durable(mariadb_url: str) -> None:
    with connected(mariadb_url) as connection:
        assert ask(connection, "SELECT @@innodb_flush_log_at_trx_commit, @@innodb_doublewrite") == [(1, 1)]


def test_each_url_is_a_fresh_database(database_url: str) -> None:
    if database_url.startswith("sqlite:///"):
        assert not Path(database_url.removeprefix("sqlite:///")).exists()
        return
    with connected(database_url) as connection:
        fill(connection)


ORPHAN_MAKER = """
import sys
from tests.services.{module} import {name}
server = {name}()
server.start()
print(server.pid, server.folder, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("module", "name"), [("postgresql", "PostgreSQL"), ("mariadb", "MariaDB"), ("zookeeper", "ZooKeeper")]
)
@pytest.mark.parametrize("paused", [False, True], ids=["running", "paused"])
def test_servers_die_with_a_killed_test_run(
    module: str, name: str, paused: bool, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(f"own_{module}")  # skips, or fails, where there is no such server
    command = [sys.executable, "-c", ORPHAN_MAKER.format(module=module, name=name)]
    with subprocess.Popen(command, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        pid, folder = run.stdout.readline().split()
        members = tree(int(pid))
        assert members
        if paused:
            members[0].send_signal(signal.SIGSTOP)
        run.kill()
    wait_until(
        lambda: not any(member.is_running() and member.status() != psutil.STATUS_ZOMBIE for member in members),
        20,
        "the death of the servers of a killed test run",
    )
    wait_until(lambda: not Path(folder).exists(), 10, "the removal of their folder")
