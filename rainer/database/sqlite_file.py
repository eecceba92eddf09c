"""SQLite files that are replaced while connections to them are open, as when yesterday's copy is restored.

A connection holds the file it was opened on, whatever stands at its path now: it would answer, and take commits, for a
file that nobody will see again. So each one is compared with its path whenever it leaves the pool. (SQLite itself takes
care that such a connection, when it closes, leaves the new file's `-wal` alone.)
"""

from __future__ import annotations

import os
import sqlite3
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DisconnectionError

FileId = tuple[int, int]
_FILE: Final = "rainer_file"


def file_at(path: str) -> FileId | None:
    """Which file stands at a path now."""
    try:
        found = os.stat(path)  # noqa: PTH116 - at every checkout; not opened, for closing it would drop SQLite's locks
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def follow_replacement(engine: Engine, path: str) -> None:
    """Have an engine leave a file that was replaced, and never make one anew where one was."""
    is_known = False

    @sa.event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, arguments: Any, options: Any) -> Any:
        nonlocal is_known
        while True:
            before = file_at(path)
            if before is None and is_known:
                raise FileNotFoundError(f"the file {path} is gone")
            connection = dialect.connect(*arguments, **options)
            record.info[_FILE] = file_at(path)
            if before in (None, record.info[_FILE]):
                is_known = True
                return connection
            connection.close()

    @sa.event.listens_for(engine, "checkout")
    def compare(_connection: sqlite3.Connection, record: Any, _proxy: Any) -> None:
        now = file_at(path)
        if now is None:
            raise FileNotFoundError(f"the file {path} is gone")
        if record.info.get(_FILE) != now:
            raise DisconnectionError("the database file was replaced")
