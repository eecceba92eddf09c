"""`rainer asset get`, `path`, `open`, `uri` and `cat`: one asset, verified."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rainer.cli import records
from rainer.cli.asset_places import opened_assets, path_argument, read_flags
from rainer.cli.failures import naming
from rainer.cli.invocation import Invocation
from rainer.cli.options import json_option
from rainer.cli.progress import byte_bar
from rainer.errors import InvalidError, NotFoundError

if TYPE_CHECKING:
    from rainer.assets import Assets
    from rainer.cache import AssetCache

_BUFFER_BYTES = 256 * 1024

_version_option = click.option(
    "--version", metavar="VERSION", help="Another version than the manifest's: X.Y.Z, or the newest of '>=1.2,<2'."
)


@click.command("get", short_help="Save an asset's file.")
@path_argument
@click.argument("destination", type=click.Path(path_type=Path), required=False)
@_version_option
@click.option(
    "--how", type=click.Choice(("auto", "copy", "hardlink")), default="auto",
    help="Share the cache's blocks where that can be, else copy; always copy; or link, never to be written.  [auto]",
)  # fmt: skip
@json_option
@read_flags
@click.pass_obj
def get(
    run: Invocation, path: str, destination: Path | None, version: str | None, how: str, as_json: bool,
    lock: Path | None,
) -> None:  # fmt: skip
    """Save the file of PATH as DESTINATION, by default under its own name in this folder.

    Prints where it is. A file that was there is replaced, whole or not at all; a pipe or a device is written to.
    """
    with opened_assets(run, lock) as (assets, cache):
        source = _fetched(run, assets, cache, path, version)
        name = path.rpartition("/")[2]
        target = Path(name) if destination is None else destination
        if target.is_dir():
            target /= name
        if not target.parent.is_dir():
            raise InvalidError(f"there is no folder {target.parent}", hint=f"mkdir -p {target.parent}")
        with naming(target):
            used = _saved(source, target, how)
        uri = assets.uri(path, version)
    if as_json:
        size = target.stat().st_size
        records.print_record(run.out, {"path": path, "file": str(target), "uri": uri, "size": size, "how": used})
    else:
        run.out.line(str(target))


def _saved(source: Path, target: Path, how: str) -> str:
    if target.exists() and not target.is_file():  # a pipe or a device, which must not give way to a file
        with source.open("rb") as contents, target.open("wb") as file:
            shutil.copyfileobj(contents, file)
        return "copy"
    from rainer.cache.materialize import materialize

    return materialize(source, target, how)  # type: ignore[arg-type]


@click.command("path", short_help="The local file of an asset.")
@path_argument
@_version_option
@read_flags
@click.pass_obj
def path_of(run: Invocation, path: str, version: str | None, lock: Path | None) -> None:
    """Print the path of the verified local file of PATH, and nothing else; it is fetched if it is not here.

    The file is in the cache, read-only, and stays until the cache needs its room.
    """
    with opened_assets(run, lock) as (assets, cache):
        run.out.line(str(_fetched(run, assets, cache, path, version)))


@click.command("open", short_help="Open an asset with its program.")
@path_argument
@_version_option
@read_flags
@click.pass_obj
def open_asset(run: Invocation, path: str, version: str | None, lock: Path | None) -> None:
    """Open the local file of PATH with the program that the system has for it."""
    with opened_assets(run, lock) as (assets, cache):
        file = _fetched(run, assets, cache, path, version)
        # Elsewhere than on a Mac, the opener that waits is not the program that is opened.
        if click.launch(str(file), wait=sys.platform != "darwin") != 0:
            raise NotFoundError(
                f"this system has no program that opens {file.name}", hint=f"the file is {file}", file=str(file)
            )


@click.command("uri", short_help="Where an asset lies in its store.")
@path_argument
@_version_option
@read_flags
@click.pass_obj
def uri(run: Invocation, path: str, version: str | None, lock: Path | None) -> None:
    """Print the URI of the object of PATH in the store. Nothing is fetched."""
    with opened_assets(run, lock) as (assets, _):
        run.out.line(assets.uri(path, version))


@click.command("cat", short_help="Print an asset's contents.")
@path_argument
@_version_option
@read_flags
@click.pass_obj
def cat(run: Invocation, path: str, version: str | None, lock: Path | None) -> None:
    """Print the contents of PATH, byte for byte; nothing before all of it is here and verified."""
    with opened_assets(run, lock) as (assets, cache), _fetched(run, assets, cache, path, version).open("rb") as file:
        sys.stdout.flush()
        while portion := file.read(_BUFFER_BYTES):
            sys.stdout.buffer.write(portion)
        sys.stdout.buffer.flush()


def _fetched(run: Invocation, assets: Assets, cache: AssetCache, path: str, version: str | None) -> Path:
    """The local file, fetched with a bar that shows how far it has come."""
    if not run.talk.terminal:
        return assets(path, version)
    entry = assets.entry(path) if version is None else None
    total = None if entry is None else entry.size
    if entry is not None and entry.sha256 is not None and cache.peek(entry.sha256, entry.size) is not None:
        return assets(path)
    with byte_bar(run.talk, path, total) as progress:
        return assets(path, version, progress=progress)
