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
_PACKET_BYTES_MIN = 16 * 1024 * 1024
# What each setting must be, the usual value first; a server that does not know one has nothing to lose by it.
_WANTED = {
    "innodb_flush_log_at_trx_commit": ("1",),
    "innodb_doublewrite": ("on", "1", "detect_and_recover"),
    "innodb_flush_method": ("fsync", "o_direct", "o_dsync", "o_direct_no_fsync", "unbuffered", "async_unbuffered"),
}


class MysqlSession(CoreSession):
    lock = SELECT_STATE.with_for_update()
    upsert_heads = _UPSERT

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
    asked = ", ".join(f"'{name}'" for name in (*_WANTED, "log_bin", "sync_binlog", "max_allowed_packet"))
    found = connection.exec_driver_sql(f"SHOW GLOBAL VARIABLES WHERE variable_name IN ({asked})")
    values = {str(name): str(value).lower() for name, value in found}
    faults = [
        f"{name} is {values[name]}, not {good[0]}"
        for name, good in _WANTED.items()
        if name in values and values[name] not in good
    ]
    if values.get("log_bin") == "on" and values.get("sync_binlog") != "1":
        # After a power cut the server rolls back whatever its binary log does not hold.
        faults.append(f"sync_binlog is {values.get('sync_binlog')}, not 1, and log_bin is on")
    if int(values["max_allowed_packet"]) < _PACKET_BYTES_MIN:
        faults.append(
            f"max_allowed_packet is {values['max_allowed_packet']}, too small for payloads of 8 MiB"
            f" ({_PACKET_BYTES_MIN} or more)"
        )
    return faults
