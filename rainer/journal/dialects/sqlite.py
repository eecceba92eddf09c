"""SQLite: BEGIN IMMEDIATE is the journal's lock, WAL with full sync its durability."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from rainer.database.schema import heads
from rainer.journal.dialects.core import CoreSession

_insert = insert(heads)
_UPSERT = _insert.on_conflict_do_update(
    index_elements=["namespace_id", "key"],
    set_={name: _insert.excluded[name] for name in ("version", "revision", "is_empty")},
)


class SqliteSession(CoreSession):
    def upsert_heads(self) -> sa.Insert:
        return _UPSERT


def durability_faults(connection: sa.Connection) -> list[str]:
    """What keeps this SQLite database from surviving a power cut; empty when all is well."""
    faults = []
    if connection.exec_driver_sql("PRAGMA synchronous").scalar() != 2:
        faults.append("PRAGMA synchronous is not FULL")
    if str(connection.exec_driver_sql("PRAGMA journal_mode").scalar()).lower() != "wal":
        faults.append("the journal mode is not WAL (is the file on a network share?)")
    return faults
