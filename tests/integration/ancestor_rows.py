"""An original Rainer's table, made and filled by hand, on any database."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from rainer.database.address import parse_address
from rainer.journal import Journal
from rainer.model.commit import Commit
from rainer.model.serialization import to_bytes
from rainer.model.times import from_ms, to_ms

TABLE = "rainer_commits"
_NAME = sa.LargeBinary().with_variant(mysql.VARBINARY(255), "mysql")
_PAYLOAD = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql")
_IS_EMPTY = sa.SmallInteger().with_variant(mysql.TINYINT(), "mysql")
_ENCODED_BYTES_MAX = 7 * 1024 * 1024


class Row(NamedTuple):
    """A row of the table, right or wrong."""

    name: bytes
    version: int
    payload: bytes | None
    is_empty: int | None = 0


def row(key: str, version: int, payload: bytes | None = b"x", *, mtime_ms: int = 0, **texts: str) -> Row:
    """The row of a commit, as the original writes it."""
    author, comment = texts.get("author", "ann@example.com"), texts.get("comment", "why")
    commit = Commit(key, version, payload, author, comment, from_ms(mtime_ms), payload is None)
    return Row(key.encode(), version, to_bytes(commit), int(payload is None))


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    """A connection whose work is kept."""
    engine = sa.create_engine(parse_address(url))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def make_table(
    url: str, rows: Iterable[Row] = (), *, table: str = TABLE, is_empty: bool = True, key: bool = True
) -> None:
    """Make the table and fill it."""
    columns = [
        sa.Column("name", _NAME, primary_key=key),
        sa.Column("version", sa.Integer, primary_key=key, autoincrement=False),
        sa.Column("payload", _PAYLOAD),
        *([sa.Column("is_empty", _IS_EMPTY)] if is_empty else []),
    ]
    with connected(url) as connection:
        sa.Table(sa.quoted_name(table, quote=True), sa.MetaData(), *columns).create(connection)
    add_rows(url, rows, table=table, is_empty=is_empty)


def add_rows(url: str, rows: Iterable[Row], *, table: str = TABLE, is_empty: bool = True) -> None:
    """Add rows, some at a time so that many large ones fit."""
    names = ["name", "version", "payload", "is_empty"][: 4 if is_empty else 3]
    target = sa.table(sa.quoted_name(table, quote=True), *(sa.column(name) for name in names))
    with connected(url) as connection:
        portion: list[dict[str, Any]] = []
        for one in rows:
            if connection.dialect.name == "mysql" and len(one.payload or b"") > _ENCODED_BYTES_MAX:
                _add_large(connection, target, one)
                continue
            portion.append(dict(zip(names, one, strict=False)))
            if len(portion) == 500:
                connection.execute(sa.insert(target), portion)
                portion = []
        if portion:
            connection.execute(sa.insert(target), portion)


def _add_large(connection: sa.Connection, target: Any, one: Row) -> None:
    """In base64, which stays under the server's packet where the driver's hexadecimal digits do not."""
    text = base64.b64encode(one.payload or b"").decode()
    values = {"name": one.name, "version": one.version, "payload": sa.func.from_base64(text)}
    connection.execute(sa.insert(target).values(**values, is_empty=one.is_empty))


class Seen(NamedTuple):
    """What the journal holds of a commit, its revision apart."""

    key: str
    version: int
    payload: bytes | None
    author: str
    comment: str
    mtime_ms: int


def contents(url: str, namespace: str = "diary") -> list[Seen]:
    """Everything in a journal, in its order; it must verify."""
    found = []
    with Journal(url) as journal:
        verified = journal.verify()
        assert verified.ok, verified.problems
        page = journal.changes(0, namespace=namespace, payloads=True)
        while page.commits:
            found += [Seen(c.key, c.version, c.payload, c.author, c.comment, to_ms(c.mtime)) for c in page.commits]
            page = journal.changes(page.revision, namespace=namespace, payloads=True)
    return found


def in_order(url: str) -> list[tuple[str, int]]:
    """The keys and versions in a journal, in its order."""
    return [(seen.key, seen.version) for seen in contents(url)]
