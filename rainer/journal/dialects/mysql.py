"""MySQL and MariaDB: the journal row's lock by SELECT … FOR UPDATE, under READ COMMITTED."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import insert

from rainer.database.schema import commits, heads
from rainer.journal.dialects.core import SELECT_STATE, CoreSession
from rainer.journal.row import Row

_insert = insert(heads)
_UPSERT = _insert.on_duplicate_key_update(
    {name: _insert.inserted[name] for name in ("version", "revision", "is_empty")}
)
# The driver escapes bytes in the statement's text, at worst to twice their number; in base64 the largest payload
# (8 MiB) stays under the packet of 16 MiB that servers take by default.
_ESCAPED_BYTES_MAX = 4 * 1024 * 1024
_INSERT_LARGE = sa.insert(commits).values(payload=sa.func.from_base64(sa.bindparam("base64")))


class MysqlSession(CoreSession):
    lock = SELECT_STATE.with_for_update()

    def upsert_heads(self) -> sa.Insert:
        return _UPSERT

    def insert_commits(self, rows: Sequence[Row]) -> None:
        small = [row for row in rows if len(row.payload or b"") <= _ESCAPED_BYTES_MAX]
        if small:
            super().insert_commits(small)
        for row in rows:
            if row.payload is not None and len(row.payload) > _ESCAPED_BYTES_MAX:
                values = row._asdict()
                values["base64"] = base64.b64encode(values.pop("payload")).decode()
                self.connection.execute(_INSERT_LARGE, values)


def durability_faults(connection: sa.Connection) -> list[str]:
    """Server settings under which an acknowledged commit could be lost; empty when all is well."""
    wanted = {"innodb_flush_log_at_trx_commit": "1", "innodb_doublewrite": "ON|1"}
    faults = []
    for name, good in wanted.items():
        value = connection.exec_driver_sql(f"SELECT @@GLOBAL.{name}").scalar()
        if str(value).upper() not in good.split("|"):
            faults.append(f"{name} is {value}, not {good.split('|')[0]}")
    packet = connection.exec_driver_sql("SELECT @@GLOBAL.max_allowed_packet").scalar()
    if int(packet or 0) < 16 * 1024 * 1024:
        faults.append(f"max_allowed_packet is {packet}, too small for payloads of 8 MiB (16777216 or more)")
    return faults
