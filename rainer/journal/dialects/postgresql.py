"""PostgreSQL through asyncpg: a whole group in one round trip while nobody else writes.

The statement moves the journal row only if it still stands where the group was judged; every insert hangs on that move,
so either all of the group is kept or nothing is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.engine import URL

from rainer.database.engine import CONNECT_TIMEOUT_S, STATEMENT_TIMEOUT_S, postgresql_settings
from rainer.database.failures import translate, unavailable, words_of
from rainer.errors import CorruptError, InvalidError, OutcomeUnknown, RainerError, UnavailableError
from rainer.journal.dialects.core import namespaces_of, state_of
from rainer.journal.group import HeadKey, Plan, Stored, StoredKey
from rainer.journal.row import Namespace, Row, State

CHANNEL = "rainer"
# The last is what asyncpg says of a session that the server has ended and whose connection has not closed yet.
FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, asyncpg.InternalClientError)
_COLUMNS = ", ".join(Row._fields)
STATE = "lineage, revision, chain, recorded_ms, namespaces_tag"
_READ_STATE = f"SELECT {STATE} FROM journal WHERE id = 1"
_READ_NAMESPACES = "SELECT id, name, format, payload_bytes_max, is_closed FROM namespaces"
_READ_HEADS = (
    "SELECT h.namespace_id, h.key, h.version FROM unnest($1::int[], $2::text[]) AS u(n, k)"
    " JOIN heads h ON h.namespace_id = u.n AND h.key = u.k"
)
_READ_STORED = (
    f"SELECT {', '.join('NULL' if f == 'payload' else 'c.' + f for f in Row._fields)}, before.changeset"
    " FROM unnest($1::int[], $2::text[], $3::int[]) AS u(n, k, v)"
    " JOIN commits c ON c.namespace_id = u.n AND c.key = u.k AND c.version = u.v"
    " LEFT JOIN commits before ON before.revision = c.revision - 1"
)
_READ_HASH = "SELECT hash FROM commits WHERE revision = $1"
_ROWS = (
    "unnest($5::bigint[], $6::int[], $7::text[], $8::int[], $9::text[], $10::text[], $11::bigint[], $12::bigint[],"
    " $13::bool[], $14::bytea[], $15::bytea[], $16::text[], $17::bigint[], $18::bytea[], $19::text[])"
)
_HEADS = "unnest($20::int[], $21::text[], $22::int[], $23::bigint[], $24::bool[])"
_GUARD = " AND lineage = $26 AND revision = $27 AND chain = $28 AND namespaces_tag = $29"


def _statement(guard: str) -> str:
    return (
        "WITH j AS (UPDATE journal SET lineage = $1, revision = $2, chain = $3, recorded_ms = $4,"
        " namespaces_tag = $25 WHERE id = 1"
        f"{guard} RETURNING 1),"
        f" i AS (INSERT INTO commits ({_COLUMNS}) SELECT r.* FROM j, {_ROWS} AS r),"
        " h AS (INSERT INTO heads (namespace_id, key, version, revision, is_empty)"
        f" SELECT s.* FROM j, {_HEADS} AS s ON CONFLICT (namespace_id, key) DO UPDATE"
        " SET version = excluded.version, revision = excluded.revision, is_empty = excluded.is_empty)"
        f" SELECT pg_notify('{CHANNEL}', '') FROM j"
    )


_WRITE = _statement("")
_COMPARE_AND_SET = _statement(_GUARD)


async def connect(url: URL) -> asyncpg.Connection:
    """A connection with Rainer's session settings; UnavailableError where the server does not answer."""
    settings = {
        # Each statement of a writer must see what others committed before it, whatever the database's default is.
        "default_transaction_isolation": "read committed",
        "application_name": str(url.query.get("application_name", "rainer")),
    }
    # What asyncpg does not know in a URL it sends to the server as a setting; the server then refuses the connection.
    plain = url.set(drivername="postgresql").difference_update_query(["application_name", "connect_timeout"])
    try:
        return await asyncpg.connect(
            dsn=plain.render_as_string(hide_password=False),
            timeout=int(str(url.query.get("connect_timeout", CONNECT_TIMEOUT_S))),
            command_timeout=STATEMENT_TIMEOUT_S,
            server_settings=postgresql_settings() | settings,
        )
    except FAILURES as e:
        known = unavailable(e) if isinstance(e, asyncpg.PostgresError) else None
        raise known or UnavailableError(
            f"PostgreSQL cannot be reached: {words_of(e)}", hint="is it running, and is its URL right?"
        ) from e


def translate_asyncpg(error: Exception) -> RainerError:
    """The RainerError of a failure that asyncpg raised outside COMMIT."""
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return CorruptError(f"the journal contradicts itself: {error}", hint="run `rainer verify`")
    if isinstance(error, asyncpg.DataError | asyncpg.ProgramLimitExceededError | ValueError):
        return InvalidError(f"PostgreSQL refuses this value: {error}")
    return translate(error)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except RainerError:
        raise
    except (*FAILURES, ValueError) as e:
        raise translate_asyncpg(e) from e


class PostgresqlSession:
    """One writer's connection; use it from one event loop, one call at a time."""

    has_compare_and_set = True

    def __init__(self, url: URL) -> None:
        self._url = url
        self._connection: Any = None

    async def _open(self) -> Any:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._url)
        return self._connection

    async def begin(self) -> State:
        c = await self._open()
        with _translated():
            await c.execute("BEGIN")
            return state_of(await c.fetchrow(_READ_STATE + " FOR UPDATE"))

    async def read_state(self) -> State:
        c = await self._open()
        with _translated():
            return state_of(await c.fetchrow(_READ_STATE))

    async def read_namespaces(self) -> dict[str, Namespace]:
        with _translated():
            return namespaces_of(await (await self._open()).fetch(_READ_NAMESPACES))

    async def read_heads(self, keys: Sequence[HeadKey]) -> dict[HeadKey, int]:
        with _translated():
            c = await self._open()
            rows = await c.fetch(_READ_HEADS, [k[0] for k in keys], [k[1] for k in keys])
        return {(n, k): version for n, k, version in rows}

    async def read_stored(self, keys: Iterable[StoredKey]) -> dict[StoredKey, Stored]:
        with _translated():
            c = await self._open()
            rows = await c.fetch(_READ_STORED, *map(list, zip(*keys, strict=True)))
        found = ((Row(*columns), changeset_before) for *columns, changeset_before in rows)
        return {row[1:4]: Stored(row, changeset_before != row.changeset) for row, changeset_before in found}

    async def write(self, plan: Plan) -> None:
        with _translated():
            await self._connection.fetch(_WRITE, *_arguments(plan))

    async def commit(self) -> None:
        with _translated():
            await self._connection.execute("COMMIT")

    async def rollback(self) -> None:
        with _translated():
            await self._connection.execute("ROLLBACK")

    async def compare_and_set(self, plan: Plan) -> bool:
        c = await self._open()
        before = plan.before
        guard = (before.lineage, before.revision, before.chain, before.namespaces_tag)
        try:
            return bool(await c.fetch(_COMPARE_AND_SET, *_arguments(plan), *guard))
        except ValueError as e:  # refused before it was sent
            raise translate_asyncpg(e) from e
        except asyncpg.PostgresError as e:
            if c.is_closed() or _ends_session(e):
                raise _unknown(e) from e
            raise translate_asyncpg(e) from e
        except Exception as e:
            raise _unknown(e) from e

    async def hash_at(self, revision: int) -> bytes | None:
        with _translated():
            found: bytes | None = await self._connection.fetchval(_READ_HASH, revision)
            return found

    async def reset(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            with contextlib.suppress(Exception):
                await connection.close(timeout=2)


def _ends_session(error: asyncpg.PostgresError) -> bool:
    """An ERROR undid its statement; whoever is thrown out (FATAL) may have been so after the commit."""
    return getattr(error, "severity_en", None) not in ("ERROR", None) or isinstance(
        error, asyncpg.PostgresConnectionError
    )


def _unknown(error: BaseException) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"PostgreSQL did not say whether the commit was kept: {str(error) or type(error).__name__}",
        hint="look at the key before you commit again, or repeat it with the same commit id",
    )


def _arguments(plan: Plan) -> list[Any]:
    after = plan.after
    moved = plan.heads
    rows = list(moved.values())
    return [
        after.lineage, after.revision, after.chain, after.recorded_ms,
        *map(list, zip(*plan.rows, strict=True)),
        [k[0] for k in moved], [k[1] for k in moved],
        [r.version for r in rows], [r.revision for r in rows], [r.is_empty for r in rows], after.namespaces_tag,
    ]  # fmt: skip


def durability_faults(connection: sa.Connection) -> list[str]:
    """Server settings under which an acknowledged commit could be lost; empty when all is well."""
    faults = []
    for name in ("fsync", "full_page_writes"):
        value = connection.exec_driver_sql(f"SHOW {name}").scalar()
        if value != "on":
            faults.append(f"{name} is {value}, not on")
    return faults
