"""`rainer asset pack`: assets into zip files, for machines without network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rainer.cli import records
from rainer.cli.asset_lines import count_words, size_words
from rainer.cli.asset_places import opened_assets, read_flags
from rainer.cli.invocation import Invocation
from rainer.cli.options import ReadType, json_option
from rainer.cli.progress import byte_bar
from rainer.errors import InvalidError
from rainer.model.setting_values import parse_bytes


def _read_bytes(text: str) -> int:
    try:
        return parse_bytes(text)
    except ValueError as e:
        raise InvalidError(str(e)) from None


@click.command("pack", short_help="Pack assets for a machine without network.")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--max-size", type=ReadType("bytes", _read_bytes), help="Split into files of at most so much: 500MB.")
@click.option("--force", is_flag=True, help="Replace a pack of that name.")
@json_option
@read_flags
@click.pass_obj
def pack(
    run: Invocation, file: Path, paths: tuple[str, ...], max_size: int | None, force: bool, as_json: bool,
    lock: Path | None,
) -> None:  # fmt: skip
    """Pack all that the manifest names, or these PATHs and patterns, into the zip file FILE, with the manifest, its
    commits and all digests; `rainer asset unpack FILE` reads it.

    With --max-size there may be several, FILE.1.zip and so on, which belong together. An asset larger than that is not
    split: it gets a file of its own, and is told. FILE is there when it is whole, and not before.
    """
    from rainer.assets.pack_writing import make_pack

    with opened_assets(run, lock) as (assets, _), byte_bar(run.talk, "Packing") as progress:
        made = make_pack(
            assets, file, paths=list(paths) or None, size_bytes_max=max_size, replace_existing=force, progress=progress
        )
    for path in made.over:
        run.talk.line(("warning: ", "warning"), f"{path} is over --max-size: an asset cannot be split")
    if as_json:
        record: dict[str, Any] = {
            "files": [str(path) for path in made.files], "size": made.size_bytes, "assets": len(made.lock.assets),
            "contents": made.contents, "manifest": made.lock.manifest, "revision": made.lock.revision,
            "over": [str(path) for path in made.over],
        }  # fmt: skip
        records.print_record(run.out, record)
        return
    for path in made.files:
        run.out.line(str(path))
    run.out.stream.flush()
    contents = sum({entry.sha256: entry.size or 0 for entry in made.lock.assets.values()}.values())
    run.talk.line(
        (f"packed {count_words(len(made.lock.assets), 'asset')} of {made.lock.manifest}", "good"),
        f", {size_words(contents)}, into {count_words(len(made.files), 'file')}",
    )
