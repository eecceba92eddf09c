"""Databases with an empty journal that one test after the other takes, and puts back as it found it.

Making one costs a database server a quarter of a second, and most tests cost a tenth. What a test leaves in rows is
cleared; a database whose tables it changed is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from rainer.database.address import parse_address
from rainer.database.engine import open_engine, writing
from rainer.database.schema import metadata
from rainer.journal import Journal
from tests.services.database_service import DatabaseService

_COLUMNS = "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
_CONSTRAINTS = "SELECT table_name, constraint_name, constraint_type FROM information_schema.table_constraints"
_OURS = {"postgresql": "table_schema = 'public'", "mysql": "table_schema = DATABASE()"}
# PostgreSQL lists a NOT NULL as a constraint under a name that differs from one database to the next.
_NAMED = "constraint_type <> 'CHECK' OR constraint_name NOT LIKE '%%_not_null'"

Rows = dict[str, list[Any]]


@dataclass
class Recycled:
    """The databases of one server that wait for a test; for one thread."""

    server: DatabaseService
    _waiting: list[str] = field(default_factory=list)
    _first: dict[str, tuple[Rows, set[Any]]] = field(default_factory=dict)

    def take(self) -> str:
        """The URL of a database that holds an empty journal."""
        if self._waiting:
            return self._waiting.pop()
        url = self.server.create_database()
        Journal(url).close()
        engine = open_engine(parse_address(url))
        with engine.connect() as connection:
            rows = {table.name: list(connection.execute(sa.select(table))) for table in metadata.sorted_tables}
            self._first[url] = rows, _shape(connection)
        engine.dispose()
        return url

    def put_back(self, url: str) -> None:
        """Clear what a test left, or drop the database if its tables are no longer the same."""
        if self._clear(url):
            self._waiting.append(url)
        else:
            self.server.drop_database(url)

    def _clear(self, url: str) -> bool:
        rows, shape = self._first[url]
        engine = open_engine(parse_address(url))
        try:
            with writing(engine) as connection:
                if _shape(connection) != shape:
                    return False
                for table in metadata.sorted_tables:
                    connection.execute(sa.delete(table))
                    if rows[table.name]:
                        connection.execute(sa.insert(table), [row._asdict() for row in rows[table.name]])
                connection.commit()
        except sa.exc.SQLAlchemyError:
            return False
        finally:
            engine.dispose()
        return True


def _shape(connection: sa.Connection) -> set[Any]:
    """The tables' columns and constraints, and the schema's version."""
    ours = _OURS[connection.dialect.name]
    found = {tuple(row) for row in connection.exec_driver_sql(f"{_COLUMNS} WHERE {ours}")}
    constraints = connection.exec_driver_sql(f"{_CONSTRAINTS} WHERE {ours} AND ({_NAMED})")
    version = connection.exec_driver_sql("SELECT version_num FROM alembic_version")
    return found | {tuple(row) for row in constraints} | {tuple(row) for row in version}
