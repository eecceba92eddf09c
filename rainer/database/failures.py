"""Driver errors, translated once, here, into the tree that users know."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from sqlalchemy import exc

from rainer.errors import CorruptError, InvalidError, RainerError, UnavailableError

# What the words of SQLite, PostgreSQL and MySQL have in common, and what to say and advise; the first that fits counts.
_CONDITIONS: Final[tuple[tuple[tuple[str, ...], str, str], ...]] = (
    (
        ("disk is full", "no space left", "disk full", "is full"),
        "the database's disk is full",
        "make room; reads go on meanwhile",
    ),
    (
        ("readonly database", "read-only", "read only"),
        "the database is read-only",
        "make the file and its folder, or the server, writable; reads go on meanwhile",
    ),
    (
        ("database is locked", "table is locked", "lock timeout", "lock wait timeout", "deadlock"),
        "another writer holds the journal",
        "try again",
    ),
    (
        ("unable to open database file",),
        "the database file cannot be opened",
        "is its folder there, and may this user read and write it?",
    ),
    (("disk i/o error", "input/output error", "out of memory"), "the database's machine fails", "look at its logs"),
    (
        ("no such table", "doesn't exist", "relation "),
        "the database holds no journal",
        "run `rainer db upgrade`",
    ),
    (
        ("does not exist", "unknown database"),
        "the database is not there",
        "make it first; Rainer makes the tables, not the database",
    ),
)


def translate(error: Exception, *, writing: bool = False) -> RainerError:
    """The RainerError for what a driver raised; it names the database's own words.

    `writing` says that rows were being written on a connection that worked: what then tells neither of the connection
    nor of the server's condition lies in the rows, and other rows of the same group may still be taken.
    """
    words = " ".join(str(getattr(error, "orig", None) or error).split())
    if isinstance(error, exc.IntegrityError):
        return CorruptError(f"the journal contradicts itself: {words}", hint="run `rainer verify`")
    if isinstance(error, exc.DataError):
        return InvalidError(f"the database refuses this value: {words}")
    low = words.lower()
    if "malformed" in low or "not a database" in low:
        return CorruptError(f"the database file is damaged: {words}", hint="restore a copy, then `rainer db adopt`")
    for signs, message, hint in _CONDITIONS:
        if any(sign in low for sign in signs):
            return UnavailableError(f"{message}: {words}", hint=hint)
    if writing and not (isinstance(error, exc.DBAPIError) and error.connection_invalidated):
        return InvalidError(f"the database refuses this value: {words}")
    return UnavailableError(f"the database does not answer: {words}", hint="is it running, and is its URL right?")


@contextlib.contextmanager
def translated(*, writing: bool = False) -> Iterator[None]:
    """Turn SQLAlchemy's errors raised inside the block into RainerErrors."""
    try:
        yield
    except (exc.SQLAlchemyError, OSError) as e:
        raise translate(e, writing=writing) from e
