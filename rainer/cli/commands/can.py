"""`rainer can`: who may do what, and why."""

from __future__ import annotations

import click

from rainer.cli import exit_codes, records
from rainer.cli.invocation import Invocation
from rainer.cli.options import json_option, url_flag
from rainer.model.policy import PERMISSIONS


@click.command("can", short_help="Who may do what, and why.")
@click.argument("who")
@click.argument("what", type=click.Choice(PERMISSIONS))
@click.argument("where", required=False)
@click.option("--group", "groups", multiple=True, metavar="NAME", help="A group that an issuer says WHO is in.")
@json_option
@url_flag
@click.pass_obj
def command(run: Invocation, who: str, what: str, where: str | None, groups: tuple[str, ...], as_json: bool) -> None:
    """Say whether WHO may WHAT on WHERE, and which grant of the policy gives it.

    WHO is a name, `anonymous`, or `me`. WHERE is a key (prod/app.x), keys (prod/app.*), a namespace (prod), files
    (store:files/*) or * for everything; without it, anything that WHO may WHAT is listed. About others only who may
    admin everything is told. Ends with 0 if it is allowed, and with 6 if it is not.
    """
    found = run.client.can(what, where, who=None if who == "me" else who, groups=groups)
    if as_json:
        records.print_record(run.out, found)
    else:
        word = ("yes", "good") if found["allowed"] else ("no", "removed")
        run.out.line(word, f": {found['because']}")
    if not found["allowed"]:
        run.out.stream.flush()
        raise click.exceptions.Exit(exit_codes.DENIED)
