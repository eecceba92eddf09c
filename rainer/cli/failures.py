"""How a command that fails says so: one sentence and the next step, or JSON; never a traceback unless asked for."""

from __future__ import annotations

import errno
import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from rainer.cli import exit_codes
from rainer.cli.terminal import Output
from rainer.errors import DeniedError, InvalidError, NoSpace, RainerError
from rainer.model.setting_values import redact


class WrongUsage(click.UsageError):
    """A wrong command line whose hint says more than where the help is."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def report(error: BaseException, talk: Output, *, as_json: bool, debug: bool) -> int:
    """Say on stderr what went wrong; return the exit code."""
    if debug and not isinstance(error, click.exceptions.Abort | click.UsageError):
        talk.stream.write(redact("".join(traceback.format_exception(error))))
    number, body = _describe(error)
    notes: list[str] = getattr(error, "__notes__", [])
    if as_json:
        talk.stream.write(json.dumps(body | {"exit_code": number} | ({"notes": notes} if notes else {})) + "\n")
        return number
    if number == exit_codes.NOTHING_DONE:
        talk.line(body["detail"])
    else:
        talk.line(("error: ", "error"), body["detail"])
    for line in str(body.get("hint") or "").splitlines():
        talk.line(("hint:  ", "hint"), line)
    for note in notes:
        talk.line(("note:  ", "warning"), note)
    return number


def _describe(error: BaseException) -> tuple[int, dict[str, Any]]:
    if isinstance(error, RainerError):
        body = error.as_dict()
        return exit_codes.of(error), body | {"detail": redact(body["detail"])}
    if isinstance(error, click.UsageError):
        return exit_codes.USAGE, _body("usage", redact(error.format_message()), _usage_hint(error))
    if isinstance(error, click.ClickException):
        return exit_codes.USAGE, _body("usage", error.format_message(), None)
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        return exit_codes.INTERRUPTED, _body("interrupted", "interrupted", None)
    if isinstance(error, OSError) and error.strerror:
        return _describe(_of_system(error))
    what = f"{type(error).__name__}: {redact(str(error))}"
    hint = "RAINER_DEBUG=yes shows where; please report it"
    return exit_codes.BUG, _body("internal", f"this is a bug in Rainer: {what}", hint)


def _of_system(error: OSError) -> RainerError:
    where = f"{error.filename2 or error.filename}: " if error.filename else ""
    text = f"{where}{error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return NoSpace(text, hint="make room, or write to another disk")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return DeniedError(text, hint="look at the owner and mode of the file and of its folder")
    return InvalidError(text)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have whatever the system refuses while a file is written speak of that file, and not of a temporary one."""
    try:
        yield
    except OSError as e:
        e.filename, e.filename2 = str(path), None
        raise


def _usage_hint(error: click.UsageError) -> str | None:
    if isinstance(error, WrongUsage):
        return error.hint
    return None if error.ctx is None else f"{error.ctx.command_path} --help"


def _body(code: str, detail: str, hint: str | None) -> dict[str, Any]:
    return {"code": code, "detail": detail, "retryable": False} | ({"hint": hint} if hint else {})
