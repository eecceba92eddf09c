"""What a database URL means: the user names the database, we choose the driver."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from rainer.errors import InvalidError, missing_extra

try:
    from sqlalchemy.engine import URL, make_url
    from sqlalchemy.exc import ArgumentError
except ImportError as e:  # the bare client has no SQLAlchemy
    raise missing_extra("the journal needs SQLAlchemy, which is not installed") from e

_DRIVERS: Final = {
    "sqlite": ("sqlite+pysqlite", "sqlite3", "server"),
    "postgresql": ("postgresql+psycopg", "psycopg", "postgresql"),
    "postgres": ("postgresql+psycopg", "psycopg", "postgresql"),
    "mysql": ("mysql+pymysql", "pymysql", "mysql"),
    "mariadb": ("mysql+pymysql", "pymysql", "mysql"),
}
MEMORY: Final = "memory:"


def parse_address(text: str) -> URL:
    """The SQLAlchemy URL, with our driver, of what a user wrote; `memory:` is a private database in memory.

    Raises InvalidError for what is no database URL or no database that Rainer keeps a journal in, and MissingExtra,
    naming the pip command, where the driver is not installed.
    """
    if text.rstrip("/") == MEMORY:
        return make_url("sqlite+pysqlite://")
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as e:
        raise InvalidError(
            "the database URL cannot be read", hint="write it like sqlite:///journal.db or postgresql://user@host/name"
        ) from e
    scheme = url.drivername.split("+")[0]
    if scheme not in _DRIVERS:
        raise InvalidError(
            f"database {scheme!r} is not one that Rainer keeps a journal in",
            hint="sqlite:///FILE, postgresql://…, mysql://… or memory:",
        )
    driver, module, extra = _DRIVERS[scheme]
    if find_spec(module) is None:
        raise missing_extra(f"{scheme} needs {module}, which is not installed", f"server,{extra}")
    return _checked(url.set(drivername=driver))


def _checked(url: URL) -> URL:
    if url.get_backend_name() == "sqlite":
        if url.host or url.username:
            raise InvalidError(
                f"database URL {show_address(url)} names a host",
                hint="three slashes begin a relative path, four an absolute one: sqlite:///journal.db",
            )
        return url
    if not url.database:
        raise InvalidError(f"database URL {show_address(url)} names no database", hint="end it with /NAME")
    return url.update_query_dict({"charset": "utf8mb4"}) if url.get_backend_name() == "mysql" else url


def show_address(url: URL) -> str:
    """The URL with its password as ***, as a user would write it."""
    if url.get_backend_name() == "sqlite" and not url.database:
        return MEMORY
    shown = url.set(drivername=url.get_backend_name())
    return shown.difference_update_query(["charset"]).render_as_string(hide_password=True)
