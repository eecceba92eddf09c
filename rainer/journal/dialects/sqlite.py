"""SQLite: BEGIN IMMEDIATE is the journal's lock, WAL with full sync its durability."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from rainer.database.engine import writing
from rainer.database.schema import heads
from rainer.errors import RainerError
from rainer.journal.dialects.core import SELECT_STATE, CoreSession, state_of
from rainer.journal.group import Plan

_insert = insert(heads)
_UPSERT = _insert.on_conflict_do_update(
    index_elements=["namespace_id", "key"],
    set_={name: _insert.excluded[name] for name in ("version", "revision", "is_empty")},
)


class SqliteSession(CoreSession):
    """A failed COMMIT is never in doubt here: nobody but us could still be finishing it."""

    def upsert_heads(self) -> sa.Insert:
        return _UPSERT

    async def settle(self, plan: Plan) -> bool | None:
        try:
            await self.reset()
            with writing(self.engine) as connection:
                now = state_of(connection.execute(SELECT_STATE).first())
        except (RainerError, sa.exc.SQLAlchemyError):
            return None
        if now.position == plan.after.position:
            return True
        return False if now.position == plan.before.position else None


def durability_faults(connection: sa.Connection) -> list[str]:
    """What keeps this SQLite database from surviving a power cut; empty when all is well."""
    faults = []
    if connection.exec_driver_sql("PRAGMA synchronous").scalar() != 2:
        faults.append("PRAGMA synchronous is not FULL")
    if str(connection.exec_driver_sql("PRAGMA journal_mode").scalar()).lower() != "wal":
        faults.append("the journal mode is not WAL (is the file on a network share?)")
    return faults
