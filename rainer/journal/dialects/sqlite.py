"""SQLite: BEGIN IMMEDIATE is the journal's lock, WAL with full sync its durability."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

from rainer.database.schema import heads
from rainer.journal.dialects.core import INSERT_COMMITS, CoreSession, head_of
from rainer.journal.row import Row

_insert = insert(heads)
_UPSERT = _insert.on_conflict_do_update(
    index_elements=["namespace_id", "key"],
    set_={name: _insert.excluded[name] for name in ("version", "revision", "is_empty")},
)


def _text_of(statement: sa.Insert) -> str:
    """An INSERT of whole rows, one question mark a column, in the table's order."""
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="qmark")))


# The driver takes every value of a row as it is. Core's own way to it, a dict and a processor for each of 14 columns,
# cost more than all of SQLite's work.
_INSERT_COMMITS_TEXT, _UPSERT_TEXT = _text_of(INSERT_COMMITS), _text_of(_UPSERT)


class SqliteSession(CoreSession):
    def insert_commits(self, rows: Sequence[Row]) -> None:
        self.connection.exec_driver_sql(_INSERT_COMMITS_TEXT, [*rows])

    def move_heads(self, rows: Iterable[Row]) -> None:
        self.connection.exec_driver_sql(_UPSERT_TEXT, [head_of(row) for row in rows])


def durability_faults(connection: sa.Connection) -> list[str]:
    """What keeps this SQLite database from surviving a power cut; empty when all is well."""
    faults = []
    if connection.exec_driver_sql("PRAGMA synchronous").scalar() != 2:
        faults.append("PRAGMA synchronous is not FULL")
    if str(connection.exec_driver_sql("PRAGMA journal_mode").scalar()).lower() != "wal":
        faults.append("the journal mode is not WAL (is the file on a network share?)")
    return faults
