"""`rainer asset rm` and `override`: the manifest changed without any upload."""

from __future__ import annotations

import click

from rainer.cli import records
from rainer.cli.asset_lines import published_record
from rainer.cli.asset_places import opened_publisher, path_argument, publish_flags
from rainer.cli.commands.asset_publish import near_matches, newest_revision, say_committed
from rainer.cli.exit_codes import NothingDone
from rainer.cli.invocation import Invocation
from rainer.cli.options import json_option, message_option
from rainer.cli.waiting import wait_flags


@click.command("rm", short_help="Take a path out of the manifest.")
@path_argument
@message_option
@json_option
@wait_flags
@publish_flags
@click.pass_obj
def remove(run: Invocation, path: str, message: str | None, as_json: bool) -> None:
    """Take PATH out of the manifest. Its versions stay in the store, and in the manifest's history."""
    with opened_publisher(run) as (publisher, _), near_matches(publisher):
        done = publisher.remove(path, comment=message)
    if as_json:
        records.print_record(run.out, published_record(done))
    say_committed(run, [done])


@click.command("override", short_help="Let another file stand in for a path.")
@path_argument
@click.argument("target", required=False)
@click.option("--lift", is_flag=True, help="End it: the version counts again.")
@message_option
@json_option
@wait_flags
@publish_flags
@click.pass_obj
def override(
    run: Invocation, path: str, target: str | None, lift: bool, message: str | None, as_json: bool
) -> None:  # fmt: skip
    """Have TARGET, an absolute local path or a URL, stand in for PATH while something is developed.

    Every use of it warns. It ends with --lift, and with the next `rainer asset update`.
    """
    if (target is None) is not lift:
        raise click.UsageError("either TARGET or --lift is wanted")
    with opened_publisher(run) as (publisher, _), near_matches(publisher):
        before = newest_revision(run)
        done = publisher.override(path, target, comment=message)
    if as_json:
        records.print_record(run.out, published_record(done))
    if (done.commit.revision or 0) <= before:
        raise NothingDone("nothing to do: the manifest says so already")
    say_committed(run, [done])
