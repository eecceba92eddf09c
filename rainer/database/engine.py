"""Engines: how connections to each database are opened, kept safe and bounded in time."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
from pathlib import Path
from typing import Any, Final, cast
from weakref import WeakKeyDictionary, WeakSet

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.pool import QueuePool

from rainer import limits
from rainer.database import failures
from rainer.database.failures import translate
from rainer.database.sqlite_file import SqliteFile
from rainer.database.sqlite_lock import begin_immediate, turn_on_wal
from rainer.database.turns import TurnsPool
from rainer.errors import UnavailableError

_WRITE: Final = "rainer_write"
"""Execution option of a connection that writes; SQLite then takes its write lock at BEGIN."""
_LOCK_WAIT: Final = "rainer_lock_wait_s"
_WRITING: Final[dict[str, dict[str, Any]]] = {
    "postgresql": {"isolation_level": "READ COMMITTED"},
    "mysql": {_WRITE: True},
    "sqlite": {_WRITE: True},
}

CONNECT_TIMEOUT_S: Final = 10
STATEMENT_TIMEOUT_S: Final = failures.STATEMENT_TIMEOUT_S
_MYSQL_ANSWER_TIMEOUT_S: Final = 60
# A machine or network that is gone is noticed; a server that is stopped still acknowledges, and is not.
_KEEPALIVES: Final = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": (STATEMENT_TIMEOUT_S + 10) * 1000,
}
_opened: Final[WeakKeyDictionary[Engine, WeakSet[Any]]] = WeakKeyDictionary()
_POOL: Final[dict[str, Any]] = {"pool_size": 8, "max_overflow": 8, "pool_timeout": 15, "pool_pre_ping": True}


def open_engine(url: URL) -> Engine:
    """An engine for a URL of `parse_address`; connects only when first used. Thread-safe.

    Its transactions read: all their statements see one moment of the database. Those of `writing` write.
    """
    return _OPENERS[url.get_backend_name()](url)


def writing(engine: Engine, *, lock_wait_s: int = limits.LOCK_TIMEOUT_S) -> Connection:
    """A connection whose transactions write: each statement sees what others committed before it.

    A writer waits for the journal row's lock, and what it read before that, or at the same moment, would be stale.
    On SQLite `lock_wait_s` is how long it waits; elsewhere the session has its own bound.
    """
    return engine.connect().execution_options(**_WRITING[engine.dialect.name], **{_LOCK_WAIT: lock_wait_s})


def be_patient(connection: Connection) -> None:
    """Let one connection of MySQL's driver wait for an answer as long as it takes."""
    raw: Any = connection.connection.dbapi_connection
    raw._read_timeout = None


def is_in_memory(url: URL) -> bool:
    """Whether the database is gone with its connection."""
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def _open_postgresql(url: URL) -> Engine:
    # A reader or writer that stops in the middle loses its session after seconds, and with it every lock.
    options = " ".join(f"-c {name}={value}" for name, value in postgresql_settings().items())
    connect_args = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "rainer"} | _KEEPALIVES
    chosen = {name: value for name, value in connect_args.items() if name not in url.query}
    engine = sa.create_engine(
        url, connect_args=chosen | {"options": options}, isolation_level="REPEATABLE READ", **_POOL
    )
    opened = _opened[engine] = WeakSet()

    @sa.event.listens_for(engine, "connect")
    def remember(connection: Any, _record: Any) -> None:
        opened.add(connection)

    return engine


def break_off(engine: Engine) -> None:
    """End PostgreSQL's connections under whoever waits on them: the driver has no bound of its own on an answer."""
    for connection in list(_opened.get(engine, ())):
        with contextlib.suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)


def postgresql_settings() -> dict[str, str]:
    """Session settings of every PostgreSQL connection, sync or async; times in milliseconds."""
    return {
        "lock_timeout": str(limits.LOCK_TIMEOUT_S * 1000),
        "statement_timeout": str(STATEMENT_TIMEOUT_S * 1000),
        "idle_in_transaction_session_timeout": str(limits.STALLED_WRITER_S * 1000),
        "synchronous_commit": "on",
        "timezone": "UTC",
    }


def _open_mysql(url: URL) -> Engine:
    engine = sa.create_engine(
        url,
        # The driver's connect_timeout ends with TCP's part of it; a stopped server's greeting is a matter of the other.
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "read_timeout": CONNECT_TIMEOUT_S, "write_timeout": 60},
        isolation_level="READ COMMITTED",
        **_POOL,
    )

    @sa.event.listens_for(engine, "connect")
    def set_session(connection: Any, _record: Any) -> None:
        connection._read_timeout = _MYSQL_ANSWER_TIMEOUT_S
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION innodb_lock_wait_timeout={limits.LOCK_TIMEOUT_S}")
            cursor.execute("SET SESSION sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'")
            _bound_idle_transactions(cursor)

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if not connection.get_execution_options().get(_WRITE):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    return engine


def _bound_idle_transactions(cursor: Any) -> None:
    """MariaDB ends only transactions that idle; MySQL knows nothing but a time-out of the whole session."""
    import pymysql

    try:
        cursor.execute(f"SET SESSION idle_transaction_timeout={limits.STALLED_WRITER_S}")
    except pymysql.err.OperationalError:
        cursor.execute(f"SET SESSION wait_timeout={limits.STALLED_WRITER_S}")


def _open_sqlite(url: URL) -> Engine:
    in_memory = is_in_memory(url)
    pool: dict[str, Any] = (
        # One connection, handed from thread to thread: whoever holds it has the whole database for that moment.
        {"poolclass": TurnsPool, "pool_timeout": 60}
        if in_memory
        else _POOL | {"poolclass": QueuePool, "pool_pre_ping": False}
    )
    engine = sa.create_engine(url, connect_args={"timeout": limits.LOCK_TIMEOUT_S, "check_same_thread": False}, **pool)

    @sa.event.listens_for(engine, "connect")
    def set_session(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, so that DDL is in the transaction too
        if not in_memory:
            _set_durable(connection)

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if in_memory or not connection.get_execution_options().get(_WRITE):
            connection.exec_driver_sql("BEGIN")
        else:
            _begin_immediate(connection, str(url.database))

    @sa.event.listens_for(engine, "handle_error")
    def leave_read_only(context: sa.ExceptionContext) -> None:
        # A connection that was opened on a read-only file stays read-only when the file no longer is: drop them all.
        code = getattr(context.original_exception, "sqlite_errorcode", 0)
        if code & 0xFF == sqlite3.SQLITE_READONLY and not in_memory:
            context.is_disconnect = True

    if not in_memory:
        SqliteFile(engine, str(url.database))
    return engine


def _begin_immediate(connection: Connection, path: str) -> None:
    try:
        raw = cast(sqlite3.Connection, connection.connection.dbapi_connection)
        begin_immediate(raw, path, connection.get_execution_options()[_LOCK_WAIT])
    except sqlite3.Error as e:
        raise translate(e) from e


def _set_durable(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous=FULL")
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode != "wal":
        turn_on_wal(connection, limits.LOCK_TIMEOUT_S)
    connection.execute("PRAGMA cache_size=-8192")
    connection.execute("PRAGMA wal_autocheckpoint=4000")


_OPENERS: Final = {"postgresql": _open_postgresql, "mysql": _open_mysql, "sqlite": _open_sqlite}


def ensure_folder(url: URL) -> None:
    """Make the folder of a SQLite file, private to its owner; UnavailableError where that cannot be done."""
    if url.get_backend_name() != "sqlite" or not url.database or is_in_memory(url):
        return
    folder = Path(url.database).parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise UnavailableError(
            f"the folder {folder} for the journal cannot be made: {e.strerror}",
            hint="name another one with --data-dir or --database",
        ) from e


def missing_file(url: URL) -> Path | None:
    """The SQLite file that a URL names and that is not there; connecting would make it."""
    if url.get_backend_name() != "sqlite" or not url.database or is_in_memory(url):
        return None
    file = Path(url.database)
    return None if file.exists() else file
