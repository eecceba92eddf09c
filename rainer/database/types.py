"""Column types that mean the same on every database: keys compare as bytes, payloads fit, times are milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeEngine

from rainer import limits


class KeyText(sa.types.TypeDecorator[str]):
    """A key: text that sorts and compares by its UTF-8 bytes (COLLATE "C", varbinary, SQLite's BINARY)."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "mysql":
            return dialect.type_descriptor(mysql.VARBINARY(limits.KEY_BYTES_MAX))
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TEXT(collation="C"))
        return dialect.type_descriptor(sa.Text())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        return value.encode() if value is not None and dialect.name == "mysql" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        # A key that somebody damaged by hand must still be one that `verify` can name.
        return value.decode(errors="surrogateescape") if isinstance(value, bytes) else value


class PathText(KeyText):
    """The name of a file in the server store: longer than a key, compared in the same way."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "mysql":
            return dialect.type_descriptor(mysql.VARBINARY(limits.ASSET_PATH_BYTES_MAX))
        return super().load_dialect_impl(dialect)


class Bytes(sa.LargeBinary):
    """Bytes, also where a hand at SQLite's own shell has left text."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], bytes | None]:
        return _as_bytes


def _as_bytes(value: Any) -> bytes | None:
    return value.encode() if isinstance(value, str) else None if value is None else bytes(value)


def _text(mysql_type: TypeEngine[Any], generic: TypeEngine[Any] | None = None) -> TypeEngine[Any]:
    return (generic or sa.Text()).with_variant(mysql_type, "mysql")


LONG_TEXT: Final = _text(mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"))
NAME: Final = sa.String(limits.NAMESPACE_CHARS_MAX).with_variant(
    mysql.VARCHAR(limits.NAMESPACE_CHARS_MAX, charset="ascii", collation="ascii_bin"), "mysql"
)
TOKEN: Final = sa.String(64).with_variant(mysql.VARCHAR(64, charset="ascii", collation="ascii_bin"), "mysql")
PAYLOAD: Final = Bytes().with_variant(mysql.MEDIUMBLOB(), "mysql")
DIGEST: Final = Bytes(32).with_variant(mysql.VARBINARY(32), "mysql")
# Only a column declared INTEGER becomes SQLite's own row number, which keeps commits in journal order on disk.
REVISION: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PLACE: Final = sa.String(128).with_variant(mysql.VARCHAR(128, charset="ascii", collation="ascii_bin"), "mysql")
