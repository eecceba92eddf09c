"""`rainer import-rainer`: take over the table of an original Rainer."""

from __future__ import annotations

from dataclasses import asdict

import click

from rainer.cli import exit_codes, records
from rainer.cli.invocation import Invocation
from rainer.cli.missing import needs_server
from rainer.cli.options import database_flags, json_option
from rainer.cli.progress import progress_bar
from rainer.errors import InvalidError
from rainer.model.marks import Marks
from rainer.model.names import DEFAULT_NAMESPACE, check_namespace


@click.command("import-rainer", short_help="Take over an original Rainer's table.")
@click.argument("source_url", metavar="URL")
@click.argument("table")
@click.option("--namespace", default=DEFAULT_NAMESPACE, help=f"Namespace to import into.  [{DEFAULT_NAMESPACE}]")
@click.option("--force", is_flag=True, help="Whatever the rules of validation say; the commits are marked for ever.")
@database_flags
@json_option
@click.pass_obj
def command(run: Invocation, source_url: str, table: str, namespace: str, force: bool, as_json: bool) -> None:
    """Import the TABLE of an original Rainer, history included, from the MySQL database at URL.

    Authors, comments, times and payloads stay as they are, whatever their size. Rows that cannot be represented, and
    those that break a rule of validation, are listed and end the command with exit code 5; all others are imported.
    Begun again after an interruption, it goes on where it stopped.
    """
    check_namespace(namespace)
    with needs_server():
        from rainer.journal import import_rainer
        from rainer.validation.importing import RowGuard
    with progress_bar(run.talk, "Importing") as progress:
        report = import_rainer.import_table(
            source_url, table, run.settings.database, namespace=namespace, progress=progress,
            guard=RowGuard, marks=Marks(forced=True).to_text() if force else None,
        )  # fmt: skip
    if as_json:
        records.print_record(run.out, asdict(report))
    else:
        run.out.line(f"imported {report.imported}, skipped {report.skipped}, refused {report.refused_commits}")
        for sentence in report.refused:
            run.talk.line(sentence)
    if not report.refused:
        return
    if as_json:
        raise click.exceptions.Exit(exit_codes.INVALID)
    raise InvalidError(
        f"{report.refused_commits} of the table's commits cannot stand in the journal; the others do",
        hint="mend the rows listed above, and run this again: it imports what is missing",
    )
