"""`rainer asset prefetch`, `sync` and `lock`: many assets at once."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rainer.cli import records
from rainer.cli.asset_lines import count_words, print_rows
from rainer.cli.asset_places import opened_assets, opened_cache, read_flags
from rainer.cli.failures import naming
from rainer.cli.invocation import Invocation
from rainer.cli.options import json_option
from rainer.cli.progress import byte_bar
from rainer.errors import AssetNotFound, InvalidError, RainerError

if TYPE_CHECKING:
    from rainer.assets import Assets
    from rainer.cache import AssetCache
    from rainer.store.store import Progress

_Outcomes = dict[str, "Path | RainerError"]

_how_option = click.option(
    "--how", type=click.Choice(("auto", "copy", "hardlink")), default="auto",
    help="Share the cache's blocks where that can be, else copy; always copy; or link, never to be written.  [auto]",
)  # fmt: skip
_paths_argument = click.argument("paths", metavar="[PATH]...", nargs=-1)


@click.command("prefetch", short_help="Fetch what a list or the manifest names.")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), required=False)
@json_option
@read_flags
@click.pass_obj
def prefetch(run: Invocation, file: Path | None, as_json: bool, lock: Path | None) -> None:
    """Fetch into the cache, 8 files at a time, what FILE names; without FILE, all that the manifest names.

    FILE is a lock file, or a YAML list of URLs and of the manifest's paths and patterns, as baiji has it and as
    missing_assets.yaml is; - is standard input. Whatever can be had is fetched; what cannot is told in the end.
    """
    found = _prefetched(run, file, lock)
    failed = {name: result for name, result in found.items() if isinstance(result, RainerError)}
    if as_json:
        records.print_list(run.out, (_record(name, result) for name, result in found.items()))
    else:
        run.out.line(f"{count_words(len(found) - len(failed), 'file')} of {len(found):,} in the cache")
    for name, error in failed.items() if len(failed) > 1 and not as_json else ():
        run.talk.line((name, "key"), f": {error}")
    if failed:
        first = next(iter(failed.values()))
        first.add_note(f"{count_words(len(failed), 'file')} could not be fetched; the others are in the cache")
        raise first


def _record(name: str, result: Path | RainerError) -> dict[str, Any]:
    if isinstance(result, RainerError):
        return {"name": name, "path": None, "error": result.as_dict()}
    return {"name": name, "path": str(result), "error": None}


def _prefetched(run: Invocation, file: Path | None, lock: Path | None) -> _Outcomes:
    from rainer.assets.lockfile import is_lock
    from rainer.cli.asset_lists import parse_list, read_bytes

    data = b"" if file is None else read_bytes(file)
    if file is None or is_lock(data):
        with opened_assets(run, file or lock) as (assets, cache):
            return _fetch_paths(run, assets, cache, None)
    wanted = parse_list(data, "standard input" if str(file) == "-" else str(file))
    found: _Outcomes = {}
    if wanted.uris:
        with opened_cache(run) as cache:
            found |= _fetch_uris(run, cache, wanted.uris)
    if wanted.paths:
        with opened_assets(run, lock) as (assets, cache):
            found |= _fetch_paths(run, assets, cache, wanted.paths)
    return found


def _fetch_uris(run: Invocation, cache: AssetCache, uris: tuple[str, ...]) -> _Outcomes:
    from rainer.cache import Wanted

    with byte_bar(run.talk, count_words(len(uris), "URL")) as progress:
        return {one.uri: result for one, result in cache.get_many(map(Wanted, uris), progress=progress)}


def _fetch_paths(
    run: Invocation, assets: Assets, cache: AssetCache, paths: tuple[str, ...] | None
) -> _Outcomes:  # fmt: skip
    failed: _Outcomes = {}
    if paths is not None:
        try:
            assets.manifest  # noqa: B018 - asked for once, or a server that does not answer is waited for by each path
        except RainerError as e:
            return dict.fromkeys(paths, e)
    for path in paths or ():
        try:
            _check(assets, path)
        except RainerError as e:
            failed[path] = e
    chosen = None if paths is None else [path for path in paths if path not in failed]
    with _bar(run, assets, cache, chosen) as progress:
        return failed | _each_fetched(assets, chosen, progress)


def _each_fetched(assets: Assets, paths: list[str] | None, progress: Progress | None) -> _Outcomes:
    found: _Outcomes = {}
    for one, result in assets.fetch_each(paths, progress=progress):
        found[one] = result
    return found


def _check(assets: Assets, path: str) -> None:
    if set(path) & set("*?["):
        if not matching(assets, path):
            raise AssetNotFound(f"nothing in the manifest is like {path}", hint="`rainer asset ls` lists what there is")
    else:
        assets.entry(path)


def matching(assets: Assets, pattern: str) -> list[str]:
    """The paths of the manifest that a path or a pattern means."""
    from fnmatch import filter as matching_names

    whole = pattern if pattern.startswith(("/", "*")) else f"/{pattern}"
    return [whole] if whole in assets.manifest else matching_names(assets.manifest, whole)


def _bar(
    run: Invocation, assets: Assets, cache: AssetCache, paths: Iterable[str] | None
) -> AbstractContextManager[Progress | None]:  # fmt: skip
    """A bar over what has still to be fetched."""
    if not run.talk.terminal:
        return byte_bar(run.talk, "")
    names = assets.manifest if paths is None else {name for path in paths for name in matching(assets, path)}
    entries = [assets.manifest[name] for name in names]
    missing = [e for e in entries if e.sha256 is None or e.override or cache.peek(e.sha256, e.size) is None]
    known = [e.size for e in missing if e.size is not None and not e.override]
    return byte_bar(run.talk, count_words(len(missing), "file"), sum(known) if len(known) == len(missing) else None)


@click.command("sync", short_help="Make a folder hold the manifest's files.")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@_paths_argument
@_how_option
@json_option
@read_flags
@click.pass_obj
def sync(
    run: Invocation, directory: Path, paths: tuple[str, ...], how: Any, as_json: bool, lock: Path | None
) -> None:  # fmt: skip
    """Make DIRECTORY hold all that the manifest names, or these PATHs and patterns, each file at its path.

    What is right already stays. What an earlier sync put there and nothing names any more is removed, unless somebody
    changed it; files of others are left alone.
    """
    with opened_assets(run, lock) as (assets, cache):
        chosen = list(paths) or None
        with _bar(run, assets, cache, chosen) as progress:
            report = assets.sync(directory, paths=chosen, progress=progress, how=how)
    if as_json:
        records.print_record(run.out, {"directory": str(directory)} | asdict(report))
        return
    counts = f"{len(report.placed):,} written, {len(report.unchanged):,} unchanged, {len(report.removed):,} removed"
    run.out.line(f"synced {directory}: {counts}{f', {len(report.kept):,} kept' if report.kept else ''}")


@click.command("lock", short_help="Write or update a lock file.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_paths_argument
@json_option
@read_flags
@click.pass_obj
def lock(run: Invocation, file: Path, paths: tuple[str, ...], as_json: bool, lock: Path | None) -> None:
    """Write FILE, a lock file of all that the manifest names, or of these PATHs and patterns; show what moved in it.

    Code that carries it gets the same bytes for ever: `rainer.Assets("assets.lock")`, or `--lock FILE` here.
    """
    from rainer.cli.asset_moments import cells, moved_between, record

    before = _before(file)
    with opened_assets(run, lock) as (assets, _):
        chosen = list(paths) or None
        for path in chosen or ():
            _check(assets, path)
        with byte_bar(run.talk, "Reading what has no digest") as progress:
            made = assets.lock(chosen, progress=progress)
    moved = moved_between(before, made.assets)
    with naming(file):
        made.write(file)
    if as_json:
        records.print_list(run.out, map(record, moved))
    else:
        print_rows(run.out, [cells(one, for_people=run.out.terminal) for one in moved])
    run.out.stream.flush()
    revision = "" if made.revision is None else f", revision {made.revision}"
    run.talk.line((f"{file}: {count_words(len(made.assets), 'asset')} of {made.manifest}{revision}", "good"))


def _before(file: Path) -> Any:
    """What the lock file names now, if it is one."""
    from rainer.assets.lockfile import LockFile, is_lock, read_file

    if not file.exists():
        if not file.parent.is_dir():
            raise InvalidError(f"there is no folder {file.parent}", hint=f"mkdir -p {file.parent}")
        return {}
    data = read_file(file)
    if data and not is_lock(data):
        raise InvalidError(f"{file} is not a lock file, and is left as it is", hint="name another file")
    try:
        return LockFile.parse(data, str(file)).assets
    except RainerError:
        return {}  # torn, or with the marks of a merge in it: this is how it is mended
