"""`rainer asset unpack`: packs into the cache, once they are verified wholly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rainer.cli import records
from rainer.cli.asset_lines import count_words, size_words
from rainer.cli.asset_places import cache_flags, opened_cache
from rainer.cli.failures import WrongUsage
from rainer.cli.invocation import Invocation
from rainer.cli.options import json_option
from rainer.cli.progress import byte_bar

if TYPE_CHECKING:
    from rainer.assets.pack_unpacking import Unpacked


@click.command("unpack", short_help="Put a pack into the cache.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--lock", metavar="FILE", type=click.Path(path_type=Path), help="Where to write the lock file.  [NAME.lock]"
)
@click.option("--check", is_flag=True, help="Only verify; nothing enters the cache, and no lock file is written.")
@click.option(
    "--against", metavar="LOCK", type=click.Path(path_type=Path),
    help="FILEs are another tool's zip files, such as baiji's packs: take what this lock file names.",
)  # fmt: skip
@click.option("--pin/--no-pin", default=True, help="Keep the files until the manifest's next pack is unpacked.  [pin]")
@json_option
@cache_flags
@click.pass_obj
def unpack(
    run: Invocation, files: tuple[Path, ...], lock: Path | None, check: bool, against: Path | None, pin: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Verify a pack, all of its FILEs, then put its assets into the cache and write a lock file that names them.

    Nothing enters unless every byte of every file is right. Parts that lie beside the first, called as they were made,
    need not be named. Then `rainer asset path PATH --lock NAME.lock`, and rainer.Assets("NAME.lock"), need no network.
    """
    if against is not None and (lock is not None or check):
        raise WrongUsage("--against goes without --lock and --check", "LOCK already is the lock file")
    if check:
        _check(run, files, as_json)
        return
    with opened_cache(run) as cache, byte_bar(run.talk, "Unpacking") as progress:
        from rainer.assets.pack_unpacking import unpack as unpacked_of
        from rainer.assets.pack_unpacking import unpack_foreign

        if against is not None:
            done = unpack_foreign(files, cache, against, pin=pin, progress=progress)
        else:
            done = unpacked_of(files, cache, lock=lock or _default_lock(files[0]), pin=pin, progress=progress)
    _tell(run, done, as_json)


def _default_lock(file: Path) -> Path:
    """In this folder: the pack may lie on what cannot be written."""
    from rainer.assets.pack import whole_name

    return Path(whole_name(file)).with_suffix(".lock")


def _check(run: Invocation, files: tuple[Path, ...], as_json: bool) -> None:
    from rainer.assets.pack_reading import open_pack

    found = open_pack(files)
    with byte_bar(run.talk, "Verifying", found.size_bytes) as progress:
        found.verify(progress)
    facts = found.facts
    if as_json:
        record = {
            "files": [str(path) for path in found.files], "manifest": facts.manifest, "namespace": facts.namespace,
            "version": facts.version, "revision": facts.revision, "position": facts.position,
            "assets": len(found.lock.assets), "contents": len(found.places), "size": found.size_bytes,
        }  # fmt: skip
        records.print_record(run.out, record)
        return
    revision = "" if facts.revision is None else f", revision {facts.revision}"
    assets = count_words(len(found.lock.assets), "asset")
    run.out.line(f"whole: {assets} of {facts.manifest}{revision}, {size_words(found.size_bytes)}")


def _tell(run: Invocation, done: Unpacked, as_json: bool) -> None:
    if as_json:
        record = {
            "manifest": done.lock.manifest, "revision": done.lock.revision, "assets": len(done.lock.assets),
            "added": done.added, "present": done.present, "size": done.size_bytes,
            "lock": None if done.lock_path is None else str(done.lock_path),
        }  # fmt: skip
        records.print_record(run.out, record)
        return
    if done.lock_path is not None:
        run.out.line(str(done.lock_path))
        run.out.stream.flush()
    run.talk.line(
        (f"unpacked {count_words(len(done.lock.assets), 'asset')} of {done.lock.manifest}", "good"),
        f", {size_words(done.size_bytes)}; {count_words(done.present, 'content')} there already",
    )
