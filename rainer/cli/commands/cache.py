"""`rainer cache`: the local files of assets, listed, checked and tidied."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from rainer.cli import records
from rainer.cli.asset_lines import Cell, print_rows, size_words
from rainer.cli.asset_places import cache_flags, fetching_cache_flags, opened_cache
from rainer.cli.commands.cache_care import gc, remove, unpin, verify
from rainer.cli.durations import span_words
from rainer.cli.invocation import Invocation
from rainer.cli.moments import ago
from rainer.cli.options import json_option
from rainer.cli.progress import byte_bar
from rainer.cli.terminal import paged
from rainer.store.login import without_login
from rainer.store.store import shown

if TYPE_CHECKING:
    from rainer.cache.listing import CacheEntry


@click.group("cache", short_help="The local cache of assets: list, check, tidy.", no_args_is_help=False)
def command() -> None:
    """Look at the local cache of assets, check it and tidy it.

    It is a folder of verified files that all processes share. It keeps itself below --cache-bytes-max: what was used
    least recently goes first, and never what a process holds.
    """


@command.command("ls", short_help="What the cache holds.")
@click.argument("prefix", default="", required=False)
@click.option("-l", "--long", "is_long", is_flag=True, help="Size, age, last use and state, too.")
@json_option
@cache_flags
@click.pass_obj
def list_files(run: Invocation, prefix: str, is_long: bool, as_json: bool) -> None:
    """List the files of the cache, one a line: those that came by URL by that, others by their local path.

    PREFIX chooses some. With -l size, age since the store was last asked, last use, and "outdated" or "held".
    """
    with opened_cache(run) as cache:
        chosen = (entry for entry in cache.entries() if _name(entry).startswith(prefix))
        if as_json:
            records.print_list(run.out, map(_record, chosen))
            return
        with paged(run.settings.pager) as out:
            if is_long:
                print_rows(out, [_cells(entry, for_people=out.terminal) for entry in chosen], right=(1,))
            else:
                for entry in chosen:
                    out.line((_name(entry), "key"))


def _name(entry: CacheEntry) -> str:
    return entry.uri or str(entry.path)


def _record(entry: CacheEntry) -> dict[str, Any]:
    age = None if entry.age_s == float("inf") else round(entry.age_s, 3)
    return {
        "uri": entry.uri, "path": str(entry.path), "size": entry.size, "age_s": age, "used_at": entry.used_at,
        "outdated": entry.is_outdated, "sha256": entry.sha256, "held": entry.held,
    }  # fmt: skip


def _cells(entry: CacheEntry, *, for_people: bool) -> list[Cell]:
    used = datetime.fromtimestamp(entry.used_at, UTC)
    state = "outdated" if entry.is_outdated else "held" if entry.held else ""
    is_known = entry.age_s != float("inf")
    if for_people:
        age = f"{span_words(entry.age_s)} old" if is_known else "to be checked"
        texts = (_name(entry), size_words(entry.size), age, f"used {ago(used)}", state)
    else:
        age = f"{entry.age_s:.0f}" if is_known else ""
        texts = (_name(entry), str(entry.size), age, used.isoformat(timespec="seconds").replace("+00:00", "Z"), state)
    return list(zip(texts, ("key", "", "quiet", "quiet", "warning"), strict=True))


@command.command("path", short_help="Where a file, or the cache, lies.")
@click.argument("uri", required=False)
@cache_flags
@click.pass_obj
def path(run: Invocation, uri: str | None) -> None:
    """Print where the file of URI lies, without asking any store; without URI, the folder of the cache."""
    with opened_cache(run) as cache:
        run.out.line(str(cache.directory if uri is None else cache.path_of(uri)))


@command.command("get", short_help="The local file of a URL, fetched if need be.")
@click.argument("uri")
@click.option("-f", "--force-check", is_flag=True, help="Ask the store even if the file was checked not long ago.")
@json_option
@fetching_cache_flags
@click.pass_obj
def get(run: Invocation, uri: str, force_check: bool, as_json: bool) -> None:
    """Print the local file of URI, such as s3://bucket/file: fetched if it is not here, checked if it is old."""
    with opened_cache(run) as cache, byte_bar(run.talk, shown(uri)) as progress:
        found = cache.get_unpinned(uri, force_check=force_check, progress=progress)
    if as_json:
        record = {"uri": without_login(uri), "path": str(found.path), "size": found.size, "sha256": found.sha256}
        records.print_record(run.out, record | {"etag": found.etag, "stale": found.is_stale})
    else:
        run.out.line(str(found.path))


@command.command("info", short_help="The cache in figures.")
@json_option
@cache_flags
@click.pass_obj
def info(run: Invocation, as_json: bool) -> None:
    """Print the cache in figures."""
    with opened_cache(run) as cache:
        found = cache.info()
    if as_json:
        members = {name: getattr(found, name) for name in found.__slots__}
        records.print_record(run.out, members | {"directory": str(found.directory)})
        return
    share = f"{found.size_bytes / found.size_bytes_max:.0%}" if found.size_bytes_max else "all"
    pins = ", ".join(f"{label} ({count:,})" for label, count in found.pins.items())
    is_set = [word for word, is_so in _SWITCHES if getattr(found, is_so)]
    rows = (
        ("directory", str(found.directory)),
        ("files", f"{found.files:,} ({found.held:,} held or pinned)"),
        ("size", f"{size_words(found.size_bytes)} of {size_words(found.size_bytes_max)}, {share}"),
        ("URLs", f"{found.urls:,}"),
        ("pins", pins or "none"),
        ("temporary", f"{found.temporary:,} ({size_words(found.temporary_bytes)})"),
        ("mode", ", ".join(is_set) or "private, may be written"),
    )
    for name, value in rows:
        run.out.line((f"{name:<10}", "quiet"), value)


_SWITCHES = (("read-only", "is_read_only"), ("shared", "is_shared"), ("offline", "is_offline"))

for _command in (remove, unpin, verify, gc):
    command.add_command(_command)
