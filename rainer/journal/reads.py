"""Reading the journal: heads, versions, history, the moment of any past revision, and the change feed.

Every method is one short transaction on a pooled connection, so that no slow reader holds anything in the database.
Long lists come in portions pinned to one revision: what moved since is looked up as it was then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from rainer import limits
from rainer.database.failures import translated
from rainer.database.schema import commits, heads, namespaces
from rainer.errors import NamespaceNotFound, NotFoundError, PositionGone
from rainer.journal.dialects.core import SELECT_NAMESPACES, SELECT_STATE, namespaces_of, state_of
from rainer.journal.row import Namespace, Row, State

PORTION: Final = 2_000
_COLUMNS: Final = tuple(commits.c)
_WITHOUT_PAYLOAD: Final = tuple(sa.null().label("payload") if c.name == "payload" else c for c in commits.c)
_KEYS_IN: Final = 1_000


@dataclass(frozen=True, slots=True)
class Portion:
    """Some heads of a namespace in key order, as of `state.revision`; `next_after` is None at the end."""

    state: State
    rows: list[Row]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Changes in journal order: everything that matches up to `revision` has been delivered."""

    state: State
    revision: int
    chain: bytes
    rows: list[Row]
    more: bool


def columns(payloads: bool) -> Sequence[Any]:
    return _COLUMNS if payloads else _WITHOUT_PAYLOAD


class Reads:
    """Thread-safe; all methods raise UnavailableError when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with translated(), self._engine.connect() as connection:
            yield connection

    def state(self) -> State:
        """The journal row: where the journal stands now."""
        with self._reading() as connection:
            return state_of(connection.execute(SELECT_STATE).first())

    def namespaces(self) -> dict[str, Namespace]:
        """All namespaces by name."""
        with self._reading() as connection:
            return namespaces_of(connection.execute(SELECT_NAMESPACES))

    def head_rows(self, keys: Sequence[tuple[int, str]]) -> tuple[State, list[Row]]:
        """The journal's state and the heads of these (namespace id, key), none older than that state."""
        with self._reading() as connection:
            # The state first: a head that moves in between is then newer than the state says, never older.
            state = state_of(connection.execute(SELECT_STATE).first())
            rows: list[Row] = []
            for start in range(0, len(keys), _KEYS_IN):
                chosen = _any_of(heads.c, keys[start : start + _KEYS_IN])
                query = sa.select(*_COLUMNS).join(heads, heads.c.revision == commits.c.revision).where(chosen)
                rows += [Row(*r) for r in connection.execute(query)]
            return state, rows

    def changed_keys(self, since: State, keys_max: int) -> tuple[State, list[tuple[int, str]] | None]:
        """The keys changed after `since`, or None if it is not held (or too long ago): forget everything then."""
        with self._reading() as connection:
            now = state_of(connection.execute(SELECT_STATE).first())
            if now.lineage != since.lineage or not _holds(connection, now, since.revision, since.chain):
                return now, None
            query = (
                sa.select(commits.c.namespace_id, commits.c.key)
                .where(commits.c.revision > since.revision, commits.c.revision <= now.revision)
                .limit(keys_max + 1)
            )
            changed = [(n, k) for n, k in connection.execute(query)]
        return now, None if len(changed) > keys_max else changed

    def commit(self, namespace: str, key: str, version: int | None, at: int | None, payload: bool) -> tuple[State, Row]:
        """One commit: a version, or the head, now or as of revision `at`; NotFoundError, PositionGone."""
        with self._reading() as connection:
            state = self._state_at(connection, at)
            space = _namespace_id(connection, namespace)
            query = sa.select(*columns(payload)).where(commits.c.namespace_id == space, commits.c.key == key)
            if version is not None:
                query = query.where(commits.c.version == version)
            if at is not None:
                query = query.where(commits.c.revision <= at)
            row = connection.execute(query.order_by(commits.c.version.desc()).limit(1)).first()
        if row is None:
            raise NotFoundError("Key not found")
        return state, Row(*row)

    def log(
        self, namespace: str, key: str, *, before: int | None, limit: int, at: int | None, payloads: bool
    ) -> tuple[State, list[Row], bool]:
        """Versions of a key, newest first, at most `limit`, and whether there are more; NotFoundError."""
        with self._reading() as connection:
            state = self._state_at(connection, at)
            space = _namespace_id(connection, namespace)
            query = sa.select(*columns(payloads)).where(commits.c.namespace_id == space, commits.c.key == key)
            if before is not None:
                query = query.where(commits.c.version < before)
            if at is not None:
                query = query.where(commits.c.revision <= at)
            found = connection.execute(query.order_by(commits.c.version.desc()).limit(limit + 1))
            rows = [Row(*r) for r in found]
        if not rows and before is None:
            raise NotFoundError("Key not found")
        return state, rows[:limit], len(rows) > limit

    def _state_at(self, connection: Connection, at: int | None) -> State:
        now = state_of(connection.execute(SELECT_STATE).first())
        if at is None:
            return now
        return now._replace(revision=at, chain=_chain_at(connection, now, at))

    def pin(self, at: int | None) -> State:
        """The journal's state now, or as it was at revision `at`; PositionGone if it was never there."""
        with self._reading() as connection:
            return self._state_at(connection, at)

    def heads_portion(
        self,
        namespace: str,
        pinned: State,
        *,
        prefix: str = "",
        after: str | None = None,
        portion: int = PORTION,
        include_empty: bool = False,
        payloads: bool = False,
    ) -> Portion:
        """The next heads of a namespace in byte order of their keys, as they were at `pinned`.

        PositionGone if the journal is no longer the one that was pinned (restored, or another lineage).
        """
        with self._reading() as connection:
            _check_pinned(connection, pinned)
            space = _namespace_id(connection, namespace)
            found = connection.execute(_heads_query(space, prefix, after, portion, payloads)).all()
            rows = [Row(*r) for r in found]
            next_after = rows[-1].key if len(rows) == portion else None
            moved = [r.key for r in rows if r.revision > pinned.revision]
            if moved:
                then = _rows_at(connection, space, moved, pinned.revision, payloads)
                now = [then.get(r.key) if r.revision > pinned.revision else r for r in rows]
                rows = [r for r in now if r is not None]
        kept = [r for r in rows if include_empty or not r.is_empty]
        return Portion(pinned, kept, next_after)

    def changes(
        self, since: int, *, namespace: str | None, limit: int, payloads: bool, lineage: str | None = None,
        chain: bytes | None = None,
    ) -> FeedPage:  # fmt: skip
        """A page of the feed after revision `since`, never splitting a changeset; PositionGone if that is not held."""
        with self._reading() as connection:
            now = state_of(connection.execute(SELECT_STATE).first())
            _check_feed_position(connection, now, since, lineage, chain)
            space = None if namespace is None else _namespace_id(connection, namespace)
            rows, more = _feed_rows(connection, now.revision, since, space, limit, payloads)
            end = rows[-1].changeset if more else now.revision
            return FeedPage(now, end, bytes(_chain_at(connection, now, end)), rows, more)


def _any_of(table: Any, keys: Sequence[tuple[int, str]]) -> sa.ColumnElement[bool]:
    grouped: dict[int, list[str]] = {}
    for space, key in keys:
        grouped.setdefault(space, []).append(key)
    return sa.or_(sa.false(), *(sa.and_(table.namespace_id == n, table.key.in_(names)) for n, names in grouped.items()))


def _namespace_id(connection: Connection, name: str) -> int:
    found = connection.execute(sa.select(namespaces.c.id).where(namespaces.c.name == name)).scalar()
    if found is None:
        raise NamespaceNotFound(
            f"there is no namespace {name!r}", hint=f"make it with `rainer namespace create {name}`"
        )
    return int(found)


def _chain_at(connection: Connection, now: State, revision: int) -> bytes:
    if revision == now.revision:
        return now.chain
    if revision == 0:
        return bytes(32)
    found = connection.execute(sa.select(commits.c.hash).where(commits.c.revision == revision)).scalar()
    if revision > now.revision or found is None:
        raise PositionGone(
            f"revision {revision} is not in the journal, which stands at {now.revision}",
            hint="reload from the heads",
        )
    return bytes(found)


def _holds(connection: Connection, now: State, revision: int, chain: bytes) -> bool:
    try:
        return _chain_at(connection, now, revision) == chain
    except PositionGone:
        return False


def _check_pinned(connection: Connection, pinned: State) -> None:
    now = state_of(connection.execute(SELECT_STATE).first())
    if now.lineage != pinned.lineage or not _holds(connection, now, pinned.revision, pinned.chain):
        raise PositionGone(
            f"the journal is no longer the one that was at revision {pinned.revision} when this list began",
            hint="begin the list again",
        )


def _check_feed_position(
    connection: Connection, now: State, since: int, lineage: str | None, chain: bytes | None
) -> None:
    if lineage is not None and lineage != now.lineage:
        raise PositionGone(f"lineage {lineage} has ended; the journal's is {now.lineage}", hint="reload from the heads")
    held = _chain_at(connection, now, since)
    if chain is not None and chain != held:
        raise PositionGone(f"revision {since} holds another commit than the one named", hint="reload from the heads")


def _heads_query(space: int, prefix: str, after: str | None, portion: int, payloads: bool) -> sa.Select[Any]:
    query = (
        sa.select(*columns(payloads))
        .join(heads, heads.c.revision == commits.c.revision)
        .where(heads.c.namespace_id == space)
    )
    if after is not None:
        query = query.where(heads.c.key > after)
    if prefix:
        query = query.where(heads.c.key >= prefix)
        end = _after_prefix(prefix)
        if end is not None:
            query = query.where(heads.c.key < end)
    return query.order_by(heads.c.key).limit(portion)


def _after_prefix(prefix: str) -> str | None:
    """The least text, in byte order, that is beyond all keys with this prefix; keys end at U+FFEF."""
    for i in range(len(prefix) - 1, -1, -1):
        point = ord(prefix[i])
        if point < 0xFFFF:
            return prefix[:i] + chr(0xE000 if point + 1 == 0xD800 else point + 1)
    return None


def _rows_at(connection: Connection, space: int, keys: list[str], revision: int, payloads: bool) -> dict[str, Row]:
    """What stood at `revision` under these keys; keys that did not exist yet are left out."""
    then: dict[str, Row] = {}
    for start in range(0, len(keys), _KEYS_IN):
        newest = (
            sa.select(sa.func.max(commits.c.revision).label("revision"))
            .where(
                commits.c.namespace_id == space,
                commits.c.key.in_(keys[start : start + _KEYS_IN]),
                commits.c.revision <= revision,
            )
            .group_by(commits.c.key)
            .subquery()
        )
        query = sa.select(*columns(payloads)).join(newest, newest.c.revision == commits.c.revision)
        then.update({r.key: r for r in (Row(*r) for r in connection.execute(query))})
    return then


def _feed_rows(
    connection: Connection, upto: int, since: int, space: int | None, limit: int, payloads: bool
) -> tuple[list[Row], bool]:
    """Rows after `since`, cut after `limit` or some MiB, but only where a changeset ends."""
    query = sa.select(*columns(payloads)).where(commits.c.revision <= upto).order_by(commits.c.revision)
    if space is not None:
        query = query.where(commits.c.namespace_id == space)
    rows: list[Row] = []
    at, size = since, 0
    while True:
        portion = min(PORTION if not payloads else 200, limit + 1)
        found = [Row(*r) for r in connection.execute(query.where(commits.c.revision > at).limit(portion))]
        for row in found:
            is_new_changeset = not rows or rows[-1].changeset != row.changeset
            if rows and is_new_changeset and (len(rows) >= limit or size >= limits.FEED_PAGE_BYTES):
                return rows, True
            rows.append(row)
            size += len(row.payload or b"")
        if len(found) < portion:
            return rows, False
        at = found[-1].revision
