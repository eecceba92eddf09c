"""`rainer status`: what the server says of itself."""

from __future__ import annotations

import click

from rainer.cli import records
from rainer.cli.invocation import Invocation
from rainer.cli.options import json_option, url_flag
from rainer.cli.publishing import publishing_lines

_APART = ("chain", "publishing")


@click.command("status", short_help="The server's version, database and position.")
@json_option
@url_flag
@click.pass_obj
def command(run: Invocation, as_json: bool) -> None:
    """Show the server's version, database and position, and how far each namespace is published to ZooKeeper.

    Keep the position line elsewhere: `rainer verify --expect POSITION` then finds even a journal whose end was cut off.
    """
    status = run.client.status()
    position = ":".join(str(status.get(name, "?")) for name in ("lineage", "revision", "chain"))
    if as_json:
        records.print_record(run.out, status | {"position": position})
        return
    rows = {"url": run.client.url} | {name: value for name, value in status.items() if name not in _APART}
    lines = [(name, _text(value)) for name, value in rows.items()]
    lines += publishing_lines(status.get("publishing") or [])
    width = max(len(name) for name, _ in [*lines, ("position", "")]) + 2
    for name, text in [*lines, ("position", position)]:
        run.out.line((name.ljust(width), "quiet"), text)


def _text(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return str(value)
