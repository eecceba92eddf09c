"""`rainer store`: files in the server's store, or in an original filetracker's, as its shell names them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rainer.cli import records
from rainer.cli.commands.store_care import clean, list_files, migrate
from rainer.cli.exit_codes import NothingDone
from rainer.cli.file_store import file_store, store_flags
from rainer.cli.invocation import Invocation
from rainer.cli.options import json_option
from rainer.cli.progress import byte_bar
from rainer.errors import RainerError, UnavailableError

_BUFFER_BYTES = 256 * 1024

_no_cache_option = click.option("-c", "--no-cache", is_flag=True, help="Keep no local copy.")
_refresh_option = click.option("-f", "--refresh", is_flag=True, help="Fetch it even if the local copy is current.")
_hard_link_option = click.option("--hard-link", is_flag=True, help="A hard link, not to be changed, instead of a copy.")


@click.group("store", short_help="Files in the server's store: get, put, list.", no_args_is_help=False)
def command() -> None:
    """Keep files in the server's store, or in an original filetracker: get, put, list, take over.

    A file is named /folder/file, or /folder/file@VERSION: versions are whole seconds since 1970. What is fetched is
    checked by SHA-256, and kept in a local folder, where `rainer store clean` makes room.
    """


@command.command("get")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@_no_cache_option
@_refresh_option
@_hard_link_option
@json_option
@store_flags
@click.pass_obj
def get(
    run: Invocation, name: str, file: Path, no_cache: bool, refresh: bool, hard_link: bool, as_json: bool
) -> None:  # fmt: skip
    """Save the file NAME as FILE, and print its name with the version."""
    with file_store(run) as client:
        total = client.file_size(name, refresh) if run.talk.terminal else None
        with byte_bar(run.talk, name, total) as progress:
            found = client.get_file(
                name, file, add_to_cache=not no_cache, force_refresh=refresh, hard_link=hard_link, progress=progress
            )
    _print_name(run, found, as_json)


@command.command("cat")
@click.argument("name")
@_no_cache_option
@_refresh_option
@store_flags
@click.pass_obj
def cat(run: Invocation, name: str, no_cache: bool, refresh: bool) -> None:
    """Print the contents of the file NAME."""
    with file_store(run) as client:
        stream, _ = client.get_stream(name, force_refresh=refresh, serve_from_cache=not no_cache)
        with stream:
            while chunk := stream.read(_BUFFER_BYTES):
                sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


@command.command("put")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("name")
@click.option("--no-local-cache", is_flag=True, help="Keep no local copy.")
@click.option("--no-remote-cache", is_flag=True, help="Only keep a local copy.")
@click.option("--no-compress", is_flag=True, help="Send it as it is.")
@_hard_link_option
@json_option
@store_flags
@click.pass_obj
def put(
    run: Invocation, file: Path, name: str, no_local_cache: bool, no_remote_cache: bool, no_compress: bool,
    hard_link: bool, as_json: bool,
) -> None:  # fmt: skip
    """Store FILE under NAME, and print the name with the version that is there now.

    Without a version in NAME it is this second's. A version older than the stored one changes nothing: exit code 1.
    """
    if no_local_cache and no_remote_cache:
        raise click.UsageError("--no-local-cache and --no-remote-cache leave no place to put it")
    with file_store(run) as client, byte_bar(run.talk, name, _size_of(file)) as progress:
        stored = client.put_file(
            name, file, not no_local_cache, not no_remote_cache, not no_compress, hard_link=hard_link,
            progress=progress,
        )  # fmt: skip
    _print_name(run, stored, as_json)
    if "@" in name and stored != name:
        raise NothingDone(f"{stored} is newer than {name}, so it stays", hint="store it under a newer version")


@command.command("rm")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@store_flags
@click.pass_obj
def remove(run: Invocation, names: tuple[str, ...]) -> None:
    """Delete files here and in the store; of NAME@VERSION nothing that is newer, which is exit code 1.

    One that cannot be deleted keeps none of the others: each is told, and the first decides the exit code.
    """
    kept, errors = [], list[RainerError]()
    with file_store(run) as client:
        for name in names:
            try:
                if not client.delete_file(name):
                    kept.append(name)
            except UnavailableError:
                raise  # it would be so for all
            except RainerError as e:
                errors.append(e)
    if kept:
        errors.append(NothingDone(f"what is stored is newer than {', '.join(kept)}", hint="leave the version away"))
    for error in errors[1:]:
        run.talk.line(f"error: {error.message}")
    if errors:
        raise errors[0]


@command.command("version")
@click.argument("name")
@json_option
@store_flags
@click.pass_obj
def version(run: Invocation, name: str, as_json: bool) -> None:
    """Print the newest version of the file NAME."""
    with file_store(run, local=False) as client:
        found = client.file_version(name)
    if as_json:
        records.print_record(run.out, {"name": name.partition("@")[0], "version": found})
    else:
        run.out.line(str(found))


def _print_name(run: Invocation, name: str, as_json: bool) -> None:
    if not as_json:
        run.out.line(name)
        return
    path, _, number = name.partition("@")
    records.print_record(run.out, {"name": path, "version": int(number)})


def _size_of(file: Path) -> int | None:
    return file.stat().st_size if file.is_file() else None


for _command in (list_files, migrate, clean):
    command.add_command(_command)
