"""`rainer proposal show`: a proposal, whole."""

from __future__ import annotations

import click

from rainer.cli import proposing, records
from rainer.cli.invocation import Invocation
from rainer.cli.options import json_option, url_flag
from rainer.cli.terminal import paged


@click.group("proposal", short_help="Show a proposal.", no_args_is_help=False)
def command() -> None:
    """Show a proposal: who proposes what, why, and the difference."""


@command.command("show")
@click.argument("proposal", metavar="ID")
@json_option
@url_flag
@click.pass_obj
def show(run: Invocation, proposal: str, as_json: bool) -> None:
    """Show the proposal ID as a difference to what it was made on, with who approved and what became of it."""
    found = run.client.proposal(proposal)
    if as_json:
        records.print_record(run.out, found)
        return
    with paged(run.settings.pager) as out:
        proposing.print_proposal(out, found)
