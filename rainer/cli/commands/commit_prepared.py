"""`rainer commit-prepared`: commit what `rainer prepare` printed and somebody filled in."""

from __future__ import annotations

import click

from rainer.cli import committing, prepared
from rainer.cli.invocation import Invocation
from rainer.cli.options import author_flag, json_option, key_argument, url_flag
from rainer.cli.waiting import wait_flags
from rainer.cli.wishing import wish_flags


@click.command("commit-prepared", short_help="Commit what `prepare` printed.")
@key_argument
@json_option
@wish_flags
@wait_flags
@author_flag
@url_flag
@click.pass_obj
def command(run: Invocation, key: str, as_json: bool) -> None:
    """Commit to KEY what stands on standard input: metadata in YAML, a line `---`, the payload.

    The metadata has the version, and may have author, comment, mtime and empty. It is what `rainer prepare` prints
    and what pyrainer's `commit` read.
    """
    data = committing.read_standard_input(run)
    wanted = prepared.from_bytes(data, key)
    commit = run.client.commit(
        key,
        wanted.payload,
        version=wanted.version,
        author=wanted.author or run.author,
        comment=wanted.comment,
        mtime=wanted.mtime,
        **run.wish,
    )
    committing.report_commit(run, commit, as_json=as_json)
