"""Heads of a namespace in byte order of their keys, in portions pinned to one revision.

A head that moved since is looked up as it was then, so that a list of any length shows one moment without a
transaction that stays open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rainer.database.schema import commits, heads
from rainer.errors import CorruptError, InvalidError, PositionGone
from rainer.journal.columns import IN_MAX, INLINE_BYTES, LENGTH, NOTHING, PORTION_BYTES, SMALL, large_payloads
from rainer.journal.places import check_limit, holds, namespace_id, read_state
from rainer.journal.row import State
from rainer.model import names, times
from rainer.model.commit import Commit
from rainer.model.marks import Marks

Cells: TypeAlias = tuple[str, int, str, str, int, bool, int, str | None, bytes | None, int]
"""What a list fetches of a head, in the order of `HeadRow`'s fields; plain, for a list has a great many."""


class HeadRow(NamedTuple):
    """A head in a list; `payload` is None where none was asked for, `payload_bytes` its length."""

    key: str
    version: int
    author: str
    comment: str
    mtime_ms: int
    is_empty: bool
    revision: int
    marks: str | None
    payload: bytes | None
    payload_bytes: int

    def commit(self, namespace: str) -> Commit:
        """The head as users see it."""
        return Commit(
            self.key, self.version, self.payload, self.author, self.comment, times.from_ms(self.mtime_ms),
            bool(self.is_empty), namespace, self.revision, Marks.from_text(self.marks),
        )  # fmt: skip


_KEY: Final = 0
_EMPTY: Final = 5
_REVISION: Final = 6
_PAYLOAD: Final = 8
_PAYLOAD_BYTES: Final = 9
_SHOWN = [commits.c[name] for name in HeadRow._fields[:_PAYLOAD]]


@dataclass(frozen=True, slots=True)
class Portion:
    """Some heads of a namespace in key order, as of `state.revision`; `next_after` is None at the end."""

    state: State
    cells: list[Cells]
    next_after: str | None

    @property
    def rows(self) -> list[HeadRow]:
        """The heads by their fields' names."""
        return [HeadRow(*cells) for cells in self.cells]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which heads of a namespace a list wants; with `upto`, none beyond that key."""

    namespace: str
    prefix: str
    include_empty: bool
    payloads: bool
    upto: str | None = None


def read_portion(connection: Connection, wanted: Selection, pinned: State, after: str | None, rows_max: int) -> Portion:
    """The next heads after a key; fewer than asked for where their payloads are large, or some have moved since.

    Where `wanted` ends at a key, `next_after` is None when all up to that key are there.
    """
    now = read_state(connection)
    if not holds(connection, now, pinned):
        raise PositionGone(
            f"the journal is no longer the one that was at revision {pinned.revision} when this list began",
            hint="begin the list again",
        )
    space = namespace_id(connection, wanted.namespace)
    if not names.may_begin_key(wanted.prefix):
        return Portion(pinned, [], None)
    found = _fetch(connection, _query(space, wanted, pinned, after, check_limit(rows_max)))
    next_after = found[-1][_KEY] if len(found) == rows_max else None
    if now.revision > pinned.revision:
        found = _as_of(connection, space, found, pinned, wanted)
    fitting = _fitting(found)
    if fitting < len(found):
        found, next_after = found[:fitting], found[fitting - 1][_KEY]
    return Portion(pinned, _filled(connection, found) if wanted.payloads else found, next_after)


def _fetch(connection: Connection, query: sa.Select[Any]) -> list[Cells]:
    """All rows as the driver has them: a result that SQLAlchemy makes would cost as much again as the query."""
    cursor: Any = connection.execute(query).cursor
    found: list[Any] = cursor.fetchall()
    if bytes in {type(row[_KEY]) for row in found} or str in {type(row[_PAYLOAD]) for row in found}:
        return [_typed(row) for row in found]
    return found


def _typed(row: Cells) -> Cells:
    """A row of MySQL, which keeps keys as bytes, or one that a hand at SQLite's own shell has left."""
    key: str | bytes = row[_KEY]
    payload: str | bytes | None = row[_PAYLOAD]
    try:
        key = key.decode() if isinstance(key, bytes) else key
    except UnicodeDecodeError:
        raise CorruptError(f"a key of the journal is not text: {key!r}", hint="run `rainer verify`") from None
    return key, *row[1:_PAYLOAD], payload.encode() if isinstance(payload, str) else payload, row[_PAYLOAD_BYTES]


def _columns(payloads: bool) -> Sequence[Any]:
    return [*_SHOWN, SMALL, LENGTH] if payloads else [*_SHOWN, NOTHING, sa.literal_column("0")]


def _query(space: int, wanted: Selection, pinned: State, after: str | None, rows_max: int) -> sa.Select[Any]:
    query = (
        sa.select(*_columns(wanted.payloads))
        .join(heads, heads.c.revision == commits.c.revision)
        .where(heads.c.namespace_id == space)
    )
    if not wanted.include_empty:  # a head that moved may have been something else then
        query = query.where(sa.or_(heads.c.is_empty == sa.false(), heads.c.revision > pinned.revision))
    if after is not None:
        query = query.where(heads.c.key > _storable(after))
    if wanted.upto is not None:
        query = query.where(heads.c.key <= _storable(wanted.upto))
    if wanted.prefix:
        query = query.where(heads.c.key >= wanted.prefix, heads.c.key < _beyond(wanted.prefix))
    return query.order_by(heads.c.key).limit(rows_max)


def _beyond(prefix: str) -> str:
    """The least text, in byte order, that is beyond all keys with this prefix.

    No key holds a surrogate or U+FFFF, so the last character always has a next one.
    """
    following = ord(prefix[-1]) + 1
    return prefix[:-1] + chr(0xE000 if following == 0xD800 else following)


def _storable(text: str) -> str:
    """Return a text that every database can compare with keys; else InvalidError."""
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise InvalidError(f"{names.shorten(text)} is nothing that a key can come after")
    return text


def _as_of(connection: Connection, space: int, found: list[Cells], pinned: State, wanted: Selection) -> list[Cells]:
    """The heads with those that moved after `pinned` as they were then, and without those that were not there yet."""
    moved = [row[_KEY] for row in found if row[_REVISION] > pinned.revision]
    then: dict[str, Cells | None] = dict.fromkeys(moved)
    for start in range(0, len(moved), IN_MAX):
        newest = (
            sa.select(sa.func.max(commits.c.revision).label("revision"))
            .where(
                commits.c.namespace_id == space,
                commits.c.key.in_(moved[start : start + IN_MAX]),
                commits.c.revision <= pinned.revision,
            )
            .group_by(commits.c.key)
            .subquery()
        )
        query = sa.select(*_columns(wanted.payloads)).join(newest, newest.c.revision == commits.c.revision)
        then.update({row[_KEY]: row for row in _fetch(connection, query)})
    stood = [then.get(row[_KEY], row) for row in found]
    return [row for row in stood if row is not None and (wanted.include_empty or not row[_EMPTY])]


def _fitting(found: list[Cells]) -> int:
    """How many of them one portion may hold: at least one."""
    size = 0
    for place, row in enumerate(found):
        size += row[_PAYLOAD_BYTES] or 0
        if size > PORTION_BYTES and place:
            return place
    return len(found)


def _filled(connection: Connection, found: list[Cells]) -> list[Cells]:
    """The heads with the large payloads that they lack."""
    large = [row[_REVISION] for row in found if (row[_PAYLOAD_BYTES] or 0) > INLINE_BYTES]
    if not large:
        return found
    payloads = large_payloads(connection, large)
    return [
        (*row[:_PAYLOAD], payloads[row[_REVISION]], row[_PAYLOAD_BYTES]) if row[_REVISION] in payloads else row
        for row in found
    ]
