"""`rainer status`: what the server says of itself."""

from __future__ import annotations

from typing import Any

import click

from rainer.cli import records
from rainer.cli.invocation import Invocation
from rainer.cli.mirror_lines import mirrored_lines, print_mirrors
from rainer.cli.options import json_option, url_flag
from rainer.cli.publishing import publishing_lines
from rainer.errors import NotFoundError

_APART = ("chain", "publishing", "mirrored")


@click.command("status", short_help="The server, what it publishes, its mirrors.")
@json_option
@url_flag
@click.pass_obj
def command(run: Invocation, as_json: bool) -> None:
    """Show the server's version, database and position, how far each namespace is published, and every mirror.

    Of each mirror: where it runs, the revision it holds, how many revisions and seconds it is behind, and what is wrong
    with it; true to five seconds. A server knows the mirrors in its ZooKeeper, those that follow it over HTTP, and who
    follows those. Keep the position line elsewhere: `rainer verify --expect POSITION` then finds even a journal whose
    end was cut off.
    """
    status = run.client.status()
    mirrors, missing = _mirrors(run)
    position = ":".join(str(status.get(name, "?")) for name in ("lineage", "revision", "chain"))
    if as_json:
        record = status | {"position": position, "mirrors": mirrors}
        records.print_record(run.out, record | ({"mirrors_missing": missing} if missing else {}))
        return
    rows = {"url": run.client.url} | {name: value for name, value in status.items() if name not in _APART}
    lines = [(name, _text(value)) for name, value in rows.items()]
    lines += [*mirrored_lines(status.get("mirrored") or []), *publishing_lines(status.get("publishing") or [])]
    width = max(len(name) for name, _ in [*lines, ("position", "")]) + 2
    for name, text in [*lines, ("position", position)]:
        run.out.line((name.ljust(width), "quiet"), text)
    print_mirrors(run.out, mirrors, missing)


def _mirrors(run: Invocation) -> tuple[list[dict[str, Any]], str]:
    try:
        return run.client.mirrors_and_missing()
    except NotFoundError:  # an older server
        return [], "this server does not know of mirrors"


def _text(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return str(value)
