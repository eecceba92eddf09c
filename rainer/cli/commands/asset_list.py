"""`rainer asset ls`, `versions`, `ls-remote` and `diff`: what there is, and what moved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rainer.cli import records
from rainer.cli.asset_lines import entry_cells, entry_record, print_rows, size_words, stored_record
from rainer.cli.asset_places import opened_assets, opened_store, path_argument, read_flags, store_flags, told_aloud
from rainer.cli.invocation import Invocation
from rainer.cli.moments import ago
from rainer.cli.options import json_option
from rainer.cli.terminal import Output, paged

if TYPE_CHECKING:
    from rainer.assets.published import Stored
    from rainer.cli.terminal import Piece


@click.command("ls", short_help="The assets of the manifest.")
@click.argument("pattern", required=False)
@click.option("-l", "--long", "is_long", is_flag=True, help="Version, size and SHA-256, too.")
@json_option
@read_flags
@click.pass_obj
def list_assets(run: Invocation, pattern: str | None, is_long: bool, as_json: bool, lock: Path | None) -> None:
    """List the paths that the manifest names, one a line; with -l path, version, size and SHA-256.

    PATTERN chooses some: a folder, such as /models, or a pattern in quotes, such as '*.onnx' (a star spans slashes).
    """
    from fnmatch import fnmatchcase

    with opened_assets(run, lock) as (assets, _):
        manifest = assets.manifest
        chosen = sorted(
            path for path in manifest if pattern is None or _is_below(path, pattern) or fnmatchcase(path, pattern)
        )
        if as_json:
            records.print_list(run.out, (entry_record(path, manifest[path]) for path in chosen))
            return
        if not chosen and run.talk.terminal:
            run.talk.line((f"nothing like {pattern}" if pattern else "the manifest is empty", "quiet"))
        overridden = [path for path in chosen if manifest[path].override]
        with paged(run.settings.pager) as out:
            if is_long:
                rows = [entry_cells(path, manifest[path], for_people=out.terminal) for path in chosen]
                print_rows(out, rows, right=(2,))
            else:
                for path in chosen:
                    out.line((path, "key"))
    for path in overridden:
        run.talk.line(("warning: ", "warning"), f"{path} is OVERRIDDEN by {manifest[path].override}")


def _is_below(path: str, folder: str) -> bool:
    whole = f"/{folder.strip('/')}"
    return path == whole or path.startswith(whole.rstrip("/") + "/")


@click.command("versions", short_help="The versions of an asset.")
@path_argument
@click.option("--match", metavar="SPEC", help="Only those that a spec allows, such as '>=1.2,<2' or '^1.2'.")
@click.option("--next", "part", type=click.Choice(("major", "minor", "patch")), help="Print what an update would make.")
@json_option
@read_flags
@click.pass_obj
def versions(
    run: Invocation, path: str, match: str | None, part: str | None, as_json: bool, lock: Path | None
) -> None:  # fmt: skip
    """List the versions of PATH, in or out of the manifest, lowest first; on a terminal the manifest's is marked.

    Exit code 4 where there is none, or none that --match allows.
    """
    from rainer.errors import AssetNotFound
    from rainer.model.assets import asset_path, bump, matches

    with opened_assets(run, lock) as (assets, _):
        entry = assets.manifest.get(asset_path(path))
        if part is not None:
            run.out.line(bump(assets.entry(path).version or "0.0.0", part))  # type: ignore[arg-type]
            return
        found = assets.versions(path)
        if not found:
            assets.entry(path)  # says what there is instead
        fitting = [version for version in found if match is None or matches(version, match)]
        current = None if entry is None else entry.version
        if as_json:
            records.print_list(run.out, ({"version": v, "current": v == current} for v in fitting))
        else:
            rows = [[(v, "version"), ("in the manifest" if v == current else "", "good")] for v in fitting]
            print_rows(run.out, rows if run.out.terminal else [row[:1] for row in rows])
    if not fitting and match is not None:
        raise AssetNotFound(f"no version of {path} fits {match!r}", hint=f"there are {', '.join(found[-5:])}")


@click.command("ls-remote", short_help="What the store holds.")
@click.argument("prefix", default="", required=False)
@click.option("-l", "--long", "is_long", is_flag=True, help="Size and age, too.")
@json_option
@store_flags
@click.pass_obj
def list_remote(run: Invocation, prefix: str, is_long: bool, as_json: bool) -> None:
    """List every version that the store holds of paths that begin with PREFIX, also those that no manifest names."""
    from rainer.assets.publishing_objects import Objects

    with opened_store(run) as store:
        found = Objects(store).listed(prefix)
        if as_json:
            records.print_list(run.out, map(stored_record, found))
            return
        with paged(run.settings.pager) as out:
            for stored in found:
                _print_stored(out, stored, is_long)


def _print_stored(out: Output, stored: Stored, is_long: bool) -> None:
    gap = "  " if out.terminal else "\t"
    size, age = "", ""
    if is_long and out.terminal:
        size, age = size_words(stored.size).rjust(9), "" if stored.mtime is None else ago(stored.mtime)
    elif is_long:
        size = "" if stored.size is None else str(stored.size)
        age = "" if stored.mtime is None else stored.mtime.isoformat()
    more: list[Piece] = [gap, size, gap, (age, "quiet")] if is_long else []
    out.line((stored.path, "key"), gap, (stored.version, "version"), *more)


@click.command("diff", short_help="Which paths moved between two states.")
@click.argument("old", metavar="[REV1", required=False)
@click.argument("new", metavar="[REV2]]", required=False)
@json_option
@store_flags
@click.pass_obj
def diff(run: Invocation, old: str | None, new: str | None, as_json: bool) -> None:
    """Show which paths moved: in the manifest's newest commit, since REV1, or between REV1 and REV2.

    A REV is a revision of the journal, such as 17; a version of the manifest's key, such as v3; or a lock file. Into a
    pipe: what became of it, path, old version, new version, new size, separated by tabs.
    """
    from rainer.cli.asset_moments import Moment, cells, in_file, moved_between, record, two_moments

    with told_aloud():
        if old is not None and new is not None and all(Path(word).is_file() for word in (old, new)):
            before, after = (Moment(word, in_file(Path(word))) for word in (old, new))
        else:
            before, after = two_moments(run.client, run.settings.manifest, old, new)
        found = moved_between(before.manifest, after.manifest)
    if as_json:
        records.print_list(run.out, map(record, found))
    elif not found:
        run.talk.line((f"nothing moved between {before.name} and {after.name}", "quiet"))
    else:
        with paged(run.settings.pager) as out:
            if out.terminal:
                out.line((f"{before.name} → {after.name}", "heading"))
            print_rows(out, [cells(one, for_people=out.terminal) for one in found])
