"""Past the journal, straight to its tables: how tests look at what is stored, and tamper with it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from rainer.database.schema import commits, heads, journal, lineages, namespaces
from rainer.journal import Journal
from rainer.journal.row import Row

TABLES = (lineages, namespaces, commits, heads, journal)


def stored(journal: Journal) -> list[Row]:
    """All rows of commits, in journal order."""
    with journal.engine.connect() as connection:
        return [Row(*r) for r in connection.execute(sa.select(commits).order_by(commits.c.revision))]


def tamper(journal: Journal, *statements: Any) -> None:
    """Run statements behind the journal's back, in one transaction."""
    with journal.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement) if isinstance(statement, str) else statement)


def copy_of(journal: Journal) -> dict[sa.Table, list[dict[str, Any]]]:
    """Everything in the database: what a backup holds."""
    with journal.engine.connect() as connection:
        return {t: [dict(r) for r in connection.execute(sa.select(t)).mappings()] for t in TABLES}


def restore(journal: Journal, copy: dict[sa.Table, list[dict[str, Any]]]) -> None:
    """Put a copy back, in one transaction, under whoever has the database open."""
    with journal.engine.begin() as connection:
        for table in reversed(TABLES):
            connection.execute(sa.delete(table))
        for table, rows in copy.items():
            if rows:
                connection.execute(sa.insert(table), rows)
