"""The table of an original Rainer: name, version, the commit's bytes, and perhaps is_empty (contracts: SQL).

Nothing here knows the whole table at once: it is listed a page at a time, with the beginning of each row's bytes, and
read a portion at a time, so that memory holds the bytes of a few rows however large they are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rainer.database.address import parse_address, show_address
from rainer.database.engine import missing_file, open_engine
from rainer.errors import CorruptError, InvalidError, NotFoundError, UnavailableError
from rainer.journal.pairs import any_pair, pair_values
from rainer.model.serialization import header_span

_PAGE: Final = 500
_BEGINNING_BYTES: Final = 1_024
"""Enough for the length and the header of nearly every commit; a longer header is fetched by itself."""
_TABLES_SHOWN: Final = 10


class Entry(NamedTuple):
    """A row without its bytes: its name as the database holds it, its version, and how many bytes it has."""

    name: bytes | str
    version: int
    size: int

    @property
    def name_bytes(self) -> bytes:
        """The name by which rows are ordered."""
        return as_bytes(self.name)


class Stored(NamedTuple):
    """What a row holds: the commit's bytes, and is_empty, None where the table does not say."""

    data: bytes
    is_empty: bool | None


class AncestorTable:
    """A table to import from, for reading only. Close it, or use it in `with`.

    NotFoundError for a table that is not there, InvalidError for one without the columns, UnavailableError whenever
    its database does not answer.
    """

    def __init__(self, url: str, table: str) -> None:
        address = parse_address(url)
        self._shown = show_address(address)
        file = missing_file(address)
        if file is not None:
            raise NotFoundError(
                f"there is no database file {file}", hint="the URL of the original's database is wanted"
            )
        self._engine = open_engine(address)
        try:
            with self._reading() as connection:
                is_empty = self._check(connection, table)
        except BaseException:
            self._engine.dispose()
            raise
        # Columns without types: values pass as the driver gives them, whatever the table calls their types.
        self._table = sa.table(
            sa.quoted_name(table, quote=True), *(sa.column(c) for c in ("name", "version", "payload", "is_empty"))
        )
        t = self._table.c
        said: sa.ColumnElement[Any] = t.is_empty if is_empty else sa.null()
        self._chosen = sa.select(t.name, t.version, t.payload, said).where(any_pair(t.name, t.version))

    def __enter__(self) -> AncestorTable:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        """A transaction that sees one moment; every failure of this database names it, for there are two about."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except (sa.exc.SQLAlchemyError, OSError) as e:
            words = " ".join(str(getattr(e, "orig", None) or e).split())
            raise UnavailableError(
                f"the table cannot be read from {self._shown}: {words}",
                hint="is that database running, and is its URL right? An import begun again goes on where it stopped",
            ) from e

    def _check(self, connection: Connection, table: str) -> bool:
        """Refuse what is no such table; return whether it has is_empty."""
        inspector = sa.inspect(connection)
        tables = inspector.get_table_names()
        if table not in tables and table not in inspector.get_view_names():
            some = ", ".join(sorted(tables)[:_TABLES_SHOWN])
            raise NotFoundError(
                f"there is no table {table!r} in {self._shown}", hint=f"its tables: {some}" if some else "it has none"
            )
        found = {column["name"] for column in inspector.get_columns(table)}
        missing = [name for name in ("name", "version", "payload") if name not in found]
        if missing:
            raise InvalidError(
                f"table {table!r} has no column {' and no '.join(missing)}",
                hint="an original Rainer's table has name, version, payload and perhaps is_empty",
            )
        return "is_empty" in found

    def entries(self) -> Iterator[tuple[Entry, bytes]]:
        """All rows by name and version, as of one moment, each with its first bytes: at least the whole header.

        InvalidError at the end if there were rows that name and version do not tell apart.
        """
        t = self._table
        size = sa.func.coalesce(sa.func.length(t.c.payload), 0)
        beginning = sa.func.substr(t.c.payload, 1, _BEGINNING_BYTES)
        query = sa.select(t.c.name, t.c.version, size, beginning).order_by(t.c.name, t.c.version).limit(_PAGE)
        page = query.where(t.c.name.is_not(None), t.c.version.is_not(None))
        with self._reading() as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(t)).scalar_one()
            seen, last = 0, None
            while rows := connection.execute(page).all():
                for name, version, length, first in rows:
                    if (name, version) != last:
                        entry = Entry(name, version, length)
                        yield entry, self._with_header(connection, entry, as_bytes(first))
                        seen, last = seen + 1, (name, version)
                page = query.where(sa.or_(t.c.name > name, sa.and_(t.c.name == name, t.c.version > version)))
        if seen < total:
            raise InvalidError(
                f"{total - seen} rows of {t.name!r} have no name or no version, or share both with another row",
                hint="(name, version) is the primary key of an original Rainer's table",
            )

    def _with_header(self, connection: Connection, entry: Entry, beginning: bytes) -> bytes:
        try:
            _, end = header_span(beginning)
        except CorruptError:
            return beginning
        if len(beginning) >= end or end > entry.size:
            return beginning
        t = self._table.c
        whole = sa.select(sa.func.substr(t.payload, 1, end)).where(t.name == entry.name, t.version == entry.version)
        return as_bytes(connection.execute(whole).scalar())

    def read(self, entries: Sequence[Entry]) -> list[Stored | None]:
        """What these rows hold now; None where one is gone since they were listed."""
        found: dict[tuple[bytes | str, int], Stored] = {}
        with self._reading() as connection:
            for values in pair_values([(entry.name, entry.version) for entry in entries]):
                for name, version, data, is_empty in connection.execute(self._chosen, values):
                    said = None if is_empty is None else bool(is_empty)
                    found[name, version] = Stored(as_bytes(data), said)
        return [found.get((entry.name, entry.version)) for entry in entries]


def as_bytes(value: Any) -> bytes:
    """A value of a column of bytes, also where a database keeps it as text; nothing at all is no bytes."""
    return value.encode(errors="surrogateescape") if isinstance(value, str) else bytes(value or b"")
