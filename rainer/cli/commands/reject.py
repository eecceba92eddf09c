"""`rainer reject`: refuse what somebody proposed, or take one's own proposal back."""

from __future__ import annotations

import click

from rainer.cli import proposing
from rainer.cli.failures import WrongUsage
from rainer.cli.invocation import Invocation
from rainer.cli.options import json_option, message_option, url_flag


@click.command("reject", short_help="Reject a proposal, or take it back.")
@click.argument("proposal", metavar="ID")
@message_option
@json_option
@url_flag
@click.pass_obj
def command(run: Invocation, proposal: str, message: str | None, as_json: bool) -> None:
    """Reject the proposal ID, and say why: it is never committed then.

    Who may approve of it may reject it, and who made it may take it back.
    """
    if message is None:
        raise WrongUsage("say why with -m MESSAGE", hint=f"rainer reject {proposal} -m MESSAGE")
    proposing.report_decision(run, run.client.reject(proposal, message), as_json=as_json)
