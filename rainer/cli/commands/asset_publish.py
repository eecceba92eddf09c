"""`rainer asset add` and `update`: files become versions, many of them in one changeset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rainer.cli import records
from rainer.cli.asset_lines import count_words, print_rows, published_record, size_words
from rainer.cli.asset_places import opened_publisher, publish_flags
from rainer.cli.exit_codes import NothingDone
from rainer.cli.failures import WrongUsage
from rainer.cli.invocation import Invocation
from rainer.cli.options import json_option, message_option
from rainer.cli.progress import byte_bar
from rainer.cli.waiting import wait_flags
from rainer.errors import AssetNotFound, InvalidError

if TYPE_CHECKING:
    from rainer.assets.published import Published
    from rainer.assets.publishing import AssetPublisher
    from rainer.cache import AssetCache
    from rainer.store.store import Progress

_arguments = click.argument("words", metavar="PATH FILE", nargs=-1, required=True)
_under_option = click.option(
    "--under", metavar="PREFIX", help="Publish files and folders below this path: --under PREFIX FILE…"
)
_short_option = click.option(
    "--short", is_flag=True, help="Let a manifest that is all in baiji's form, without digests, stay so."
)
_version_option = click.option("--version", metavar="X.Y.Z", help="Just this version.")


@click.command("add", short_help="Publish first versions.")
@_arguments
@_under_option
@_version_option
@_short_option
@message_option
@json_option
@wait_flags
@publish_flags
@click.pass_obj
def add(
    run: Invocation, words: tuple[str, ...], under: str | None, version: str | None, short: bool, message: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Publish FILE as the first version of PATH, 1.0.0 unless --version says otherwise.

    With --under PREFIX, several files, and folders with all that is in them, in one changeset: all or none. FILE may
    also be a URL. A PATH that the manifest names already is a conflict: `rainer asset update`.
    """

    def publish(publisher: AssetPublisher, files: dict[str, Path], progress: Progress | None) -> list[Published]:
        return publisher.add_many(files, version, comment=message, progress=progress)

    _run(run, words, under, publish, as_json=as_json, short=short)


@click.command("update", short_help="Publish next versions.")
@_arguments
@_under_option
@click.option("--major", "bump", flag_value="major", help="The next major version.")
@click.option("--minor", "bump", flag_value="minor", help="The next minor version; so it is without any of these.")
@click.option("--patch", "bump", flag_value="patch", help="The next patch version.")
@_version_option
@click.option("--min-version", metavar="X.Y.Z", help="The next version, but at least this one.")
@click.option("--add", "or_add", is_flag=True, help="Also publish first versions of what is new.")
@click.option("--only-changed", is_flag=True, help="Leave out files whose bytes are published; none left: exit code 1.")
@_short_option
@message_option
@json_option
@wait_flags
@publish_flags
@click.pass_obj
def update(
    run: Invocation, words: tuple[str, ...], under: str | None, bump: str | None, version: str | None,
    min_version: str | None, or_add: bool, only_changed: bool, short: bool, message: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Publish FILE as the next version of PATH.

    With --under PREFIX, several files, and folders with all that is in them, in one changeset: all or none. Versions
    only grow, and two who update one PATH at the same time get two versions.
    """
    if version is not None and (bump or min_version):
        raise click.UsageError(f"--version and {f'--{bump}' if bump else '--min-version'} exclude each other")
    chosen: dict[str, Any] = {
        "bump": bump or "minor", "version": version, "min_version": min_version, "only_changed": only_changed,
    }  # fmt: skip

    def publish(publisher: AssetPublisher, files: dict[str, Path], progress: Progress | None) -> list[Published]:
        call = publisher.add_or_update_many if or_add else publisher.update_many
        return call(files, **chosen, comment=message, progress=progress)

    _run(run, words, under, publish, as_json=as_json, may_stand=only_changed, short=short)


_Publish = Callable[["AssetPublisher", dict[str, Path], "Progress | None"], "list[Published]"]


def _run(
    run: Invocation, words: tuple[str, ...], under: str | None, publish: _Publish, *, as_json: bool,
    may_stand: bool = False, short: bool = False,
) -> None:  # fmt: skip
    wanted = _wanted(words, under)
    with opened_publisher(run, short=short) as (publisher, cache):
        files = {path: _local(file, cache) for path, file in wanted.items()}
        before = newest_revision(run) if may_stand else 0
        with _bar(run, files) as progress, near_matches(publisher):
            found = publish(publisher, files, progress)
        new = [one for one in found if not may_stand or (one.commit.revision or 0) > before]
        _tell(run, found if under is not None else found[:1], as_json, is_list=under is not None)
        if not new:
            raise NothingDone("nothing to do: the manifest names these bytes already")
        _say(run, new, publisher.store.url)


def _wanted(words: tuple[str, ...], under: str | None) -> dict[str, str]:
    """The files, or their URLs, by asset path."""
    if under is None:
        if len(words) != 2:
            raise WrongUsage(
                f"PATH and FILE are wanted, and {count_words(len(words), 'argument')} given",
                hint="several files, or a folder: --under PREFIX FILE…",
            )
        path, file = words
        if Path(file).is_dir():
            raise InvalidError(
                f"{file} is a folder, and an asset is one file", hint=f"all files in it: --under {path} {file}"
            )
        return {path: file}
    found: dict[str, str] = {}
    for word in words:
        for path, file in _below(word, under).items():
            if path in found:
                raise InvalidError(f"{found[path]} and {file} would both be {path}", hint="publish one after the other")
            found[path] = file
    if not found:
        raise NothingDone("nothing to do: there are no files in it")
    return found


def _below(word: str, under: str) -> dict[str, str]:
    from rainer.assets.publishing_files import files_below

    if Path(word).is_dir():
        return {path: str(file) for path, file in files_below(word, under).items()}
    return {f"{under.rstrip('/')}/{word.rstrip('/').rpartition('/')[2]}": word}


@contextmanager
def near_matches(publisher: AssetPublisher) -> Iterator[None]:
    """Tell whoever mistyped a path which ones there are."""
    from rainer.cli.asset_lines import near_hint

    try:
        yield
    except AssetNotFound as e:
        near = near_hint(publisher.manifest(), str(e.details.get("path", "")))
        if near:
            e.hint = f"{near} Or {e.hint}" if e.hint else near
        raise


_URL_MARK: Final = "://"


def _local(file: str, cache: AssetCache) -> Path:
    return cache(file) if _URL_MARK in file else Path(file)


def _bar(run: Invocation, files: dict[str, Path]) -> AbstractContextManager[Progress | None]:
    total = sum(file.stat().st_size for file in files.values() if file.is_file())
    what = next(iter(files)) if len(files) == 1 else count_words(len(files), "file")
    return byte_bar(run.talk, what, total)


def newest_revision(run: Invocation) -> int:
    """The revision of the manifest's newest commit; 0 if there is none."""
    from rainer.assets.stored import read_manifest

    return read_manifest(run.client, run.settings.manifest).revision or 0


def _tell(run: Invocation, found: list[Published], as_json: bool, *, is_list: bool) -> None:
    if not as_json:
        print_rows(run.out, [[(one.path, "key"), (one.version or "", "version")] for one in found])
    elif is_list:
        records.print_list(run.out, map(published_record, found))
    else:
        records.print_record(run.out, published_record(found[0]))


def _say(run: Invocation, new: list[Published], store: str) -> None:
    size = size_words(sum(one.size or 0 for one in new))
    run.out.stream.flush()
    run.talk.line((f"published {count_words(len(new), 'file')}, {size}, in {store}", "quiet"))
    say_committed(run, new)


def say_committed(run: Invocation, changed: list[Published]) -> None:
    """Tell which version of the manifest says so now, and wait for mirrors if that was asked for."""
    newest = max((one.commit for one in changed), key=lambda commit: commit.revision or 0)
    revision = "" if newest.revision is None else f", revision {newest.revision}"
    run.talk.line((f"committed {newest.key} version {newest.version}{revision}", "good"))
    if run.share is not None:
        from rainer.cli.waiting import wait_for_mirrors

        wait_for_mirrors(run, newest)
