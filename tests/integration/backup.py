"""Yesterday's copy of a journal's database, put in the place of today's while servers run on it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from rainer.database.address import parse_address
from rainer.database.engine import open_engine
from rainer.database.schema import metadata


def take(url: str) -> Callable[[], None]:
    """Copy a database; what comes back puts the copy in its place, as an operator would on that kind of database."""
    if url.startswith("sqlite:///"):
        return _copy_file(Path(url.removeprefix("sqlite:///")))
    return _copy_rows(url)


def _copy_file(file: Path) -> Callable[[], None]:
    copy = file.with_suffix(".copy")
    with contextlib.closing(sqlite3.connect(file)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)

    def restore() -> None:
        for suffix in ("-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
        copy.rename(file)

    return restore


def _copy_rows(url: str) -> Callable[[], None]:
    """A dump of data alone: schema and sessions stay, the rows are yesterday's from one moment to the next."""
    with _connected(url) as connection:
        rows: dict[sa.Table, list[dict[str, Any]]] = {
            table: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            for table in metadata.sorted_tables
        }

    def restore() -> None:
        with _connected(url) as connection:
            # The journal row first, so that no committer's group comes between.
            connection.execute(sa.select(metadata.tables["journal"]).with_for_update()).all()
            for table, content in rows.items():
                connection.execute(sa.delete(table))
                if content:
                    connection.execute(sa.insert(table), content)
            connection.commit()

    return restore


@contextlib.contextmanager
def _connected(url: str) -> Any:
    engine = open_engine(parse_address(url))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
