"""A PostgreSQL server with its durable settings, on a free port."""

from __future__ import annotations

import signal
from collections.abc import Sequence

import psycopg
from psycopg import sql

from tests.services.database_service import DatabaseService
from tests.services.machine import find_binary

_DURABLE = ("fsync=on", "synchronous_commit=on", "full_page_writes=on")


class PostgreSQL(DatabaseService):
    """Users connect as `rainer`, without a password."""

    name = "postgresql"
    scheme = "postgresql"
    environment_name = "RAINER_TEST_POSTGRESQL_URL"
    stop_signal = signal.SIGINT  # a fast shutdown; SIGTERM would wait for every client to leave

    @classmethod
    def available(cls) -> str | None:
        missing = [name for name in ("initdb", "postgres") if find_binary(name) is None]
        if missing:
            return f"PostgreSQL's {' and '.join(missing)} not found, in PATH or /usr/lib/postgresql/*/bin"
        return None

    def _prepare(self) -> None:
        # initdb may skip its own sync: what the tests are about is written later, by the server, with fsync on.
        self._run(
            [
                str(find_binary("initdb")),
                f"--pgdata={self.folder / 'data'}",
                "--username=rainer",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ]
        )

    def _command(self) -> Sequence[str]:
        settings = (
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=200",
            *_DURABLE,
            *self._options,
        )
        flags = [part for setting in settings for part in ("-c", setting)]
        return [str(find_binary("postgres")), "-D", str(self.folder / "data"), *flags]

    def _own_admin_url(self) -> str:
        return f"postgresql://rainer@127.0.0.1:{self.port}/postgres"

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.admin_url, autocommit=True, connect_timeout=5)

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _create(self, name: str) -> None:
        self._execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name)))

    def _drop(self, name: str) -> None:
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with self._connect() as connection:
            connection.execute(statement)
