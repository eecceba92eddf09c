"""Heads of a namespace in byte order of their keys, in portions pinned to one revision.

A head that moved since is looked up as it was then, so that a list of any length shows one moment without a
transaction that stays open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rainer.database.schema import commits, heads
from rainer.errors import InvalidError, PositionGone
from rainer.journal.columns import IN_MAX, PORTION_BYTES, Sized, columns, filled, sized
from rainer.journal.places import check_limit, holds, namespace_id, read_state
from rainer.journal.row import Row, State
from rainer.model import names


@dataclass(frozen=True, slots=True)
class Portion:
    """Some heads of a namespace in key order, as of `state.revision`; `next_after` is None at the end."""

    state: State
    rows: list[Row]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which heads of a namespace a list wants."""

    namespace: str
    prefix: str
    include_empty: bool
    payloads: bool


def read_portion(connection: Connection, wanted: Selection, pinned: State, after: str | None, rows_max: int) -> Portion:
    """The next heads after a key; fewer than asked for where their payloads are large."""
    now = read_state(connection)
    if not holds(connection, now, pinned):
        raise PositionGone(
            f"the journal is no longer the one that was at revision {pinned.revision} when this list began",
            hint="begin the list again",
        )
    space = namespace_id(connection, wanted.namespace)
    if not names.may_begin_key(wanted.prefix):
        return Portion(pinned, [], None)
    query = _query(space, wanted, after, check_limit(rows_max))
    now_there = sized(connection.execute(query))
    then_there = _as_of(connection, space, now_there, pinned, wanted.payloads)
    chosen, next_after = _cut(now_there, then_there, wanted.include_empty)
    if next_after is None and len(now_there) == rows_max:
        next_after = now_there[-1].row.key
    return Portion(pinned, filled(connection, chosen), next_after)


def _query(space: int, wanted: Selection, after: str | None, rows_max: int) -> sa.Select[Any]:
    query = (
        sa.select(*columns(wanted.payloads))
        .join(heads, heads.c.revision == commits.c.revision)
        .where(heads.c.namespace_id == space)
    )
    if after is not None:
        query = query.where(heads.c.key > _storable(after))
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


def _as_of(
    connection: Connection, space: int, found: list[Sized], pinned: State, payloads: bool
) -> dict[str, Sized | None]:
    """For each head that moved after `pinned`: what stood there, None for a key that did not exist yet."""
    moved = [s.row.key for s in found if s.row.revision > pinned.revision]
    then: dict[str, Sized | None] = dict.fromkeys(moved)
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
        query = sa.select(*columns(payloads)).join(newest, newest.c.revision == commits.c.revision)
        then.update({s.row.key: s for s in sized(connection.execute(query))})
    return then


def _cut(
    now_there: list[Sized], then_there: dict[str, Sized | None], include_empty: bool
) -> tuple[list[Sized], str | None]:
    """What is wanted of a portion, and where to go on if it was cut for its size."""
    chosen: list[Sized] = []
    size, passed = 0, None
    for head in now_there:
        key = head.row.key
        found = then_there.get(key, head)
        if found is not None and (include_empty or not found.row.is_empty):
            if chosen and size + found.payload_bytes > PORTION_BYTES:
                return chosen, passed
            chosen.append(found)
            size += found.payload_bytes
        passed = key
    return chosen, None
