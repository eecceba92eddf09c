"""Where in the journal something is read: namespaces by name, revisions and the chain that stood there."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rainer.database.schema import commits, namespaces
from rainer.errors import InvalidError, PositionGone
from rainer.journal.dialects.core import SELECT_STATE, state_of
from rainer.journal.row import State, unknown_namespace
from rainer.model import chain, names

_BIGINT_MAX: Final = 2**63 - 1


def read_state(connection: Connection) -> State:
    """The journal row. As the first statement of a transaction it also fixes the moment that all others see."""
    return state_of(connection.execute(SELECT_STATE).first())


def namespace_id(connection: Connection, name: str) -> int:
    """The number of a namespace; NamespaceNotFound, also for what no namespace can be called."""
    found = None
    if names.is_namespace(name):
        found = connection.execute(sa.select(namespaces.c.id).where(namespaces.c.name == name)).scalar()
    if found is None:
        raise unknown_namespace(name)
    return int(found)


def chain_at(connection: Connection, now: State, revision: int) -> bytes:
    """The chain as it was at a revision that the journal holds; PositionGone for any other."""
    if revision == now.revision:
        return now.chain
    if revision == 0:
        return chain.GENESIS
    found = None
    if 0 < revision < now.revision:
        found = connection.execute(sa.select(commits.c.hash).where(commits.c.revision == revision)).scalar()
    if found is None:
        raise PositionGone(
            f"revision {revision} is not in the journal, which stands at {now.revision}",
            hint="reload from the heads",
        )
    return bytes(found)


def holds(connection: Connection, now: State, then: State) -> bool:
    """Whether the journal, now, is a later moment of the one that stood at `then`."""
    if now.lineage != then.lineage:
        return False
    try:
        return chain_at(connection, now, then.revision) == then.chain
    except PositionGone:
        return False


def state_at(connection: Connection, at: int | None) -> State:
    """The journal's state now, or as it was at revision `at`; PositionGone."""
    now = read_state(connection)
    return now if at is None else now._replace(revision=at, chain=chain_at(connection, now, at))


def check_limit(limit: int) -> int:
    """Return how many rows are wanted, at least one; else InvalidError."""
    if limit < 1:
        raise InvalidError(f"limit {limit} is not allowed", hint="1 or more")
    return min(limit, _BIGINT_MAX - 1)
