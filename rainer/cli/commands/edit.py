"""`rainer edit`: change a key in an editor."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rainer.cli import committing
from rainer.cli.failures import WrongUsage
from rainer.cli.invocation import Invocation
from rainer.cli.options import (
    author_flag,
    json_option,
    key_argument,
    message_option,
    settings_flags,
    url_flag,
    yes_option,
)
from rainer.cli.pasting import to_paste
from rainer.cli.waiting import wait_flags
from rainer.cli.wishing import force_flag
from rainer.errors import InvalidError, RainerError
from rainer.model.names import check_key

if TYPE_CHECKING:
    from rainer.model.commit import Commit


@click.command("edit", short_help="Change a key in your editor.")
@key_argument
@message_option
@yes_option
@json_option
@force_flag
@click.option("--propose", is_flag=True, help="Propose it, for somebody else to approve, instead of committing it.")
@wait_flags
@author_flag
@settings_flags("editor")
@url_flag
@click.pass_obj
def command(run: Invocation, key: str, message: str | None, yes: bool, propose: bool, as_json: bool) -> None:
    """Change KEY in your editor, see the difference, say why, and commit; a new key begins empty.

    If somebody else commits meanwhile, both changes are merged where they do not touch; else the editor opens again
    with both between marks. If the namespace's format refuses the text, the editor opens again with the reason on top.
    A rule of validation that the text breaks opens it again, too, at the line that is meant if the editor knows how.
    Whatever fails, the file with your work stays and its path is told. If the text ended without a newline, the one
    that editors add is taken off again.
    """
    from rainer.cli import proposing
    from rainer.cli.editing import Edit
    from rainer.cli.workfile import WorkFile, is_editable

    check_key(key)
    if propose and run.force:
        raise WrongUsage("a proposal is not forced", hint="leave --force or --propose away")
    head = committing.head_of(run, key)
    if head is not None and not is_editable(head.payload):
        show, commit_it = to_paste("show", key), to_paste("commit", key, "FILE", options=("-m", "MESSAGE"))
        raise InvalidError(
            f"version {head.version} of {key!r} is binary, and an editor would damage it",
            hint=f"{show} > FILE, and after the change: {commit_it}",
        )
    _say_what_is_known(run, key, head)
    work = WorkFile(run.settings.state_dir, key, _format(run, key))
    if propose:
        made = Edit(run, key, head, work, yes=yes, send=partial(_propose, run, key), command="propose").perform(message)
        proposing.report_proposal(run, made, as_json=as_json)
    else:
        commit = Edit(run, key, head, work, yes=yes, send=partial(_commit, run, key)).perform(message)
        committing.report_commit(run, commit, as_json=as_json)


def _commit(run: Invocation, key: str, text: bytes, version: int, author: str, comment: str) -> Commit:
    return run.client.commit(key, text, version=version, author=author, comment=comment, **run.wish)


def _propose(run: Invocation, key: str, text: bytes, version: int, author: str, comment: str) -> dict[str, Any]:
    return run.client.propose([run.client.draft(key, text, version=version, author=author, comment=comment)])


def _say_what_is_known(run: Invocation, key: str, head: Commit | None) -> None:
    from rainer.cli.workfile import leftovers

    committing.say_version(run, key, head)
    if head is not None and head.is_empty:
        run.talk.line(("note:  ", "hint"), f"`{to_paste('revert', key)}` brings back what it held")
    for path, age_s in leftovers(run.settings.state_dir, key):
        run.talk.line(("note:  ", "warning"), f"another edit of this key left its work in {path} ({_old(age_s)})")


def _old(age_s: float) -> str:
    from datetime import UTC, datetime, timedelta

    from rainer.cli.moments import ago

    now = datetime.now(UTC)
    return ago(now - timedelta(seconds=age_s), now)


def _format(run: Invocation, key: str) -> str:
    """The namespace's format, asked for only if the key's name tells an editor nothing."""
    if Path(key).suffix:
        return "any"
    try:
        return run.client.namespace().format
    except RainerError:  # an ancestor's server has no such call
        return "any"
