"""Schema versions: made on an empty database, checked at every start, upgraded only when asked to."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Engine

from rainer.database.address import parse_address, show_address
from rainer.database.engine import be_patient, ensure_folder, open_engine, writing
from rainer.database.failures import translated
from rainer.database.schema import journal
from rainer.errors import SchemaMismatch, UnavailableError

_LOCK_NAME = "rainer-schema"
_LOCK_NUMBER = 7_214_636
_LOCK_WAIT_S = 60
_PAUSE_S = 600
# Alembic's operations work on one context for the whole process; two threads would run each other's migrations.
_alembic = threading.Lock()


@dataclass(frozen=True, slots=True)
class SchemaState:
    """What schema a database has (`current`, None when it has none) and what this program wants."""

    current: str | None
    wanted: str
    is_older: bool

    @property
    def ok(self) -> bool:
        return self.current == self.wanted


def check(url: str) -> SchemaState:
    """The schema state of the database at a URL; changes nothing, and does not make a SQLite file that is not there."""
    address = parse_address(url)
    if address.get_backend_name() == "sqlite" and address.database and not Path(address.database).exists():
        return SchemaState(None, _head(), is_older=True)
    engine = open_engine(address)
    try:
        return state(engine)
    finally:
        engine.dispose()


def upgrade(url: str) -> SchemaState:
    """Bring the schema at a URL to this program's, making it on an empty database; safe when several do it at once."""
    address = parse_address(url)
    ensure_folder(address)
    engine = open_engine(address)
    try:
        upgrade_engine(engine)
        return state(engine)
    finally:
        engine.dispose()


def prepare(engine: Engine) -> None:
    """Make an empty database ready; raise SchemaMismatch, naming the command, where it holds another schema.

    One of an older schema without a single commit is empty too: where tables are no part of a transaction, a server
    that died between two migrations has left it so.
    """
    found = state(engine)
    if found.current is None or (found.is_older and _holds_nothing(engine)):
        upgrade_engine(engine)
        found = state(engine)
    if found.ok:
        return
    where = show_address(engine.url)
    if found.is_older:
        raise SchemaMismatch(
            f"the schema of {where} is {found.current}, this program needs {found.wanted}",
            hint="make a copy of the database, then run `rainer db upgrade`",
        )
    raise SchemaMismatch(
        f"the schema of {where} is {found.current}, newer than this program's {found.wanted}",
        hint="install the newer Rainer that upgraded it; nothing was changed",
    )


def state(engine: Engine) -> SchemaState:
    """Read the schema state through an engine."""
    with translated(), engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    known = {s.revision for s in ScriptDirectory.from_config(_config()).walk_revisions()}
    return SchemaState(current, _head(), is_older=current is None or (current in known and current != _head()))


def _holds_nothing(engine: Engine) -> bool:
    """Whether the journal has never had a commit."""
    with translated(), engine.connect() as connection:
        return connection.execute(sa.select(journal.c.revision)).scalar() == 0


def upgrade_engine(engine: Engine) -> None:
    """Run the migrations under a lock, so that servers that start together make the schema once."""
    with (
        _alembic,
        translated(),
        writing(engine, lock_wait_s=_LOCK_WAIT_S) as connection,
        _locked(connection),
    ):
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


@contextmanager
def _locked(connection: sa.Connection) -> Iterator[None]:
    """Hold the lock of those who change the schema, and let a statement, or the pause before it, take its time."""
    match connection.dialect.name:
        case "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_WAIT_S}s'")
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{_PAUSE_S}s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_NUMBER})")
            yield
        case "mysql":
            connection.exec_driver_sql(f"SET SESSION wait_timeout = {_PAUSE_S}")
            with contextlib.suppress(sa.exc.DBAPIError):  # MariaDB's alone
                connection.exec_driver_sql(f"SET SESSION idle_transaction_timeout = {_PAUSE_S}")
            be_patient(connection)
            got = connection.exec_driver_sql(f"SELECT GET_LOCK('{_LOCK_NAME}', {_LOCK_WAIT_S})").scalar()
            if got != 1:
                raise UnavailableError("another program is changing the schema", hint="try again")
            try:
                yield
            finally:
                connection.invalidate()  # which gives up the lock, and the session with the patience of a migration
        case _:
            yield  # BEGIN IMMEDIATE is SQLite's lock


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config


def _folder() -> Path:
    """The migrations: inside the package when installed from the wheel, at the top of a checkout."""
    packaged = Path(__file__).with_name("migrations_data")
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "migrations"


def _head() -> str:
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def script_folder() -> Any:
    """Where the migration scripts stand; for tests and for Alembic's own tools."""
    return _folder()
