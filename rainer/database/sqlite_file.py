"""SQLite files that are replaced while connections to them are open, as when yesterday's copy is restored.

A connection holds the file it was opened on, whatever stands at its path now: it would answer, and take commits, for a
file that nobody will see again. So each one is compared with its path whenever it leaves the pool. (SQLite itself takes
care that such a connection, when it closes, leaves the new file's `-wal` alone.)

Whoever restores a copy may forget that the former file's `-wal` still stands beside it. SQLite cannot know, and would
read the lost commits into the copy. We had that `-wal` open, so we know it, and set it aside.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import stat
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DisconnectionError

log = logging.getLogger("rainer.database")

FileId = tuple[int, int]
_FILE: Final = "rainer_file"
_NOTED: Final = "rainer_companions_noted"
_COMPANIONS: Final = ("-shm", "-wal")


def file_at(path: str) -> FileId | None:
    """Which file stands at a path now."""
    try:
        found = os.stat(path)  # noqa: PTH116 - at every checkout; not opened, for closing it would drop SQLite's locks
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


class SqliteFile:
    """The file that an engine's connections are on: followed when it is replaced, never made anew where one was."""

    def __init__(self, engine: Engine, path: str) -> None:
        self._path = path
        self._last: FileId | None = None
        self._companions: set[FileId] = set()
        sa.event.listen(engine, "do_connect", self._connect)
        sa.event.listen(engine, "checkin", self._note_companions)
        sa.event.listen(engine, "checkout", self._compare)

    def _connect(self, dialect: Any, record: Any, arguments: Any, options: Any) -> Any:
        while True:
            before = file_at(self._path)
            if before is None and self._last is not None:
                raise FileNotFoundError(f"the file {self._path} is gone")
            if self._last not in (None, before):
                self._set_companions_aside()
            self._share_permissions()
            if before is None:
                self._make_private()
            connection = dialect.connect(*arguments, **options)
            record.info[_FILE] = after = file_at(self._path)
            record.info[_NOTED] = False
            if before in (None, after):
                self._last = after
                return connection
            connection.close()

    def _note_companions(self, connection: sqlite3.Connection | None, record: Any) -> None:
        """What a connection does first opens `-wal` and `-shm`; while it has them open, no other file has their ids."""
        if connection is None or record.info.get(_NOTED) or record.info.get(_FILE) != file_at(self._path):
            return
        found = {companion for c in _COMPANIONS if (companion := file_at(self._path + c)) is not None}
        self._companions |= found
        record.info[_NOTED] = len(found) == len(_COMPANIONS)

    def _compare(self, _connection: sqlite3.Connection, record: Any, _proxy: Any) -> None:
        now = file_at(self._path)
        if now is None:
            raise FileNotFoundError(f"the file {self._path} is gone")
        if record.info.get(_FILE) != now:
            raise DisconnectionError("the database file was replaced")

    def _make_private(self) -> None:
        """Make the file for its owner alone, where SQLite would for all: it holds what permissions keep from others.

        Whoever wants others to read it changes its mode; `-wal` and `-shm` follow.
        """
        with contextlib.suppress(OSError):  # what is wrong, SQLite says better
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))

    def _share_permissions(self) -> None:
        """Give `-wal` and `-shm` what the file has been given since: made beside a read-only file, they stay so."""
        with contextlib.suppress(OSError):
            granted = stat.S_IMODE(os.stat(self._path).st_mode)  # noqa: PTH116 - as above
            for path in (self._path + companion for companion in _COMPANIONS):
                mode = stat.S_IMODE(os.stat(path).st_mode)  # noqa: PTH116
                if mode | granted != mode:
                    os.chmod(path, mode | granted)  # noqa: PTH101

    def _set_companions_aside(self) -> None:
        """Rename what belongs to the former file. Others who have it open, in whatever process, keep it."""
        for path in (self._path + companion for companion in _COMPANIONS):
            found = file_at(path)
            if found in self._companions and found is not None:
                aside = f"{path}.{found[1]}"
                with contextlib.suppress(FileNotFoundError):  # another process has just done it
                    os.rename(path, aside)  # noqa: PTH104 - paths are texts here
                    log.warning("%s was replaced: %s belongs to the former file and is now %s", self._path, path, aside)
        self._companions.clear()
