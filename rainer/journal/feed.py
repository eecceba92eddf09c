"""The change feed: everything after a revision, in journal order, never splitting a changeset."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rainer import limits
from rainer.database.schema import commits, namespaces
from rainer.errors import PositionGone
from rainer.journal.columns import PORTION, Sized, columns, filled, sized
from rainer.journal.places import chain_at, check_limit, namespace_id, read_state
from rainer.journal.row import Row, State


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Changes in journal order: everything that matches up to `revision` has been delivered.

    `namespaces` holds the names of the rows' namespaces by their numbers, of the same moment.
    """

    state: State
    revision: int
    chain: bytes
    rows: list[Row]
    more: bool
    namespaces: dict[int, str]


@dataclass(frozen=True, slots=True)
class Reader:
    """Whoever reads the feed: where it stands, and what it wants."""

    since: int
    namespace: str | None
    limit: int
    payloads: bool
    lineage: str | None
    chain: bytes | None


def read_page(connection: Connection, reader: Reader) -> FeedPage:
    """The next page; PositionGone if the journal does not hold the reader's position."""
    now = read_state(connection)
    _check_position(connection, now, reader)
    chosen, more = _choose(connection, now.revision, reader)
    end = chosen[-1].row.changeset if more else now.revision
    named = dict(connection.execute(sa.select(namespaces.c.id, namespaces.c.name)).all()) if chosen else {}
    return FeedPage(now, end, chain_at(connection, now, end), filled(connection, chosen), more, named)


def _check_position(connection: Connection, now: State, reader: Reader) -> None:
    if reader.lineage is not None and reader.lineage != now.lineage:
        raise PositionGone(
            f"lineage {reader.lineage} is not the journal's, which is {now.lineage}", hint="reload from the heads"
        )
    held = chain_at(connection, now, reader.since)
    if reader.chain is not None and reader.chain != held:
        raise PositionGone(
            f"revision {reader.since} holds another commit than the one named", hint="reload from the heads"
        )


def _choose(connection: Connection, upto: int, reader: Reader) -> tuple[list[Sized], bool]:
    """Rows after the reader's position, cut after its limit or some MiB, but only where a changeset ends."""
    limit = check_limit(reader.limit)
    query = sa.select(*columns(reader.payloads)).where(commits.c.revision <= upto).order_by(commits.c.revision)
    if reader.namespace is not None:
        query = query.where(commits.c.namespace_id == namespace_id(connection, reader.namespace))
    portion = min(PORTION, limit + 1)
    chosen: list[Sized] = []
    at, size = reader.since, 0
    while True:
        found = sized(connection.execute(query.where(commits.c.revision > at).limit(portion)))
        for one in found:
            if chosen and chosen[-1].row.changeset != one.row.changeset:
                changeset_rows = one.row.changeset - one.row.revision + 1
                if len(chosen) + changeset_rows > limit or size >= limits.FEED_PAGE_BYTES:
                    return chosen, True
            chosen.append(one)
            size += one.payload_bytes
        if len(found) < portion:
            return chosen, False
        at = found[-1].row.revision
