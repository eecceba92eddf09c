"""Driver errors, translated once, here, into the tree that users know."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sqlalchemy import exc

from rainer.errors import CorruptError, InvalidError, RainerError, UnavailableError

_DISK_FULL = ("database or disk is full", "no space left", "disk full", "is full")
_READ_ONLY = ("readonly database", "read-only", "read only")
_LOCKED = ("database is locked", "database table is locked", "lock timeout", "lock wait timeout", "deadlock")


def is_broken_data(error: exc.DBAPIError) -> bool:
    """Whether the fault lies in the rows sent, so that other rows of the same group may still succeed."""
    return isinstance(error, exc.DataError | exc.IntegrityError | exc.ProgrammingError)


def translate(error: Exception) -> RainerError:
    """The RainerError for what a driver raised; it names the database's own words."""
    words = " ".join(str(getattr(error, "orig", None) or error).split())
    low = words.lower()
    if any(w in low for w in _DISK_FULL):
        return UnavailableError(f"the database's disk is full: {words}", hint="make room; reads go on meanwhile")
    if any(w in low for w in _READ_ONLY):
        return UnavailableError(
            f"the database is read-only: {words}", hint="make the file, or the server, writable; reads go on meanwhile"
        )
    if any(w in low for w in _LOCKED):
        return UnavailableError(f"another writer holds the journal: {words}", hint="try again")
    if isinstance(error, exc.IntegrityError):
        return CorruptError(f"the journal contradicts itself: {words}", hint="run `rainer verify`")
    if isinstance(error, exc.DataError):
        return InvalidError(f"the database refuses this value: {words}")
    if "malformed" in low or "not a database" in low:
        return CorruptError(f"the database file is damaged: {words}", hint="restore a copy, then `rainer db adopt`")
    if "no such table" in low or "doesn't exist" in low or "does not exist" in low:
        return UnavailableError(f"the database holds no journal: {words}", hint="run `rainer db upgrade`")
    return UnavailableError(f"the database does not answer: {words}", hint="is it running, and is its URL right?")


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn SQLAlchemy's errors raised inside the block into RainerErrors."""
    try:
        yield
    except exc.SQLAlchemyError as e:
        raise translate(e) from e
    except OSError as e:
        raise translate(e) from e
