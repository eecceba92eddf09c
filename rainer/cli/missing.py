"""What a command needs and may not find: the server's libraries, a journal in the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rainer.errors import NotFoundError, missing_extra
from rainer.settings import BY_NAME

if TYPE_CHECKING:
    from rainer.cli.invocation import Invocation


@contextmanager
def needs_server() -> Iterator[None]:
    """Turn a failed import of somebody else's module into the pip command that provides it."""
    try:
        yield
    except ModuleNotFoundError as e:
        missing = e.name or "a module"
        if missing.split(".")[0] == "rainer":
            raise
        raise missing_extra(f"this command needs the server's libraries, and {missing} is not installed") from None


def need_journal(run: Invocation) -> None:
    """Raise NotFoundError where the database holds no journal: opening one would make it, and call it whole."""
    from rainer.database import migrate

    if migrate.check(run.settings.database).current is None:
        where = BY_NAME["database"].show(run.settings.database)
        raise NotFoundError(f"there is no journal in {where}", hint="name the database with --database")
