"""What a database holds at the end of a run, read past the server's own reading code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from rainer.database.schema import commits, heads, journal
from rainer.journal import Journal


class StoredCommit(NamedTuple):
    """A row of `commits`, as far as writers have a say in it."""

    revision: int
    key: str
    version: int
    author: str
    payload: bytes | None
    commit_id: str | None


class StoredHead(NamedTuple):
    """A row of `heads`."""

    key: str
    version: int
    revision: int


@dataclass(frozen=True, slots=True)
class Contents:
    """The rows in the order of their revisions, the journal row's revision, and what `Journal.verify` complains of."""

    commits: tuple[StoredCommit, ...]
    heads: tuple[StoredHead, ...]
    revision: int
    problems: tuple[str, ...] = ()


def read_contents(url: str) -> Contents:
    """Read the whole journal; nobody may be writing any more."""
    with Journal(url) as opened, opened.engine.connect() as connection:
        rows = connection.execute(
            sa.select(
                commits.c.revision, commits.c.key, commits.c.version, commits.c.author, commits.c.payload,
                commits.c.commit_id,
            ).order_by(commits.c.revision)
        )  # fmt: skip
        stored = tuple(StoredCommit(*row) for row in rows)
        pointers = connection.execute(sa.select(heads.c.key, heads.c.version, heads.c.revision))
        return Contents(
            stored,
            tuple(StoredHead(*row) for row in pointers),
            connection.execute(sa.select(journal.c.revision)).scalar_one(),
            tuple(opened.verify().problems),
        )
