"""A session over SQLAlchemy Core for databases whose driver blocks; runs in a worker thread, never suspends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from rainer.database.engine import is_in_memory, writing
from rainer.database.failures import translated
from rainer.database.schema import commits, heads, journal, namespaces
from rainer.errors import UnavailableError
from rainer.journal.group import HeadKey, Plan, Stored, StoredKey
from rainer.journal.row import Namespace, Row, State

_IN_MAX = 5_000
_TUPLES_MAX = 1_000
STATE_COLUMNS = (
    journal.c.lineage,
    journal.c.revision,
    journal.c.chain,
    journal.c.recorded_ms,
    journal.c.namespaces_tag,
)
SELECT_STATE = sa.select(*STATE_COLUMNS).where(journal.c.id == 1)
SELECT_NAMESPACES = sa.select(
    namespaces.c.id, namespaces.c.name, namespaces.c.format, namespaces.c.payload_bytes_max, namespaces.c.is_closed
)
_MOVE = (
    sa.update(journal)
    .where(journal.c.id == 1)
    .values(
        revision=sa.bindparam("r"),
        chain=sa.bindparam("h"),
        recorded_ms=sa.bindparam("t"),
        namespaces_tag=sa.bindparam("n"),
    )
)
INSERT_COMMITS = sa.insert(commits)
_before = commits.alias("before")
_SELECT_STORED = sa.select(
    *(sa.null().label("payload") if c.name == "payload" else c for c in commits.c), _before.c.changeset
).select_from(commits.outerjoin(_before, _before.c.revision == commits.c.revision - 1))
_STORED_AT = sa.tuple_(commits.c.namespace_id, commits.c.key, commits.c.version)


def state_of(found: Any) -> State:
    """The State of a result row; UnavailableError where the table is empty."""
    if found is None:
        raise UnavailableError("the database holds no journal row", hint="run `rainer db check`")
    lineage, revision, chain, recorded_ms, tag = found
    return State(lineage, revision, bytes(chain), recorded_ms, tag)


def namespaces_of(rows: Iterable[Any]) -> dict[str, Namespace]:
    return {r[1]: Namespace(r[0], r[1], r[2], r[3], bool(r[4])) for r in rows}


def head_of(row: Row) -> tuple[int, str, int, int, bool]:
    """A commit as a row of `heads`, columns in the table's order."""
    return row.namespace_id, row.key, row.version, row.revision, row.is_empty


class CoreSession:
    """One writer's connection, taken from the engine's pool for each transaction."""

    has_compare_and_set = False
    lock = SELECT_STATE
    upsert_heads: sa.Insert
    """INSERT of heads that moves those that exist, as each dialect spells it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        assert self._connection is not None
        return self._connection

    async def begin(self) -> State:
        with translated():
            self._connection = writing(self.engine)
            return state_of(self.connection.execute(self.lock).first())

    async def read_state(self) -> State:
        with translated(), self.engine.connect() as connection:
            return state_of(connection.execute(SELECT_STATE).first())

    async def read_namespaces(self) -> dict[str, Namespace]:
        with translated():
            return namespaces_of(self.connection.execute(SELECT_NAMESPACES))

    async def read_heads(self, keys: Sequence[HeadKey]) -> dict[HeadKey, int]:
        found: dict[HeadKey, int] = {}
        with translated():
            for space, chunk in _by_namespace(keys):
                query = sa.select(heads.c.key, heads.c.version).where(
                    heads.c.namespace_id == space, heads.c.key.in_(chunk)
                )
                found.update({(space, key): version for key, version in self.connection.execute(query)})
        return found

    async def read_stored(self, keys: Iterable[StoredKey]) -> dict[StoredKey, Stored]:
        found: dict[StoredKey, Stored] = {}
        wanted = list(keys)
        with translated():
            for start in range(0, len(wanted), _TUPLES_MAX):
                chosen = _STORED_AT.in_(wanted[start : start + _TUPLES_MAX])
                for *columns, changeset_before in self.connection.execute(_SELECT_STORED.where(chosen)):
                    row = Row(*columns)
                    found[row[1:4]] = Stored(row, changeset_before != row.changeset)
        return found

    async def write(self, plan: Plan) -> None:
        with translated():
            self.insert_commits(plan.rows)
            self.move_heads(plan.heads.values())
            after = plan.after
            moved = {"r": after.revision, "h": after.chain, "t": after.recorded_ms, "n": after.namespaces_tag}
            self.connection.execute(_MOVE, moved)

    def insert_commits(self, rows: Sequence[Row]) -> None:
        self.connection.execute(INSERT_COMMITS, [row._asdict() for row in rows])

    def move_heads(self, rows: Iterable[Row]) -> None:
        names = heads.c.keys()
        self.connection.execute(self.upsert_heads, [dict(zip(names, head_of(row), strict=True)) for row in rows])

    async def commit(self) -> None:
        with translated():
            self.connection.commit()
        self._close()

    async def rollback(self) -> None:
        with translated():
            self.connection.rollback()
        self._close()

    async def compare_and_set(self, plan: Plan) -> bool:
        raise AssertionError("only for sessions that say has_compare_and_set")

    async def hash_at(self, revision: int) -> bytes | None:
        with translated():
            found = self.connection.execute(sa.select(commits.c.hash).where(commits.c.revision == revision)).scalar()
        return None if found is None else bytes(found)

    async def reset(self) -> None:
        # A database in memory ends with its connection, which is only rolled back; elsewhere it is dropped. Where even
        # that fails, as on a connection that the server closed for a statement too long, the error that led here is
        # the one to tell.
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            if self._connection is not None and not is_in_memory(self.engine.url):
                self._connection.invalidate()
            self._close()

    async def close(self) -> None:
        self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _by_namespace(keys: Sequence[HeadKey]) -> Iterable[tuple[int, list[str]]]:
    """Keys by namespace, in portions that fit one IN list on every database."""
    grouped: dict[int, list[str]] = {}
    for space, key in keys:
        grouped.setdefault(space, []).append(key)
    for space, names in grouped.items():
        for start in range(0, len(names), _IN_MAX):
            yield space, names[start : start + _IN_MAX]
