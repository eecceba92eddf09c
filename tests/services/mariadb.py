"""A MariaDB server with its durable settings, on a free port."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

import pymysql

from tests.services.database_service import DatabaseService
from tests.services.machine import find_binary

_USER = "rainer"
_PASSWORD = "rainer"

_MAKE_USER = f"""\
CREATE USER IF NOT EXISTS '{_USER}'@'127.0.0.1' IDENTIFIED BY '{_PASSWORD}';
GRANT ALL PRIVILEGES ON *.* TO '{_USER}'@'127.0.0.1' WITH GRANT OPTION;
"""


class MariaDB(DatabaseService):
    """Users connect as `rainer` with a password, over TCP; MariaDB and MySQL share the URL scheme `mysql`."""

    name = "mariadb"
    scheme = "mysql"
    environment_name = "RAINER_TEST_MARIADB_URL"

    @classmethod
    def available(cls) -> str | None:
        if find_binary("mariadbd") is None:
            return "MariaDB's mariadbd not found, in PATH or /usr/sbin"
        if find_binary("mariadb-install-db") is None:
            return "MariaDB's mariadb-install-db not found in PATH"
        return None

    def _prepare(self) -> None:
        # In the common folder, another server that starts would take its temporary tables for a dead one's.
        self._environment["TMPDIR"] = str(self.folder)
        self._run(
            [
                str(find_binary("mariadb-install-db")),
                "--no-defaults",
                f"--datadir={self.folder / 'data'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ]
        )
        (self.folder / "users.sql").write_text(_MAKE_USER, "ascii")
        (self.folder / "users.sql").chmod(0o644)

    def _command(self) -> Sequence[str]:
        return [
            str(find_binary("mariadbd")),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--tmpdir={self.folder}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--socket={self.folder / 'socket'}",
            f"--pid-file={self.folder / 'pid'}",
            f"--init-file={self.folder / 'users.sql'}",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=1",
            "--max-connections=200",
            *self._options,
        ]

    def _own_admin_url(self) -> str:
        return f"mysql://{_USER}:{_PASSWORD}@127.0.0.1:{self.port}/"

    def _connect(self) -> pymysql.connections.Connection[pymysql.cursors.Cursor]:
        parts = urlsplit(self.admin_url)
        return pymysql.connect(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or 3306,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            connect_timeout=5,
            autocommit=True,
        )

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except pymysql.err.OperationalError:
            return False
        return True

    def _create(self, name: str) -> None:
        self._execute(f"CREATE DATABASE `{name}`")

    def _drop(self, name: str) -> None:
        self._end_connections(name)
        self._execute(f"DROP DATABASE IF EXISTS `{name}`")

    def _end_connections(self, name: str) -> None:
        # DROP DATABASE waits for the metadata locks of open transactions: a test that left one would hang its end.
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (name,))
            for (number,) in cursor.fetchall():
                cursor.execute("KILL SOFT CONNECTION %s", (number,))

    def _execute(self, statement: str) -> None:
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)
