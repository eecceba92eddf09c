"""`rainer uncommit`: remove a key, keeping its history."""

from __future__ import annotations

import click

from rainer.cli import committing, records
from rainer.cli.asking import confirm
from rainer.cli.exit_codes import NothingDone
from rainer.cli.invocation import Invocation
from rainer.cli.options import (
    author_flag,
    json_option,
    key_argument,
    message_option,
    url_flag,
    version_argument,
    yes_option,
)
from rainer.cli.waiting import wait_flags
from rainer.cli.wishing import need_reason, wish_flags
from rainer.errors import KeyConflict, VersionConflict


@click.command("uncommit", short_help="Remove a key; its history stays.")
@key_argument
@version_argument
@yes_option
@message_option
@json_option
@wish_flags
@wait_flags
@author_flag
@url_flag
@click.pass_obj
def command(run: Invocation, key: str, version: int | None, yes: bool, message: str | None, as_json: bool) -> None:
    """Remove KEY with an empty commit; its history stays, and `rainer revert` brings it back.

    With VERSION, only if that is still the newest.
    """
    need_reason(run, message)
    author = run.author
    head = run.client.get(key)
    if version is not None and version != head.version:
        raise VersionConflict([KeyConflict(head.namespace, key, head.version + 1, version + 1)])
    if head.is_empty:
        raise NothingDone(f"nothing to do: version {head.version} by {head.author} removed {key!r}")
    committing.say_version(run, key, head)
    if not (yes or run.dry_run):
        confirm(f"Remove {key} ({records.size_text(head.payload)}) from {run.client.url}?")
    commit = run.client.commit(key, None, version=head.version + 1, author=author, comment=message or "", **run.wish)
    committing.report_commit(run, commit, as_json=as_json)
