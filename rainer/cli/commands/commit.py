"""`rainer commit`: a new version from a file or a pipe."""

from __future__ import annotations

from pathlib import Path

import click

from rainer.cli import committing
from rainer.cli.exit_codes import NothingDone
from rainer.cli.failures import WrongUsage
from rainer.cli.invocation import Invocation
from rainer.cli.options import VERSION, author_flag, json_option, key_argument, message_option, url_flag
from rainer.cli.pasting import to_paste
from rainer.cli.waiting import wait_flags
from rainer.cli.wishing import wish_flags


@click.command("commit", short_help="A new version from a file or a pipe.")
@key_argument
@click.argument("file", type=click.Path(allow_dash=True, exists=True, dir_okay=False), required=False)
@message_option
@click.option("--version", type=VERSION, metavar="V", help="The version to write; it must be the next one.")
@click.option("--if-changed", is_flag=True, help="Do nothing (exit code 1) where the newest version holds the same.")
@json_option
@wish_flags
@wait_flags
@author_flag
@url_flag
@click.pass_obj
def command(
    run: Invocation,
    key: str,
    file: str | None,
    message: str | None,
    version: int | None,
    if_changed: bool,
    as_json: bool,
) -> None:
    """Commit FILE, or standard input, as the next version of KEY.

    Without --version it is the one after the version that was newest when the command began. If somebody else commits
    meanwhile, that is a conflict and nothing is written. The bytes are kept as they are.
    """
    if message is None:
        raise _no_message(key)
    author = run.author
    head = None
    if version is None or if_changed:
        head = committing.head_of(run, key)
    if version is None:
        version = committing.next_version(head)
        committing.say_version(run, key, head)
    if file is None or file == "-":
        payload = committing.read_standard_input(run)
    else:
        with Path(file).open("rb") as stream:
            payload = committing.read_payload(stream, file)
    if if_changed and head is not None and head.payload == payload:
        raise NothingDone(f"nothing to do: version {head.version} of {key!r} holds the same")
    if not payload:
        run.talk.line(("warning: ", "warning"), "the payload has no bytes; `rainer uncommit` removes a key")
    commit = run.client.commit(key, payload, version=version, author=author, comment=message, **run.wish)
    committing.report_commit(run, commit, as_json=as_json)


def _no_message(key: str) -> WrongUsage:
    ours, formerly = to_paste("commit", key, "FILE", options=("-m", "MESSAGE")), to_paste("commit-prepared", key)
    return WrongUsage(
        "say why with -m MESSAGE",
        hint=f"{ours}\npyrainer's `commit KEY`, which reads YAML, --- and the payload, is now: {formerly}",
    )
