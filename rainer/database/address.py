"""What a database URL means: the user names the database, we choose the driver."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

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
# What both drivers for PostgreSQL take, in their own ways: psycopg reads, asyncpg commits.
_POSTGRESQL_QUERY: Final = frozenset(
    (
        "application_name",
        "connect_timeout",
        "gsslib",
        "host",
        "krbsrvname",
        "passfile",
        "port",
        "service",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslpassword",
        "sslrootcert",
        "target_session_attrs",
    )
)
_CONNECT_TIMEOUT_S_MAX: Final = 3600
_URL_PARTS: Final = {"user": "username", "password": "password", "dbname": "database", "database": "database"}


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
    if url.get_backend_name() == "postgresql":
        url = _checked_query(url)
    if not url.database:
        raise InvalidError(f"database URL {show_address(url)} names no database", hint="end it with /NAME")
    return url.update_query_dict({"charset": "utf8mb4"}) if url.get_backend_name() == "mysql" else url


def _checked_query(url: URL) -> URL:
    """The URL with only what both of PostgreSQL's drivers take in its query; user, password and database leave it."""
    query = dict(url.query)
    unknown = sorted(query.keys() - _POSTGRESQL_QUERY - _URL_PARTS.keys())
    if unknown:
        raise InvalidError(
            f"the database URL asks for what Rainer cannot pass on: {', '.join(unknown)}",
            hint=f"its query may name {', '.join(sorted(_POSTGRESQL_QUERY | _URL_PARTS.keys()))}",
        )
    for name, value in query.items():
        if not isinstance(value, str):
            raise InvalidError(f"the database URL names {name} more than once", hint="separate hosts by commas")
        if name in _URL_PARTS:
            part: dict[str, Any] = {_URL_PARTS[name]: value}
            url = url.set(**part)
    timeout = str(query.get("connect_timeout", "1"))
    if not (timeout.isascii() and timeout.isdigit() and 1 <= int(timeout[:9]) <= _CONNECT_TIMEOUT_S_MAX):
        raise InvalidError(
            f"connect_timeout {timeout!r} in the database URL is no time to wait",
            hint=f"write whole seconds, from 1 to {_CONNECT_TIMEOUT_S_MAX}",
        )
    return url.difference_update_query(_URL_PARTS)


def show_address(url: URL) -> str:
    """The URL with its password as ***, as a user would write it."""
    if url.get_backend_name() == "sqlite" and not url.database:
        return MEMORY
    shown = url.set(drivername=url.get_backend_name())
    if "sslpassword" in url.query:
        shown = shown.update_query_dict({"sslpassword": "***"})
    return shown.difference_update_query(["charset"]).render_as_string(hide_password=True)
