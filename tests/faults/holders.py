"""Whether a server process holds the journal's lock at this moment, as its database or the system tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil
import sqlalchemy as sa
from sqlalchemy.engine import Engine

Holds = Callable[[int], bool]
"""Tells of a process id whether it holds the lock."""

_LOCKS = Path("/proc/locks")
_WRITER_BYTE = 120  # of the WAL index: SQLite's file format, section 2.3.2

# A reader's session is idle in its transaction too, but only the writer's has asked for the journal's row.
_POSTGRESQL = """
    SELECT a.client_port FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.state = 'idle in transaction' AND EXISTS (
        SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.granted AND l.relation = 'journal'::regclass
        AND l.mode IN ('RowShareLock', 'RowExclusiveLock'))
"""
_MYSQL = """
    SELECT substring_index(p.host, ':', -1) FROM information_schema.innodb_trx t
    JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
    WHERE p.db = database() AND p.command = 'Sleep' AND t.trx_rows_locked > 0
"""


def missing(database: str) -> str | None:
    """Why nobody can tell on this machine, or None."""
    if database == "sqlite" and not _LOCKS.exists():
        return "who holds a lock on a file is told only by Linux, in /proc/locks"
    return None


def holds(engine: Engine) -> Holds:
    """How to tell on this database; on the servers: idle, in the middle of a transaction that has the row's lock."""
    if engine.dialect.name == "sqlite":
        index = Path(f"{engine.url.database}-shm")
        return lambda pid: _holds_file(index, pid)
    query = sa.text(_POSTGRESQL if engine.dialect.name == "postgresql" else _MYSQL)
    port = engine.url.port

    def holds_row(pid: int) -> bool:
        with engine.connect() as connection:
            ports = {int(row[0]) for row in connection.execute(query)}
        return bool(ports & _own_ports(pid, port))

    return holds_row


def _own_ports(pid: int, server_port: int | None) -> set[int]:
    """This process's ends of its connections to the database."""
    connections = psutil.Process(pid).net_connections("tcp")
    return {one.laddr.port for one in connections if one.raddr and one.raddr.port == server_port}


def _holds_file(index: Path, pid: int) -> bool:
    """Look at lines like `1: POSIX  ADVISORY  WRITE 4711 08:01:99 120 120`."""
    inode = str(index.stat().st_ino)
    for line in _LOCKS.read_text().splitlines():
        words = line.split()
        if words[1] == "->":  # one that waits
            continue
        kind, owner, file, first, last = words[3:8]
        is_writer = kind == "WRITE" and last != "EOF" and int(first) <= _WRITER_BYTE <= int(last)
        if is_writer and owner == str(pid) and file.rsplit(":", 1)[1] == inode:
            return True
    return False
