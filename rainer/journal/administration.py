"""Rare changes of the journal itself: making namespaces, closing them, adopting a restored database.

Each is one transaction under the journal row's lock, so that committers notice it with their next group.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from rainer import limits
from rainer.database.address import parse_address
from rainer.database.engine import open_engine, writing
from rainer.database.failures import translated
from rainer.database.migrate import prepare
from rainer.database.schema import journal, lineages, namespaces
from rainer.errors import InvalidError, NamespaceExists
from rainer.journal.dialects.core import SELECT_NAMESPACES, SELECT_STATE, namespaces_of, state_of
from rainer.journal.row import Namespace, State, known_namespace
from rainer.model import formats, names, times
from rainer.model.position import Position


@contextmanager
def _locked(engine: Engine) -> Iterator[tuple[Connection, State]]:
    with translated(), writing(engine) as connection:
        yield connection, state_of(connection.execute(SELECT_STATE.with_for_update()).first())
        connection.commit()


def create_namespace(engine: Engine, name: str, format_name: str, payload_bytes_max: int) -> tuple[Namespace, bool]:
    """Make a namespace; True if it is new, False if the very same existed. NamespaceExists if it has other rules."""
    names.check_namespace(name)
    formats.check_format_name(format_name)
    if not 1 <= payload_bytes_max <= limits.PAYLOAD_BYTES_CEILING:
        raise InvalidError(
            f"payload_bytes_max {payload_bytes_max} is not allowed", hint=f"from 1 to {limits.PAYLOAD_BYTES_CEILING}"
        )
    with _locked(engine) as (connection, _):
        known = namespaces_of(connection.execute(SELECT_NAMESPACES))
        new = Namespace(max((n.id for n in known.values()), default=0) + 1, name, format_name, payload_bytes_max, False)
        old = known.get(name)
        if old is not None:
            if (old.format, old.payload_bytes_max) == (format_name, payload_bytes_max):
                return old, False
            raise NamespaceExists(
                f"namespace {name!r} exists with format {old.format} and payload_bytes_max {old.payload_bytes_max}",
                hint="a namespace keeps the rules it was made with: choose another name",
            )
        values = {"id": new.id, "name": name, "format": format_name, "payload_bytes_max": payload_bytes_max}
        connection.execute(sa.insert(namespaces), values | {"is_closed": False, "recorded_ms": times.now_ms()})
        _new_tag(connection)
    return new, True


def set_namespace_closed(engine: Engine, name: str, closed: bool) -> Namespace:
    """Close a namespace, or open it again; NamespaceNotFound."""
    with _locked(engine) as (connection, _):
        known = namespaces_of(connection.execute(SELECT_NAMESPACES))
        known_namespace(known, name)
        connection.execute(sa.update(namespaces).where(namespaces.c.name == name).values(is_closed=closed))
        _new_tag(connection)
        return namespaces_of(connection.execute(SELECT_NAMESPACES))[name]


@contextmanager
def moving_rules(engine: Engine) -> Iterator[Connection]:
    """A transaction under the journal row's lock, after which whatever was checked before must be checked again.

    What is read in it stands before or after every commit, never beside one; and a commit whose check saw what this
    changes as it was before is not made: RulesMoved.
    """
    with _locked(engine) as (connection, _):
        yield connection
        _new_tag(connection)


def _new_tag(connection: Connection) -> None:
    connection.execute(sa.update(journal).where(journal.c.id == 1).values(namespaces_tag=secrets.token_hex(8)))


def adopt(url: str) -> Position:
    """Begin a new lineage on a restored or promoted database, and return where it begins.

    Whoever holds a position of the old lineage (caches, feeds, mirrors, trees) then knows to reload. Commits stay.
    """
    engine = open_engine(parse_address(url))
    try:
        prepare(engine)
        return adopt_engine(engine)
    finally:
        engine.dispose()


def adopt_engine(engine: Engine) -> Position:
    """The same through an engine."""
    lineage = str(uuid.uuid4())
    with _locked(engine) as (connection, state):
        begins = {"lineage": lineage, "from_revision": state.revision, "recorded_ms": times.now_ms()}
        connection.execute(sa.insert(lineages), begins)
        connection.execute(sa.update(journal).where(journal.c.id == 1).values(lineage=lineage))
        return state._replace(lineage=lineage).position
