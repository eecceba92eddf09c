"""`rainer approve`: commit what somebody else proposed."""

from __future__ import annotations

import click

from rainer.cli import proposing
from rainer.cli.asking import confirm
from rainer.cli.invocation import Invocation
from rainer.cli.options import json_option, message_option, url_flag, yes_option
from rainer.cli.waiting import wait_flags, wait_for_proposal


@click.command("approve", short_help="Approve a proposal, and commit it.")
@click.argument("proposal", metavar="ID")
@message_option
@yes_option
@json_option
@wait_flags
@url_flag
@click.pass_obj
def command(run: Invocation, proposal: str, message: str | None, yes: bool, as_json: bool) -> None:
    """Show the proposal ID, ask, and approve of it: with the last approval that it needs, it is committed.

    Nobody approves their own. If something that it was made on has moved, it is not committed: see `rainer propose
    --again`. Where further approvals are needed, --wait waits for nothing.
    """
    if not yes:
        found = run.client.proposal(proposal)
        proposing.print_proposal(run.talk, found)
        confirm(f"Approve {proposal} at {run.client.url}?")
    done = run.client.approve(proposal, message or "")
    proposing.report_decision(run, done, as_json=as_json)
    if done["state"] == "committed":
        wait_for_proposal(run, done)
