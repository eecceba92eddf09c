"""The names and places in the database: each method is one transaction. See DESIGN.md for why these steps are safe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from rainer import limits
from rainer.database.engine import writing
from rainer.database.failures import lost_to_another, translated
from rainer.database.schema import store_contents as places
from rainer.database.schema import store_files as files
from rainer.errors import ObjectNotFound, OutcomeUnknown, RainerError
from rainer.model import times
from rainer.model.names import shorten
from rainer.server_store.rows import Contents, StoredFile
from rainer.server_store.terms import Terms, Verdict, judge_deletion, judge_put

T = TypeVar("T")
_TRIES: Final = 8
_FILE: Final = (files.c.name, files.c.sha256, files.c.size, files.c.version_s, files.c.is_sealed)
_PLACE: Final = (places.c.place, places.c.sha256, places.c.size, places.c.coding, places.c.stored_size)
_SELECT: Final = sa.select(*_FILE)
_SELECT_WHOLE: Final = sa.select(*_FILE, *_PLACE).select_from(
    files.outerjoin(places, places.c.kept_sha256 == files.c.sha256)
)
_BEYOND: Final = "\U0010ffff" * (limits.ASSET_PATH_BYTES_MAX // 4)
"""A text so high and long that what begins with a prefix stands before the prefix and this."""


class Put(NamedTuple):
    """The file as it is after a put, None where the place of its contents was condemned meanwhile and nothing changed;
    and whether contents that were only announced are kept from now on.
    """

    file: StoredFile | None
    is_kept_here: bool


class FileTable:
    """Thread-safe. All methods raise UnavailableError where the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # Reading

    def find(self, name: str) -> StoredFile | None:
        """The file of that name, with where its contents lie."""
        with translated(), self._engine.connect() as connection:
            row = connection.execute(_SELECT_WHOLE.where(files.c.name == name)).first()
        return None if row is None else _file_of(row)

    def listed(self, prefix: str, after: str, limit: int, newest_s: int | None = None) -> list[StoredFile]:
        """Files whose names begin with `prefix` and stand after `after`, at most `limit`, in byte order."""
        query = _SELECT.where(files.c.name > after) if after else _SELECT
        if prefix:
            query = query.where(files.c.name >= prefix, files.c.name < prefix + _BEYOND)
        if newest_s is not None:
            query = query.where(files.c.version_s <= newest_s)
        with translated(), self._engine.connect() as connection:
            return [_file_of(row) for row in connection.execute(query.order_by(files.c.name).limit(limit))]

    def totals(self) -> tuple[int, int, int]:
        """How many files there are, how many contents, and the bytes that these take."""
        with translated(), self._engine.connect() as connection:
            count = connection.execute(sa.select(sa.func.count()).select_from(files)).scalar_one()
            kept = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(places.c.stored_size), 0))
            contents, size = connection.execute(kept.where(places.c.kept_sha256.is_not(None))).one()
        return int(count), int(contents), int(size)

    # Places

    def claim(self, sha256: bytes) -> Contents | None:
        """Where contents of this digest are kept already; from now on no sweep with any grace takes them for old."""
        with translated(), self._engine.connect() as connection:
            row = connection.execute(sa.select(*_PLACE).where(places.c.kept_sha256 == sha256)).first()
        if row is None or not self._write(lambda connection: _touch(connection, sha256)):
            return None
        return _contents_of(row)

    def announce(self, contents: Contents) -> None:
        """Say that bytes will lie in a place, before they do."""
        values = dict(zip((c.name for c in _PLACE), _values_of(contents), strict=True))
        row = values | {"kept_sha256": None, "touched_ms": times.now_ms(), "is_condemned": False}
        self._write(lambda connection: connection.execute(sa.insert(places), row))

    def touch(self, place: str) -> None:
        """Note that somebody is at work on a place: for one grace more no sweep looks at it."""
        query = sa.update(places).where(places.c.place == place).values(touched_ms=times.now_ms())
        self._write(lambda connection: connection.execute(query))

    def used_last(self, limit: int) -> list[str]:
        """Some places in which contents are kept, those first that were needed last."""
        query = sa.select(places.c.place).where(places.c.kept_sha256.is_not(None))
        with translated(), self._engine.connect() as connection:
            return [row.place for row in connection.execute(query.order_by(places.c.touched_ms.desc()).limit(limit))]

    def disown(self, place: str) -> None:
        """Keep nothing in a place any more, for its bytes are gone; putting them again heals all names."""
        query = sa.update(places).where(places.c.place == place).values(kept_sha256=None)
        self._write(lambda connection: connection.execute(query))

    def forget(self, chosen: Sequence[str]) -> None:
        """Drop the rows of places whose bytes are removed, unless something is kept there."""
        query = sa.delete(places).where(places.c.place.in_(chosen), places.c.kept_sha256.is_(None))
        self._write(lambda connection: connection.execute(query))

    def condemn(self, cutoff_ms: int, limit: int) -> list[str]:
        """Places that nobody needs since before `cutoff_ms`, which from now on nobody can need; at most `limit`.

        Those that were condemned before and still have a row are among them: whoever was to remove them died.
        """
        old = places.c.touched_ms < cutoff_ms
        unused = ~sa.exists().where(files.c.sha256 == places.c.kept_sha256)
        query = sa.select(places.c.place).where(old, places.c.kept_sha256.is_(None) | unused).limit(limit)
        with translated(), self._engine.connect() as connection:
            candidates = [row.place for row in connection.execute(query)]
        return self._write(lambda connection: _condemn(connection, candidates, old)) if candidates else []

    # Files

    def put(self, name: str, contents: Contents, terms: Terms) -> Put:
        """Give a file these contents, on terms. They are kept already, or announced; their bytes are in place."""
        return self._write(lambda connection: _put(connection, name, contents, terms))

    def delete(self, name: str, terms: Terms) -> tuple[StoredFile, bool]:
        """Remove a file, on terms: what it was, and whether it is gone. Raises ObjectNotFound."""
        return self._write(lambda connection: _delete(connection, name, terms))

    def _write(self, work: Callable[[Connection], T]) -> T:
        """One transaction, again if another got in its way; OutcomeUnknown where its COMMIT has no answer."""
        tries_left = _TRIES
        while True:
            tries_left -= 1
            try:
                with translated(), writing(self._engine) as connection:
                    done = work(connection)
                    _commit(connection)
                    return done
            except RainerError as e:
                if not tries_left or not lost_to_another(e.__cause__):
                    raise


def _commit(connection: Connection) -> None:
    try:
        connection.commit()
    except sa.exc.SQLAlchemyError as e:
        if lost_to_another(e):
            raise
        raise OutcomeUnknown(
            "the database did not say whether the file was changed", hint="the same request may be sent again"
        ) from e


def _put(connection: Connection, name: str, contents: Contents, terms: Terms) -> Put:
    found = _locked(connection, name)
    verdict = judge_put(name, found, terms, contents.sha256)
    if found is not None and verdict is Verdict.LEAVE and found.sha256 != contents.sha256:
        return Put(found, False)
    is_kept_here = False
    # In the order of their digests, as everybody does, or two could wait for each other.
    for sha256 in sorted({contents.sha256} | ({found.sha256} if found else set())):
        if not _touch(connection, sha256) and sha256 == contents.sha256:
            is_kept_here = _keep(connection, contents)
            if not is_kept_here:
                return Put(None, False)
    if found is not None and verdict is not Verdict.WRITE:
        if verdict is Verdict.SEAL:
            connection.execute(sa.update(files).where(files.c.name == name).values(is_sealed=True))
        return Put(replace(found, is_sealed=found.is_sealed or verdict is Verdict.SEAL), is_kept_here)
    _write_row(connection, name, found is None, contents, terms)
    return Put(StoredFile(name, contents.sha256, contents.size, terms.version_s, terms.seal), is_kept_here)


def _write_row(connection: Connection, name: str, is_new: bool, contents: Contents, terms: Terms) -> None:
    values: dict[str, Any] = {
        "sha256": contents.sha256, "size": contents.size, "version_s": terms.version_s, "is_sealed": terms.seal,
        "recorded_ms": times.now_ms(),
    }  # fmt: skip
    if is_new:
        connection.execute(sa.insert(files), values | {"name": name})
    else:
        connection.execute(sa.update(files).where(files.c.name == name).values(values))


def _delete(connection: Connection, name: str, terms: Terms) -> tuple[StoredFile, bool]:
    found = _locked(connection, name)
    if found is None:
        raise no_such_file(name)
    if judge_deletion(name, found, terms) is Verdict.LEAVE:
        return found, False
    _touch(connection, found.sha256)
    connection.execute(sa.delete(files).where(files.c.name == name))
    return found, True


def no_such_file(name: str) -> ObjectNotFound:
    """The error for a name that is not stored."""
    return ObjectNotFound(f"there is no file {shorten(name)}", hint="see /-/store/list/ for those that are")


def _locked(connection: Connection, name: str) -> StoredFile | None:
    row = connection.execute(_SELECT.where(files.c.name == name).with_for_update()).first()
    return None if row is None else _file_of(row)


def _touch(connection: Connection, sha256: bytes) -> bool:
    """Note that contents are needed, and hold their row until the transaction's end; False if they are not kept."""
    query = sa.update(places).where(places.c.kept_sha256 == sha256).values(touched_ms=times.now_ms())
    return connection.execute(query).rowcount > 0


def _keep(connection: Connection, contents: Contents) -> bool:
    """Make an announced place the one of its contents; False if it is condemned or gone."""
    own = sa.update(places).where(places.c.place == contents.place, ~places.c.is_condemned)
    return connection.execute(own.values(kept_sha256=contents.sha256, touched_ms=times.now_ms())).rowcount > 0


def _condemn(connection: Connection, candidates: Sequence[str], old: sa.ColumnElement[bool]) -> list[str]:
    # The rows are locked first and the names are looked up after, in a statement that sees whatever was committed
    # before the lock was ours. A place's name begins with its digest, so the order is everybody's.
    chosen = sa.select(places.c.place, places.c.kept_sha256).where(places.c.place.in_(candidates), old)
    locked = connection.execute(chosen.order_by(places.c.place).with_for_update()).all()
    kept = [row.kept_sha256 for row in locked if row.kept_sha256 is not None]
    needed = sa.select(files.c.sha256).where(files.c.sha256.in_(kept)).distinct()
    in_use = {bytes(row.sha256) for row in connection.execute(needed)} if kept else set()
    condemned = [row.place for row in locked if row.kept_sha256 is None or bytes(row.kept_sha256) not in in_use]
    if condemned:
        query = sa.update(places).where(places.c.place.in_(condemned))
        connection.execute(query.values(kept_sha256=None, is_condemned=True))
    return condemned


def _values_of(contents: Contents) -> tuple[Any, ...]:
    return contents.place, contents.sha256, contents.size, contents.coding, contents.stored_size


def _file_of(row: Any) -> StoredFile:
    name, sha256, size, version_s, is_sealed, *place = row
    contents = _contents_of(place) if place and place[0] is not None else None
    return StoredFile(name, bytes(sha256), size, version_s, bool(is_sealed), contents)


def _contents_of(row: Any) -> Contents:
    place, sha256, size, coding, stored_size = row
    return Contents(place, bytes(sha256), size, coding, stored_size)
