"""`rainer revert`: make an older payload the newest."""

from __future__ import annotations

import click

from rainer.cli import committing
from rainer.cli.asking import confirm
from rainer.cli.differences import print_difference
from rainer.cli.exit_codes import NothingDone
from rainer.cli.invocation import Invocation
from rainer.cli.options import (
    VERSION,
    author_flag,
    json_option,
    key_argument,
    message_option,
    url_flag,
    yes_option,
)
from rainer.cli.pasting import to_paste
from rainer.cli.waiting import wait_flags
from rainer.cli.wishing import need_reason, wish_flags


@click.command("revert", short_help="Make an older payload the newest.")
@key_argument
@click.option("--to", type=VERSION, metavar="V", help="The version whose payload is wanted, instead of the one before.")
@yes_option
@message_option
@json_option
@wish_flags
@wait_flags
@author_flag
@url_flag
@click.pass_obj
def command(run: Invocation, key: str, to: int | None, yes: bool, message: str | None, as_json: bool) -> None:
    """Commit again what KEY held before its newest commit, or in the version named by --to.

    Shows the difference and asks. Nothing is taken out of the history; reverting a revert brings back what was.
    """
    need_reason(run, message)
    author = run.author
    head = run.client.get(key)
    if to is None and head.version == 1:
        raise NothingDone(f"nothing to do: {key!r} has one version only", hint=to_paste("uncommit", key))
    wanted = run.client.get(key, head.version - 1 if to is None else to)
    if wanted.payload == head.payload:
        raise NothingDone(f"nothing to do: versions {wanted.version} and {head.version} of {key!r} hold the same")
    committing.say_version(run, key, head)
    labels = f"{key} {head.version}", f"{key} {head.version + 1} (as version {wanted.version})"
    print_difference(run.talk, head.payload, wanted.payload, *labels)
    if not (yes or run.dry_run):
        what = "Remove it again" if wanted.is_empty else "Commit this"
        confirm(f"{what} as version {head.version + 1} of {key} at {run.client.url}?")
    comment = f"Revert to version {wanted.version}" if message is None else message
    commit = run.client.commit(
        key, wanted.payload, version=head.version + 1, author=author, comment=comment, **run.wish
    )  # fmt: skip
    committing.report_commit(run, commit, as_json=as_json)
