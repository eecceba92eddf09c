"""Driver errors, translated once, here, into the tree that users know."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import exc

from rainer.errors import CorruptError, InvalidError, RainerError, UnavailableError

STATEMENT_TIMEOUT_S: Final = 30


@dataclass(frozen=True, slots=True)
class _Condition:
    """What is wrong with a database: SQLSTATEs and MySQL's numbers that say so, words for where there is no code."""

    message: str
    hint: str
    codes: str
    words: str = r"(?!)"

    def fits_code(self, code: str) -> bool:
        return code in self.codes.split()


_CONDITIONS: Final = (
    _Condition(
        "the database's disk is full",
        "make room; reads go on meanwhile",
        "53100 1021 1114 SQLITE_FULL",
        "disk is full|no space left|disk full|is full",
    ),
    _Condition(
        "a file of the database is gone",
        "look at the server's logs, and restore a copy, then `rainer db adopt`",
        "58P01 1017 1812 1932 SQLITE_READONLY_DBMOVED",
        "could not open file",
    ),
    _Condition(
        "the database is read-only",
        "make the file and its folder, or the server, writable; reads go on meanwhile",
        "25006 1290 1792 1836",
        "readonly database|read-only|read only",
    ),
    _Condition(
        "the database user may not do this",
        "grant it SELECT, INSERT and UPDATE on Rainer's tables, DELETE on those of the server store, and to make"
        " tables for `rainer db upgrade`",
        "42501 1044 1142 1143 1227 1370",
        "permission denied for|command denied to user",
    ),
    _Condition(
        "the database does not accept this user",
        "look at the user's name and password, and at whom the server lets in",
        "28000 28P01 1045 1698",
        "password authentication failed|no pg_hba.conf entry",
    ),
    _Condition(
        "another transaction got in between", "try again", "40001 1020", "could not serialize access|record has changed"
    ),
    _Condition(
        "another writer holds the journal",
        "try again",
        "55P03 40P01 1205 1213",
        "database is locked|table is locked|lock timeout|lock wait timeout|deadlock",
    ),
    _Condition(
        f"the statement took over {STATEMENT_TIMEOUT_S} s",
        "is the database overloaded, or its disk slow? try again",
        "",
        "statement timeout",
    ),
    _Condition(
        "the statement took longer than the server allows", "raise its max_statement_time, or try again", "1969 3024"
    ),
    _Condition("the server broke the statement off", "try again", "57014 1317"),
    _Condition("the server takes no statements now", "is it ready, or a node apart from its cluster?", "1047 57P03"),
    _Condition(
        "the server has no connection free",
        "raise its max_connections, or run fewer processes",
        "53300 1040 1203",
        "too many connections|too many clients",
    ),
    _Condition(
        "the database file cannot be opened",
        "is its folder there, and may this user read and write it?",
        "SQLITE_CANTOPEN",
        "unable to open database file",
    ),
    _Condition(
        "the database's machine fails",
        "look at its logs",
        "58030 53200 1037 1041",
        "disk i/o error|input/output error|out of memory",
    ),
    _Condition(
        "the database holds a table that is not Rainer's",
        "give Rainer a database of its own",
        "42P07 42703 1050 1054",
        "already exists|no such column|has no column named",
    ),
    _Condition(
        "the database holds no journal",
        "run `rainer db upgrade`",
        "42P01 1146",
        'no such table|doesn\'t exist|relation ".*" does not exist',
    ),
    _Condition(
        "the database is not there",
        "make it first; Rainer makes the tables, not the database",
        "3D000 1049",
        "does not exist|unknown database",
    ),
)
# A deadlock, or rows that moved between two statements.
_RIVAL_CODES: Final = frozenset({"40001", "40P01", "1020", "1213"})
# What lies in the values of a statement: other rows of the same group may still be taken.
_CONTENT_CODES: Final = frozenset(
    {"1153", "1264", "1265", "1292", "1366", "1367", "1406", "3819", "4025", "54000", "SQLITE_TOOBIG"}
)


def translate(error: Exception) -> RainerError:
    """The RainerError for what a driver raised; it names the database's own words."""
    words = words_of(error)
    code = _code_of(error)
    if isinstance(error, exc.IntegrityError):
        return CorruptError(f"the journal contradicts itself: {words}", hint="run `rainer verify`")
    if code in _CONTENT_CODES or re.fullmatch("22[0-9A-Z]{3}", code):
        return InvalidError(f"the database refuses this value: {words}")
    low = words.lower()
    if "malformed" in low or "not a database" in low:
        return CorruptError(f"the database file is damaged: {words}", hint="restore a copy, then `rainer db adopt`")
    if isinstance(error, exc.DataError) and not code:
        return InvalidError(f"the database refuses this value: {words}")
    return unavailable(error) or UnavailableError(
        f"the database does not answer: {words}", hint="is it running, and is its URL right?"
    )


def unavailable(error: Exception) -> UnavailableError | None:
    """The error of a condition of the database that we know, by its code or else its words; None for any other."""
    words, code = words_of(error), _code_of(error)
    low = words.lower()
    timed_out = code == "57014" and "statement timeout" in low  # one code for that and for a DBA's cancel
    found = None if timed_out else next((c for c in _CONDITIONS if c.fits_code(code)), None)
    found = found or next((c for c in _CONDITIONS if re.search(c.words, low)), None)
    return None if found is None else UnavailableError(f"{found.message}: {words}", hint=found.hint)


def lost_to_another(error: BaseException | None) -> bool:
    """Whether a statement failed only because of another transaction, so that its own may simply be tried again."""
    return isinstance(error, exc.IntegrityError) or (
        isinstance(error, exc.DBAPIError) and _code_of(error) in _RIVAL_CODES
    )


def words_of(error: Exception) -> str:
    """What an error says, on one line; its kind where it says nothing."""
    said = getattr(error, "orig", None) or error
    return " ".join(str(said).split()) or type(said).__name__


def _code_of(error: Exception) -> str:
    """The SQLSTATE, MySQL's number or SQLite's name of an error; empty where it has none."""
    said = getattr(error, "orig", None) or error
    if isinstance(error, exc.DBAPIError) and said.args and isinstance(said.args[0], int):
        return str(said.args[0])  # MySQL's number tells more than the SQLSTATE that comes with it
    code = getattr(said, "sqlstate", None) or getattr(said, "sqlite_errorname", None)
    return "" if code is None else str(code)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn SQLAlchemy's errors raised inside the block into RainerErrors."""
    try:
        yield
    except (exc.SQLAlchemyError, OSError) as e:
        raise translate(e) from e
