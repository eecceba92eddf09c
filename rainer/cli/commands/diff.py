"""`rainer diff`: the difference between two versions of a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rainer.cli import records
from rainer.cli.differences import print_difference
from rainer.cli.invocation import Invocation
from rainer.cli.options import VERSION, json_option, key_argument, url_flag
from rainer.cli.terminal import paged
from rainer.model.difference import SIGNS, difference

if TYPE_CHECKING:
    from rainer.model.commit import Commit


@click.command("diff", short_help="The difference between two versions.")
@key_argument
@click.argument("old", type=VERSION, required=False, metavar="[VERSION")
@click.argument("new", type=VERSION, required=False, metavar="[VERSION]]")
@json_option
@url_flag
@click.pass_obj
def command(run: Invocation, key: str, old: int | None, new: int | None, as_json: bool) -> None:
    """Show what changed in KEY: in its newest commit, since a version, or between two versions.

    Prints nothing where the payloads are the same. Into a pipe it is a unified diff.
    """
    after = run.client.get(key, new)
    before = _before(run, key, after, old)
    old_version, old_payload = (0, None) if before is None else (before.version, before.payload)
    if as_json:
        records.print_record(run.out, _record(after, old_version, old_payload))
        return
    if old_payload == after.payload:
        run.talk.line((f"versions {old_version} and {after.version} of {key!r} hold the same", "quiet"))
        return
    with paged(run.settings.pager) as out:
        print_difference(out, old_payload, after.payload, f"{key} {old_version}", f"{key} {after.version}")


def _before(run: Invocation, key: str, after: Commit, old: int | None) -> Commit | None:
    if old is not None:
        return run.client.get(key, old)
    return run.client.get(key, after.version - 1) if after.version > 1 else None


def _record(after: Commit, old_version: int, old_payload: bytes | None) -> dict[str, Any]:
    found = difference(old_payload, after.payload)
    return {
        "namespace": after.namespace,
        "key": after.key,
        "old": {"version": old_version, "bytes": found.old_bytes},
        "new": {"version": after.version, "bytes": found.new_bytes},
        "same": found.is_same,
        "binary": found.is_binary,
        "added": found.added,
        "removed": found.removed,
        "hunks": [
            {
                "header": hunk.header,
                "lines": [
                    {
                        "sign": SIGNS[line.kind],
                        "old": line.old,
                        "new": line.new,
                        "ends": line.ends,
                        "spans": [{"text": span.text, "changed": span.changed} for span in line.spans],
                    }
                    for line in hunk.lines
                ],
            }
            for hunk in found.hunks
        ],
    }
