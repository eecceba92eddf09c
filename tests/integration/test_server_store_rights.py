"""The server store with a database user who may not DELETE: files are put and read, and whoever deletes is told why."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pymysql
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from rainer.errors import UnavailableError
from rainer.journal import Journal
from rainer.server_store.files import Files
from rainer.server_store.places import FolderPlaces
from rainer.server_store.terms import Terms
from tests.contracts.test_store_names import FOREVER, put, read, time_passes


@pytest.fixture
def limited_postgresql(postgresql_url: str) -> Iterator[str]:
    Journal(postgresql_url).close()
    name = f"limited_{secrets.token_hex(4)}"
    user = sql.Identifier(name)
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE USER {}").format(user))
        rights = sql.SQL("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {}")
        connection.execute(rights.format(user))
    yield make_url(postgresql_url).set(username=name).render_as_string(hide_password=False)
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP OWNED BY {0}; DROP USER {0}").format(user))


@pytest.fixture
def limited_mariadb(mariadb_url: str) -> str:
    Journal(mariadb_url).close()
    address = make_url(mariadb_url)
    name = f"limited_{secrets.token_hex(4)}"
    connection = pymysql.connect(
        host=address.host, port=address.port or 3306, user=address.username, password=str(address.password),
        autocommit=True,
    )  # fmt: skip
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(f"CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY 'limited'")
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE ON `{address.database}`.* TO '{name}'@'127.0.0.1'")
    return address.set(username=name, password="limited").render_as_string(hide_password=False)


@pytest.mark.parametrize("database", ["postgresql", "mariadb"])
def test_without_the_right_to_delete(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with Journal(request.getfixturevalue(f"limited_{database}")) as journal:
        files = Files(journal.engine, FolderPlaces(tmp_path / "contents"))
        put(files, "a", b"1")
        put(files, "a", b"2", 2)
        assert read(files, "a") == b"2"
        with pytest.raises(UnavailableError, match="may not do this") as caught:
            files.delete("a", Terms(FOREVER))
        assert "DELETE on those of the server store" in str(caught.value.hint)
        time_passes(files)
        with pytest.raises(UnavailableError, match="may not do this"):
            files.sweep(0)
        assert read(files, "a") == b"2"
        put(files, "b", b"1")
        assert read(files, "b") == b"1"
