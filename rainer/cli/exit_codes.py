"""The exit codes, in one table: what scripts test, what `rainer --help` lists, and which error ends in which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rainer import errors

DONE: Final = 0
NOTHING_DONE: Final = 1
USAGE: Final = 2
INVALID: Final = 5
DENIED: Final = 6
CORRUPT: Final = 9
SCHEMA_MISMATCH: Final = 10
BUG: Final = 70
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141


class NothingDone(errors.RainerError):
    """The user said no, or there was nothing to do: not a failure, and not success either."""

    code = "nothing-done"


class NotApplied(errors.UnavailableError):
    """Too few mirrors have applied a commit in the time given; the commit stands, so it is not to be repeated."""

    code = "not-applied"
    retryable = False


@dataclass(frozen=True, slots=True)
class ExitCode:
    """A row of the table: the number, its meaning in a few words, and the branches of errors that end in it."""

    number: int
    meaning: str
    branches: tuple[type[errors.RainerError], ...] = ()


TABLE: Final = (
    ExitCode(DONE, "done"),
    ExitCode(NOTHING_DONE, "nothing to do, or you said no", (NothingDone,)),
    ExitCode(USAGE, "the command line is wrong"),
    ExitCode(3, "conflict: somebody else was first", (errors.ConflictError,)),
    ExitCode(4, "not found", (errors.NotFoundError,)),
    ExitCode(INVALID, "invalid: refused for what it is", (errors.InvalidError,)),
    ExitCode(DENIED, "denied", (errors.DeniedError,)),
    ExitCode(7, "unavailable: nothing was done, try again; or --wait ran out", (errors.UnavailableError,)),
    ExitCode(8, "outcome unknown: look before you try again", (errors.OutcomeUnknown,)),
    ExitCode(CORRUPT, "corrupt: stored data contradicts itself", (errors.CorruptError,)),
    ExitCode(SCHEMA_MISMATCH, "the database has another schema", (errors.SchemaMismatch,)),
    ExitCode(11, "an optional part is not installed", (errors.MissingExtra,)),
    ExitCode(BUG, "a bug in Rainer", (errors.RainerError,)),
    ExitCode(INTERRUPTED, "interrupted (^C)"),
    ExitCode(PIPE_CLOSED, "whoever read the output stopped reading"),
)


def of(error: errors.RainerError) -> int:
    """The exit code of an error: the first row that has a branch of it."""
    return next(row.number for row in TABLE if isinstance(error, row.branches))
