"""Where the journal stood at a time, and what was committed last: reads along the journal itself."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rainer.database.schema import commits
from rainer.journal.columns import columns, sized
from rainer.journal.row import Row


def revision_at(connection: Connection, upto: int, time_ms: int) -> int:
    """The last revision up to `upto` that was recorded at `time_ms` or before; 0 where none was.

    The server's clock never goes back along the journal, so halving finds it: some twenty looks at the primary key.
    """
    low, high = 0, upto
    while low < high:
        middle = (low + high + 1) // 2
        query = sa.select(commits.c.recorded_ms).where(commits.c.revision == middle)
        recorded_ms = connection.execute(query).scalar()
        if recorded_ms is not None and recorded_ms <= time_ms:
            low = middle
        else:
            high = middle - 1
    return low


def recent(connection: Connection, space: int | None, before: int, limit: int) -> list[Row]:
    """Commits before a revision, newest first, of all namespaces or of one; without their payloads."""
    query = sa.select(*columns(False)).where(commits.c.revision < before)
    if space is not None:
        query = query.where(commits.c.namespace_id == space)
    found = connection.execute(query.order_by(commits.c.revision.desc()).limit(limit))
    return [one.row for one in sized(found)]
