"""`rainer db`: the schema of the journal's database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rainer.cli import exit_codes, records
from rainer.cli.asking import confirm
from rainer.cli.invocation import Invocation
from rainer.cli.missing import need_journal, needs_server
from rainer.cli.options import database_flags, json_option, yes_option
from rainer.settings import BY_NAME

if TYPE_CHECKING:
    from rainer.database.migrate import SchemaState


@click.group("db", short_help="Check, upgrade, adopt a database.", no_args_is_help=False)
def command() -> None:
    """Check and upgrade the database, and adopt a restored one."""


@command.command("check")
@database_flags
@json_option
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Say which schema the database has and which is wanted; exit code 10 where they differ."""
    run: Invocation = ctx.obj
    with needs_server():
        from rainer.database import migrate
    state = migrate.check(run.settings.database)
    _print(run, state, as_json)
    if not state.ok:
        if not as_json:
            run.talk.line(("hint:  ", "hint"), "rainer db upgrade")
        ctx.exit(exit_codes.SCHEMA_MISMATCH)


@command.command("upgrade")
@database_flags
@json_option
@click.pass_obj
def upgrade(run: Invocation, as_json: bool) -> None:
    """Make the schema what this version of Rainer wants; an empty database is made ready."""
    with needs_server():
        from rainer.database import migrate
    _print(run, migrate.upgrade(run.settings.database), as_json)


@command.command("adopt")
@database_flags
@yes_option
@json_option
@click.pass_obj
def adopt(run: Invocation, yes: bool, as_json: bool) -> None:
    """Begin a new lineage on a database that was restored from a backup or promoted from a replica.

    Every cache, feed and mirror then reloads instead of taking the restored journal for the one it knew.
    """
    with needs_server():
        from rainer.journal import administration
    need_journal(run)
    if not yes:
        confirm(f"Begin a new lineage in {_shown(run)}? Everyone who follows this journal reloads.")
    position = administration.adopt(run.settings.database)
    if as_json:
        records.print_record(run.out, {"position": str(position), "lineage": position.lineage})
        return
    run.talk.line(("adopted", "good"), f": the journal goes on at revision {position.revision} in a new lineage")
    run.out.line(str(position))


def _print(run: Invocation, state: SchemaState, as_json: bool) -> None:
    if as_json:
        records.print_record(run.out, {"current": state.current, "wanted": state.wanted, "ok": state.ok})
        return
    run.out.line(("database  ", "quiet"), _shown(run))
    run.out.line(("current   ", "quiet"), (state.current or "none", "good" if state.ok else "warning"))
    run.out.line(("wanted    ", "quiet"), state.wanted)


def _shown(run: Invocation) -> str:
    return BY_NAME["database"].show(run.settings.database)
