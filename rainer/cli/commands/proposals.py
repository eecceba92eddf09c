"""`rainer proposals`: what waits for approval, and what became of the others."""

from __future__ import annotations

from itertools import islice

import click

from rainer.cli import proposing, records
from rainer.cli.invocation import Invocation
from rainer.cli.options import json_option, url_flag
from rainer.cli.terminal import paged
from rainer.model import times
from rainer.model.proposal import STATES


@click.command("proposals", short_help="What waits for approval.")
@click.option("--state", type=click.Choice([*STATES, "all"]), default="open", help="Those that stand so.  [open]")
@click.option("--here", is_flag=True, help="Only those that change keys of this namespace.")
@click.option("-n", "limit", type=click.IntRange(min=1), metavar="N", help="At most N of them.")
@json_option
@url_flag
@click.pass_obj
def command(run: Invocation, state: str, here: bool, limit: int | None, as_json: bool) -> None:
    """List proposals, the newest first, as far as you may read what they change.

    Open ones wait for approval; a stale one was made on what is not there any more.
    """
    from rainer.cli.moments import ago

    namespace = run.client.namespace_name if here else None
    wanted = run.client.proposals(state=None if state == "all" else state, namespace=namespace)
    found = islice(wanted, limit)
    if as_json:
        records.print_list(run.out, found)
        return
    first = next(found, None)
    if first is None:
        run.talk.line(("no proposals" if state == "all" else f"no proposals that are {state}", "quiet"))
        return
    with paged(run.settings.pager) as out:
        for one in (first, *found):
            moment = times.from_ms(times.parse_iso(one["created"]))
            when = ago(moment) if out.terminal else one["created"]
            said = records.first_line(one["comment"])
            left = (one["id"], "version"), "  ", (proposing.keys_text(one), "key"), "  ", one["author"], "  "
            out.line(*left, (when, "quiet"), "  ", (proposing.state_text(one), "quiet"), f"  {said}" if said else "")
