"""`rainer cache rm`, `unpin`, `verify` and `gc`: what goes, what may go, and what is damaged."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import CompletionItem

from rainer.cli import records
from rainer.cli.asset_lines import count_words, print_rows, size_words
from rainer.cli.asset_places import cache_flags, opened_cache
from rainer.cli.exit_codes import NothingDone
from rainer.cli.invocation import Invocation
from rainer.cli.options import ReadType, json_option
from rainer.cli.progress import byte_bar
from rainer.errors import CorruptError, DeniedError, InvalidError, NotFoundError, RainerError
from rainer.model.setting_values import parse_bytes
from rainer.store.login import without_login

if TYPE_CHECKING:
    from rainer.cache import AssetCache
    from rainer.cache.listing import CacheEntry


_KEPT_HINT: Final = "end what uses it (`rainer cache ls -l`), or let go of what a label pins: `rainer cache unpin`"


def _read_bytes(text: str) -> int:
    try:
        return 0 if text.strip() == "0" else parse_bytes(text)
    except ValueError as e:
        raise InvalidError(str(e)) from None


@click.command("rm", short_help="Remove files.")
@click.argument("what", metavar="[URI|PATH]...", nargs=-1)
@click.option("--under", metavar="PREFIX", help="All URLs below this one, such as s3://bucket/folder.")
@click.option("--all", "everything", is_flag=True, help="Every file.")
@json_option
@cache_flags
@click.pass_obj
def remove(run: Invocation, what: tuple[str, ...], under: str | None, everything: bool, as_json: bool) -> None:
    """Remove files from the cache, by URL or by their path in it. They are fetched again when they are wanted.

    What a process holds, or a label pins, stays; if nothing went, that is exit code 1.
    """
    if sum((bool(what), under is not None, everything)) != 1:
        raise click.UsageError("one of URI or PATH, --under PREFIX and --all is wanted")
    with opened_cache(run) as cache:
        _check_writable(run, cache)
        entries = list(cache.entries())
        if everything:
            names = list(dict.fromkeys(str(entry.path) for entry in entries))
        else:
            names = [_known(word, entries, under=False) for word in what]
            names += [] if under is None else [_known(under, entries, under=True)]
        chosen = {digest for name in names for digest in _digests(cache, entries, name)}
        removed = sum(cache.delete(name) for name in names)
    if as_json:
        records.print_record(run.out, {"removed": removed, "kept": len(chosen) - removed})
    else:
        kept = (
            f", kept {len(chosen) - removed:,} that are held, pinned or have another URL"
            if removed < len(chosen)
            else ""
        )
        run.out.line(f"removed {count_words(removed, 'file')}{kept}")
    if not removed:
        raise NothingDone("nothing was removed", hint=_KEPT_HINT if chosen else None)


def _check_writable(run: Invocation, cache: AssetCache) -> None:
    if run.settings.cache_read_only:
        raise DeniedError(f"the cache {cache.directory} is only read", hint="leave --cache-read-only away")


def _known(word: str, entries: list[CacheEntry], *, under: bool) -> str:
    """The word, if the cache has something of it."""
    word = without_login(word)
    if under:
        base = word.rstrip("/")
        found = any(e.uri is not None and (e.uri == base or e.uri.startswith(base + "/")) for e in entries)
        if found:
            return base
    elif "://" in word:
        if any(entry.uri == word for entry in entries):
            return word
    else:
        place = str(Path(word).absolute())
        if any(str(entry.path) == place for entry in entries):
            return place
    hint = "`rainer cache ls` lists what there is"
    raise NotFoundError(f"the cache has nothing {'under ' if under else 'of '}{word}", hint=hint)


def _digests(cache: AssetCache, entries: list[CacheEntry], name: str) -> set[str]:
    return {
        entry.sha256
        for entry in entries
        if str(entry.path) == name or entry.uri == name or (entry.uri or "").startswith(name + "/")
    }


def _complete_labels(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    try:
        with opened_cache(ctx.find_object(Invocation) or Invocation()) as cache:
            return [CompletionItem(label) for label in sorted(cache.pins()) if label.startswith(incomplete)]
    except (RainerError, OSError):  # a shell cannot show it
        return []


@click.command("unpin", short_help="Let go of what labels pin.")
@click.argument("labels", metavar="[LABEL]...", nargs=-1, shell_complete=_complete_labels)
@click.option("--all", "everything", is_flag=True, help="Every label.")
@json_option
@cache_flags
@click.pass_obj
def unpin(run: Invocation, labels: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Let the files that LABELs pin go when room is needed; `rainer cache info` lists the labels.

    A service that follows a manifest pins what it needs anew, and so does the next pack that is unpacked. What only a
    pack brought cannot be fetched again. Of several labels all must be there, or none is unpinned.
    """
    if bool(labels) is everything:
        raise click.UsageError("either LABELs or --all is wanted")
    with opened_cache(run) as cache:
        _check_writable(run, cache)
        there = cache.pins()
        unknown = [label for label in labels if label not in there]
        if unknown:
            raise NotFoundError(
                f"no label {unknown[0]!r} pins anything here", hint="`rainer cache info` lists those that do"
            )
        done = [label for label in (sorted(there) if everything else dict.fromkeys(labels)) if cache.unpin(label)]
    if as_json:
        records.print_record(run.out, {"unpinned": done})
    else:
        run.out.line(f"unpinned {', '.join(done) or 'nothing'}")
    if not done:
        raise NothingDone("nothing is pinned")


@click.command("verify", short_help="Hash every file; remove damaged ones.")
@click.option("--keep", is_flag=True, help="Only name damaged files, and leave them.")
@json_option
@cache_flags
@click.pass_obj
def verify(run: Invocation, keep: bool, as_json: bool) -> None:
    """Hash every file of the cache, and remove those that are damaged: they are fetched again when they are wanted.

    Prints each damaged file with the SHA-256 that it should have and the one that it has; then the exit code is 9.
    """
    with opened_cache(run) as cache:
        keep = keep or run.settings.cache_read_only
        total = cache.info().size_bytes if run.talk.terminal else None
        with byte_bar(run.talk, "Verifying", total) as progress:
            damaged = cache.verify(progress, keep=keep)
        files = cache.info().files
    if as_json:
        records.print_list(run.out, (asdict(one) | {"path": str(one.path)} for one in damaged))
    else:
        print_rows(
            run.out, [[(str(one.path), "key"), (one.sha256, "quiet"), (one.found_sha256, "removed")] for one in damaged]
        )  # fmt: skip
    if not damaged:
        run.talk.line((f"whole: {count_words(files, 'file')}, every digest as it must be", "good"))
        return
    run.out.stream.flush()
    are = "file is" if len(damaged) == 1 else "files are"
    raise CorruptError(
        f"{len(damaged):,} {are} damaged, and {'left where they are' if keep else 'removed'}",
        hint="`rainer cache verify` without --keep removes them" if keep
        else "what is wanted is fetched again; if it happens again, look at the disk",
    )  # fmt: skip


@click.command("gc", short_help="Make room, and sweep.")
@click.option("--size-max", type=ReadType("bytes", _read_bytes), help="What may stay, such as 10GiB.  [the setting]")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@json_option
@cache_flags
@click.pass_obj
def gc(run: Invocation, size_max: int | None, dry_run: bool, as_json: bool) -> None:
    """Bring the cache down to its limit, or to --size-max, and remove what dead processes left behind.

    What was used least recently goes first; never what is held, pinned, or was used within the last minute.
    """
    with opened_cache(run) as cache:
        done = cache.gc(size_max, dry_run=dry_run)
    is_dry = dry_run or run.settings.cache_read_only
    if as_json:
        records.print_record(run.out, asdict(done) | {"dry_run": is_dry})
        return
    verb = "would remove" if is_dry else "removed"
    run.out.line(
        f"{verb} {count_words(done.removed, 'file')} ({size_words(done.freed_bytes)}) and {done.temporary:,} temporary;"
        f" {size_words(done.kept_bytes)} stay"
    )
