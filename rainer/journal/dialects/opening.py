"""Which session and which durability check a database gets; a driver loads only when its database is used."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import Engine

from rainer.database.engine import is_in_memory
from rainer.database.failures import translated
from rainer.journal.transact import Session


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a committer talks to one database: on the event loop or in a thread, and whether others' commits are told."""

    name: str
    in_thread: bool
    is_memory: bool
    notifies: bool


def dialect_of(engine: Engine) -> Dialect:
    """The dialect of an engine."""
    name = engine.dialect.name
    is_memory = is_in_memory(engine.url)
    return Dialect("memory" if is_memory else name, name != "postgresql", is_memory, name == "postgresql")


def open_session(engine: Engine) -> Session:
    """A writer's session for an engine's database."""
    match engine.dialect.name:
        case "postgresql":
            from rainer.journal.dialects.postgresql import PostgresqlSession

            return PostgresqlSession(engine.url)
        case "mysql":
            from rainer.journal.dialects.mysql import MysqlSession

            return MysqlSession(engine)
        case _:
            from rainer.journal.dialects.sqlite import SqliteSession

            return SqliteSession(engine)


def durability_faults(engine: Engine) -> list[str]:
    """Settings under which this database could lose an acknowledged commit; empty when all is well."""
    match dialect_of(engine).name:
        case "memory":
            return ["the journal is in memory: it ends with this process"]
        case "postgresql":
            from rainer.journal.dialects.postgresql import durability_faults as find
        case "mysql":
            from rainer.journal.dialects.mysql import durability_faults as find
        case _:
            from rainer.journal.dialects.sqlite import durability_faults as find
    with translated(), engine.connect() as connection:
        return find(connection)
