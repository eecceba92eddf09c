"""`rainer commit-value`: pyrainer's way to commit what is piped in."""

from __future__ import annotations

import click

from rainer.cli import committing
from rainer.cli.invocation import Invocation
from rainer.cli.options import author_flag, json_option, key_argument, url_flag, version_argument
from rainer.cli.waiting import wait_flags
from rainer.cli.wishing import wish_flags


@click.command("commit-value", short_help="Commit what is piped in.")
@key_argument
@version_argument
@click.option("-m", "--message", required=True, metavar="TEXT", help="Why: the commit's comment.")
@json_option
@wish_flags
@wait_flags
@author_flag
@url_flag
@click.pass_obj
def command(run: Invocation, key: str, version: int | None, message: str, as_json: bool) -> None:
    """Commit standard input as VERSION of KEY, by default 1 (as pyrainer does: a key that exists is a conflict).

    `rainer commit KEY` finds the next version by itself.
    """
    author = run.author
    payload = committing.read_standard_input(run)
    commit = run.client.commit(key, payload, version=version or 1, author=author, comment=message, **run.wish)
    committing.report_commit(run, commit, as_json=as_json)
