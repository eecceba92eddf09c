"""`rainer store ls`, `migrate` and `clean`: what there is, what is taken over, what goes."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rainer.cli import exit_codes, records
from rainer.cli.file_store import file_store, store_flags
from rainer.cli.invocation import Invocation
from rainer.cli.moments import ago
from rainer.cli.options import ReadType, json_option, settings_flags
from rainer.cli.progress import byte_bar
from rainer.errors import InvalidError
from rainer.model.setting_values import parse_bytes

if TYPE_CHECKING:
    from rainer.store.client_files import FileEntry
    from rainer.store.evicting import Cleaned
    from rainer.store.migrating import Migration


def _read_bytes(text: str) -> int:
    try:
        return parse_bytes(text)
    except ValueError as e:
        raise InvalidError(str(e)) from None


@click.command("ls")
@click.argument("folder", default="", required=False)
@click.option("-l", "--long", "is_long", is_flag=True, help="Version, size and SHA-256, too.")
@click.option("--local", is_flag=True, help="The local copies instead, with the last use of each.")
@click.option("--last-modified", type=click.IntRange(0), metavar="VERSION", help="Only what is not newer.")
@json_option
@store_flags
@click.pass_obj
def list_files(
    run: Invocation, folder: str, is_long: bool, local: bool, last_modified: int | None, as_json: bool
) -> None:  # fmt: skip
    """List the files below FOLDER, one a line; with -l name, version, bytes and SHA-256, separated by tabs."""
    with file_store(run) as client:
        if not (local or is_long or as_json):
            for name in client.iter_remote_files(folder, last_modified):
                run.out.line(name)
            return
        found: Iterable[FileEntry] = client.list_local_files() if local else client.iter_remote_entries(folder)
        found = _chosen(found, folder.strip("/"), last_modified)
        if as_json:
            records.print_list(run.out, (_record(entry) for entry in found))
            return
        for entry in found:
            run.out.line(*_line(entry, is_long, run.out.terminal))


def _chosen(entries: Iterable[FileEntry], folder: str, last_modified: int | None) -> Iterator[FileEntry]:
    prefix = f"/{folder}/" if folder else "/"
    for entry in entries:
        if entry.path.startswith(prefix) and (last_modified is None or entry.version <= last_modified):
            yield entry


def _record(entry: FileEntry) -> dict[str, object]:
    record = {"name": entry.path, "version": entry.version, "size": entry.size, "sha256": entry.sha256}
    return record | ({} if entry.used_at is None else {"used_at": entry.used_at})


def _line(entry: FileEntry, is_long: bool, terminal: bool) -> list[tuple[str, str]]:
    columns = [(entry.path, "key")]
    if is_long:
        columns += [(str(entry.version), "version"), (str(entry.size), ""), (entry.sha256 or "", "quiet")]
    if entry.used_at is not None:
        columns.append((_moment(entry.used_at, terminal), "quiet"))
    return [piece for column in columns for piece in (("\t", ""), column)][1:]


def _moment(seconds: float, terminal: bool) -> str:
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(seconds, UTC)
    return ago(moment) if terminal else moment.isoformat(timespec="seconds").replace("+00:00", "Z")


@click.command("migrate")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--root", type=click.Path(path_type=Path), help="The folder from which names count.  [FOLDER]")
@click.option("--threads", type=click.IntRange(1, 64), default=8, help="Files on their way at once.  [8]")
@json_option
@store_flags
@click.pass_obj
def migrate(run: Invocation, folder: Path, root: Path | None, threads: int, as_json: bool) -> None:
    """Take over the files below FOLDER into the store, with their modification times as versions.

    FOLDER is the data folder of an original filetracker server, the cache folder of one of its clients, or any other.
    What is there in the same version with the same contents is left out, so an interrupted run is just begun again.
    What cannot be taken over is listed, and ends the command with exit code 5; all else is done.
    """
    from rainer.store.migrating import files_in
    from rainer.store.migrating import migrate as take_over

    files = list(files_in(folder, root))
    with (
        file_store(run, local=False) as client,
        byte_bar(run.talk, "Uploading", sum(file.stored_bytes for file in files)) as progress,
    ):
        outcome = take_over(client, files, threads=threads, progress=progress)
    _tell_migration(run, outcome, as_json)


def _tell_migration(run: Invocation, outcome: Migration, as_json: bool) -> None:
    if as_json:
        refused = [{"file": file, "reason": reason} for file, reason in outcome.refused]
        records.print_record(run.out, asdict(outcome) | {"refused": refused})
    else:
        run.out.line(
            f"uploaded {outcome.uploaded}, there already {outcome.present}, newer there {outcome.newer},"
            f" refused {len(outcome.refused)}"
        )
        for file, reason in outcome.refused:
            run.talk.line((file, "key"), f": {reason}")
    if outcome.refused and as_json:
        raise click.exceptions.Exit(exit_codes.INVALID)
    if outcome.refused:
        raise InvalidError(
            f"{len(outcome.refused)} of the files cannot be taken over; the others are",
            hint="rename or mend those listed above, and run this again: it uploads what is missing",
        )


@click.command("clean")
@click.argument("folders", metavar="[FOLDER]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--size-max", type=ReadType("bytes", _read_bytes), required=True, help="What a folder may hold: 10GiB.")
@click.option("--keep-percent", type=click.FloatRange(0, 100), default=100.0, help="How full to leave it.  [100]")
@click.option("--every", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Go on until ^C, so often.")
@json_option
@settings_flags("store_dir")
@click.pass_obj
def clean(
    run: Invocation, folders: tuple[Path, ...], size_max: int, keep_percent: float, every: float | None, as_json: bool
) -> None:
    """Make room in the folder of local copies (or in each FOLDER): what was used least recently goes.

    What is being read or written meanwhile stays. The store itself is never touched.
    """
    from rainer.store import Client

    chosen = folders or (run.settings.store_dir,)
    clients = [(folder, Client(local_dir=folder)) for folder in chosen]
    never = threading.Event()
    while True:
        for folder, client in clients:
            _tell_cleaning(run, folder, client.clean(size_max, keep_percent), as_json)
        if every is None:
            return
        run.out.stream.flush()
        never.wait(every)


def _tell_cleaning(run: Invocation, folder: Path, done: Cleaned, as_json: bool) -> None:
    if as_json:
        records.print_record(run.out, {"folder": str(folder)} | asdict(done))
        return
    run.out.line(
        f"{folder}: removed {done.removed} ({done.freed_bytes:,} bytes), kept {done.kept} ({done.kept_bytes:,} bytes)"
    )
