"""SQLite: BEGIN IMMEDIATE is the journal's lock, WAL with full sync its durability."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

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
_LENGTHS: Final = (8, 4, 2, 1)


@functools.cache
def _text_of(statement: sa.Insert, rows: int) -> str:
    """An INSERT of so many whole rows, one question mark a column, in the table's order."""
    text = str(statement.compile(dialect=sqlite.dialect(paramstyle="qmark")))
    before, values, after = re.split(r"(\((?:\?, )+\?\))", text)
    return before + ", ".join([values] * rows) + after


class SqliteSession(CoreSession):
    def insert_commits(self, rows: Sequence[Row]) -> None:
        self._insert(INSERT_COMMITS, rows)

    def move_heads(self, rows: Iterable[Row]) -> None:
        self._insert(_UPSERT, [head_of(row) for row in rows])

    def _insert(self, statement: sa.Insert, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert many rows with few statements.

        The driver takes every value as it is: Core's own way to it, a dict and a processor for each of 15 columns, cost
        more than all of SQLite's work. And a statement a row would let go of the interpreter and wait for it again, a
        row at a time, while the event loop is busy with the next group. Only a few lengths, so that the driver
        remembers their statements.
        """
        done = 0
        for length in _LENGTHS:
            while len(rows) - done >= length:
                values = tuple(itertools.chain.from_iterable(rows[done : done + length]))
                self.connection.exec_driver_sql(_text_of(statement, length), values)
                done += length


def durability_faults(connection: sa.Connection) -> list[str]:
    """What keeps this SQLite database from surviving a power cut; empty when all is well."""
    faults = []
    if connection.exec_driver_sql("PRAGMA synchronous").scalar() != 2:
        faults.append("PRAGMA synchronous is not FULL")
    if str(connection.exec_driver_sql("PRAGMA journal_mode").scalar()).lower() != "wal":
        faults.append("the journal mode is not WAL (is the file on a network share?)")
    return faults
