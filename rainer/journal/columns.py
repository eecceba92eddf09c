"""What a read fetches of each commit, so that the payloads of many rows stay within a bound of memory.

A small payload comes with its row. Of a large one only the length comes; it is fetched once its row is known to be
wanted, and a caller that adds up `payload_bytes` stops before too much is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rainer import limits
from rainer.database.schema import commits
from rainer.journal.row import Row

PORTION: Final = 2_000
PORTION_BYTES: Final = limits.FEED_PAGE_BYTES
"""About what the payloads of one portion may hold; a single larger one still passes."""
IN_MAX: Final = 1_000
INLINE_BYTES: Final = 16 * 1024

LENGTH: Final = sa.func.length(commits.c.payload).label("payload_bytes")
SMALL: Final = sa.case((LENGTH <= INLINE_BYTES, commits.c.payload)).label("payload")
NOTHING: Final = sa.null().label("payload")


class Sized(NamedTuple):
    """A row and the length of its payload, which a large payload's row does not hold yet."""

    row: Row
    payload_bytes: int


def columns(payloads: bool) -> Sequence[Any]:
    """The columns to select, to be read with `sized`."""
    payload = SMALL if payloads else NOTHING
    return [*(payload if c.name == "payload" else c for c in commits.c), LENGTH if payloads else sa.literal(0)]


def sized(found: Iterable[Any]) -> list[Sized]:
    """The rows of a select of `columns`."""
    return [Sized(Row(*r[:-1]), r[-1] or 0) for r in found]


def filled(connection: Connection, chosen: Sequence[Sized]) -> list[Row]:
    """The rows with the large payloads that they lack."""
    large = [s.row.revision for s in chosen if s.payload_bytes > INLINE_BYTES]
    if not large:
        return [s.row for s in chosen]
    payloads = large_payloads(connection, large)
    return [s.row._replace(payload=payloads[s.row.revision]) if s.row.revision in payloads else s.row for s in chosen]


def large_payloads(connection: Connection, revisions: Sequence[int]) -> dict[int, bytes]:
    """The payloads of these revisions."""
    payloads: dict[int, bytes] = {}
    for start in range(0, len(revisions), IN_MAX):
        query = sa.select(commits.c.revision, commits.c.payload).where(
            commits.c.revision.in_(revisions[start : start + IN_MAX])
        )
        payloads.update((row[0], row[1]) for row in connection.execute(query))
    return payloads


def batches(found: Sequence[Sized]) -> Iterator[Sequence[Sized]]:
    """The same rows in order, in runs whose payloads may be in memory at once."""
    start = size = 0
    for end, one in enumerate(found):
        if end > start and size + one.payload_bytes > PORTION_BYTES:
            yield found[start:end]
            start, size = end, 0
        size += one.payload_bytes
    if found:
        yield found[start:]
