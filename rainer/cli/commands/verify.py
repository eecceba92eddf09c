"""`rainer verify`: recompute the journal's hash chain and heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rainer.cli import exit_codes, records
from rainer.cli.invocation import Invocation
from rainer.cli.missing import need_journal, needs_server
from rainer.cli.options import POSITION, database_flags, json_option
from rainer.cli.progress import progress_bar

if TYPE_CHECKING:
    from rainer.journal import Verification
    from rainer.model.position import Position


@click.command("verify", short_help="Recompute the hash chain: was anything tampered with?")
@database_flags
@click.option("--expect", type=POSITION, metavar="POSITION", help="LINEAGE:REVISION:CHAIN, as `rainer status` told it.")
@json_option
@click.pass_context
def command(ctx: click.Context, expect: Position | None, as_json: bool) -> None:
    """Recompute the chain of hashes over all commits, and the heads; exit code 9 if anything was tampered with.

    It reads the database itself, and may run beside servers. Without --expect a journal whose newest commits were cut
    off looks whole.
    """
    run: Invocation = ctx.obj
    with needs_server():
        from rainer.journal import Journal
    need_journal(run)
    with Journal(run.settings.database) as journal, progress_bar(run.talk, "Verifying") as progress:
        outcome = journal.verify(expect=expect, progress=progress)
    if as_json:
        records.print_record(run.out, _record(outcome))
    else:
        _print(run, outcome)
    if not outcome.ok:
        ctx.exit(exit_codes.CORRUPT)


def _record(outcome: Verification) -> dict[str, object]:
    return {
        "ok": outcome.ok,
        "commits": outcome.commits,
        "position": str(outcome.position),
        "first_bad": outcome.first_bad,
        "problems": list(outcome.problems),
    }


def _print(run: Invocation, outcome: Verification) -> None:
    if outcome.ok:
        run.talk.line(("whole", "good"), f": {outcome.commits:,} commits, every hash and head as it must be")
    else:
        where = f", first at revision {outcome.first_bad}" if outcome.first_bad is not None else ""
        run.talk.line(("error: ", "error"), f"the journal is corrupt{where}")
        for problem in outcome.problems:
            run.talk.line(f"  {problem}")
    run.out.line(str(outcome.position))
