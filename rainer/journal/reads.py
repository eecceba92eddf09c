"""Reading the journal: heads, versions, history, the moment of any past revision, and the change feed.

Every method is one short transaction on a pooled connection, so that no slow reader holds anything in the database;
all its statements see one moment. Long lists come in portions, pinned to one revision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from rainer import limits
from rainer.database.failures import translated
from rainer.database.schema import commits, heads
from rainer.errors import NotFoundError, UnavailableError
from rainer.journal.columns import IN_MAX, PORTION, PORTION_BYTES, Sized, columns, filled, sized
from rainer.journal.dialects.core import SELECT_NAMESPACES, namespaces_of
from rainer.journal.feed import FeedPage, Reader, read_page
from rainer.journal.listing import Portion, Selection, read_portion
from rainer.journal.moments import recent, revision_at
from rainer.journal.places import check_limit, holds, namespace_id, read_state, state_at
from rainer.journal.row import Namespace, Row, State

__all__ = ["PORTION", "CaughtUp", "FeedPage", "Portion", "Reads"]


class CaughtUp(NamedTuple):
    """Of one moment: the journal's state, some heads, the namespaces, and which keys changed since an earlier state.

    `changed` is None where the journal does not hold that state, or too much changed: forget everything.
    """

    state: State
    rows: list[Row]
    namespaces: dict[str, Namespace]
    changed: list[tuple[int, str]] | None


class Reads:
    """Thread-safe; all methods raise UnavailableError when the database does not answer, or after `close`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_closed = False

    def close(self) -> None:
        """Refuse what is asked from now on, so that nothing opens a connection that nobody closes."""
        self._is_closed = True

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        if self._is_closed:
            raise UnavailableError("the journal is closed")
        with translated(), self._engine.connect() as connection:
            yield connection

    def state(self) -> State:
        """The journal row: where the journal stands now."""
        with self._reading() as connection:
            return read_state(connection)

    def namespaces(self) -> dict[str, Namespace]:
        """All namespaces by name."""
        with self._reading() as connection:
            return namespaces_of(connection.execute(SELECT_NAMESPACES))

    def head_rows(self, keys: Sequence[tuple[int, str]]) -> tuple[State, list[Row]]:
        """The journal's state and the heads of these (namespace id, key)."""
        with self._reading() as connection:
            return read_state(connection), _heads_of(connection, keys)

    def catch_up(self, since: State | None, keys: Sequence[tuple[int, str]], changed_max: int) -> CaughtUp:
        """The heads of these keys, and what changed after `since`, unless that is more than `changed_max` keys."""
        with self._reading() as connection:
            now = read_state(connection)
            changed = None
            if since is not None and holds(connection, now, since):
                changed = _changed_after(connection, since.revision, changed_max)
            rows = _heads_of(connection, keys)
            return CaughtUp(now, rows, namespaces_of(connection.execute(SELECT_NAMESPACES)), changed)

    def commit(self, namespace: str, key: str, version: int | None, at: int | None, payload: bool) -> tuple[State, Row]:
        """One commit: a version, or the head, now or as of revision `at`; NotFoundError, PositionGone."""
        with self._reading() as connection:
            state = state_at(connection, at)
            history = _history(namespace_id(connection, namespace), key, state if at is not None else None, payload)
            if version is not None:
                history = history.where(commits.c.version == version)
            is_possible = version is None or 1 <= version <= limits.VERSION_MAX
            rows = filled(connection, sized(connection.execute(history.limit(1)))) if is_possible else []
        if not rows:
            raise NotFoundError("Key not found")
        return state, rows[0]

    def log(
        self, namespace: str, key: str, *, before: int | None, limit: int, at: int | None, payloads: bool
    ) -> tuple[State, list[Row], bool]:
        """Versions of a key, newest first, and whether there are more; NotFoundError if the key never was.

        At most `limit`, and fewer where the payloads are large.
        """
        limit = check_limit(limit)
        with self._reading() as connection:
            state = state_at(connection, at)
            history = _history(namespace_id(connection, namespace), key, state if at is not None else None, payloads)
            rows, more = _newest(connection, history, before, limit)
            if not rows and connection.execute(history.limit(1)).first() is None:
                raise NotFoundError("Key not found")
            return state, filled(connection, rows), more

    def pin(self, at: int | None) -> State:
        """The journal's state now, or as it was at revision `at`; PositionGone if it was never there."""
        with self._reading() as connection:
            return state_at(connection, at)

    def heads_portion(
        self,
        namespace: str,
        pinned: State,
        *,
        prefix: str = "",
        after: str | None = None,
        upto: str | None = None,
        portion: int = PORTION,
        include_empty: bool = False,
        payloads: bool = False,
    ) -> Portion:
        """The next heads of a namespace in byte order of their keys, as they were at `pinned`; none beyond `upto`.

        PositionGone if the journal is no longer the one that was pinned (restored, or another lineage).
        """
        wanted = Selection(namespace, prefix, include_empty, payloads, upto)
        with self._reading() as connection:
            return read_portion(connection, wanted, pinned, after, portion)

    def changes(
        self, since: int, *, namespace: str | None, limit: int, payloads: bool, lineage: str | None = None,
        chain: bytes | None = None,
    ) -> FeedPage:  # fmt: skip
        """A page of the feed after revision `since`, never splitting a changeset; PositionGone if that is not held."""
        with self._reading() as connection:
            return read_page(connection, Reader(since, namespace, limit, payloads, lineage, chain))

    def revision_at(self, time_ms: int) -> int:
        """The last revision that the server had recorded by then, in milliseconds since 1970; 0 where none was."""
        with self._reading() as connection:
            return revision_at(connection, read_state(connection).revision, time_ms)

    def recent(self, namespace: str | None, *, before: int | None = None, limit: int) -> list[Row]:
        """The last commits, newest first, without payloads; those before a revision, if one is given."""
        with self._reading() as connection:
            space = None if namespace is None else namespace_id(connection, namespace)
            upto = read_state(connection).revision + 1
            return recent(connection, space, upto if before is None else min(before, upto), check_limit(limit))


def _heads_of(connection: Connection, keys: Sequence[tuple[int, str]]) -> list[Row]:
    grouped: dict[int, list[str]] = {}
    for space, key in keys:
        grouped.setdefault(space, []).append(key)
    rows: list[Row] = []
    for space, texts in grouped.items():
        for start in range(0, len(texts), IN_MAX):
            chosen = heads.c.namespace_id == space, heads.c.key.in_(texts[start : start + IN_MAX])
            query = sa.select(commits).join(heads, heads.c.revision == commits.c.revision).where(*chosen)
            rows += [Row(*r) for r in connection.execute(query)]
    return rows


def _changed_after(connection: Connection, revision: int, changed_max: int) -> list[tuple[int, str]] | None:
    query = sa.select(commits.c.namespace_id, commits.c.key).where(commits.c.revision > revision)
    changed = [(space, key) for space, key in connection.execute(query.limit(changed_max + 1))]
    return None if len(changed) > changed_max else changed


def _history(space: int, key: str, at: State | None, payloads: bool) -> sa.Select[Any]:
    """The versions of a key, newest first, as of a past moment if one is given."""
    query = sa.select(*columns(payloads)).where(commits.c.namespace_id == space, commits.c.key == key)
    if at is not None:
        query = query.where(commits.c.revision <= at.revision)
    return query.order_by(commits.c.version.desc())


def _newest(
    connection: Connection, history: sa.Select[Any], before: int | None, limit: int
) -> tuple[list[Sized], bool]:
    chosen: list[Sized] = []
    size = 0
    bound = min(limits.VERSION_MAX if before is None else before - 1, limits.VERSION_MAX)
    while bound >= 1:
        portion = min(PORTION, limit - len(chosen) + 1)
        found = sized(connection.execute(history.where(commits.c.version <= bound).limit(portion)))
        for one in found:
            if len(chosen) == limit or (chosen and size + one.payload_bytes > PORTION_BYTES):
                return chosen, True
            chosen.append(one)
            size += one.payload_bytes
        if len(found) < portion:
            break
        bound = found[-1].row.version - 1
    return chosen, False
