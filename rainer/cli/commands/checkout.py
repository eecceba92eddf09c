"""`rainer checkout`: each head as a file in a folder."""

from __future__ import annotations

from pathlib import Path

import click

from rainer.cli import records
from rainer.cli.checkout import Folder
from rainer.cli.invocation import Invocation
from rainer.cli.options import REVISION, json_option, url_flag
from rainer.errors import InvalidError


@click.command("checkout", short_help="Every key as a file in a folder.")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--prefix", default="", help="Only keys that begin so.")
@click.option("--at", type=REVISION, metavar="REVISION", help="As it was at this revision.")
@click.option("--delete", is_flag=True, help="Remove all other files in DIR (its subfolders stay).")
@click.option("--force", is_flag=True, help="Replace files that no checkout wrote, or that were changed since.")
@json_option
@url_flag
@click.pass_obj
def command(
    run: Invocation, folder: Path, prefix: str, at: int | None, delete: bool, force: bool, as_json: bool
) -> None:
    """Write each key's newest payload to a file of its name in DIR.

    Every file is replaced at once, never half written; one that holds the same already is left alone. Files of keys
    that were removed since the last checkout are removed; other files stay, unless --delete.
    """
    heads = run.client.heads(prefix=prefix, at=at)
    outcome = Folder(folder, force=force).write(heads.values(), delete=delete)
    if as_json:
        record = {"written": outcome.written, "unchanged": outcome.unchanged, "removed": outcome.removed}
        records.print_record(run.out, record | {"refused": outcome.refused})
    else:
        counts = f"{len(outcome.written)} written, {outcome.unchanged} unchanged, {len(outcome.removed)} removed"
        run.talk.line(("checked out", "good"), f" {folder}: {counts}")
    if outcome.refused:
        key, reason = next(iter(outcome.refused.items()))
        raise InvalidError(
            f"{len(outcome.refused)} keys cannot be files here, such as {key!r}: {reason}", refused=outcome.refused
        )
