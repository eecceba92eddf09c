"""`rainer log`: who changed a key, when, why and how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING

import click

from rainer.cli import records
from rainer.cli.differences import print_difference
from rainer.cli.invocation import Invocation
from rainer.cli.options import json_option, key_argument, url_flag, version_argument
from rainer.cli.terminal import Output, paged

if TYPE_CHECKING:
    from rainer.model.commit import Commit


@click.command("log", short_help="Who changed a key, when, why, and what.")
@key_argument
@version_argument
@click.option("-n", "--limit", type=click.IntRange(min=1), metavar="N", help="At most N commits.")
@click.option("--oneline", is_flag=True, help="One line a commit.")
@click.option("--patch/--no-diff", "-p/-s", "patch", default=True, help="With or without the difference.")
@json_option
@url_flag
@click.pass_obj
def command(
    run: Invocation, key: str, version: int | None, limit: int | None, oneline: bool, patch: bool, as_json: bool
) -> None:
    """Show the commits of KEY, newest first, each with its difference to the one before.

    With VERSION, begin there. On a terminal the changed words are marked and the pager opens; --json gives the records
    without payloads.
    """
    patch = patch and not oneline and not as_json
    commits = _history(run, key, version, limit, payloads=patch)
    if as_json:
        records.print_list(run.out, (records.commit_record(commit) for commit, _ in commits))
        return
    with paged(run.settings.pager) as out:
        if oneline:
            _print_oneline(out, commits)
        else:
            _print_log(out, commits, patch)


def _history(
    run: Invocation, key: str, version: int | None, limit: int | None, *, payloads: bool
) -> Iterator[tuple[Commit, Commit | None]]:
    """Commits from the newest (or `version`) down, each with the one before it, read as they are asked for."""
    wanted = None if limit is None else limit + 1
    if version is None:
        commits = run.client.iter_log(key, limit=wanted, payloads=payloads)
    else:
        run.client.get(key, version)  # so that a version that is not there is an error, not an empty log
        commits = run.client.iter_log(key, before=version + 1, limit=wanted, payloads=payloads)
    first = next(commits)  # what cannot be read is an error before the pager opens
    return islice(_with_previous(chain([first], commits)), limit)


def _with_previous(commits: Iterable[Commit]) -> Iterator[tuple[Commit, Commit | None]]:
    newer: Commit | None = None
    for commit in commits:
        if newer is not None:
            yield newer, commit
        newer = commit
    if newer is not None:
        yield newer, None


def _print_oneline(out: Output, commits: Iterable[tuple[Commit, Commit | None]]) -> None:
    from rainer.cli.moments import ago

    for commit, _ in commits:
        said = ("removed" if commit.is_empty else "", records.marks_words(commit), records.first_line(commit.comment))
        words = ": ".join(filter(None, said))
        when = ago(commit.mtime) if out.terminal else commit.meta()["mtime"]
        out.line((str(commit.version), "version"), " ", (when, "quiet"), " ", commit.author, "  ", words)


def _print_log(out: Output, commits: Iterable[tuple[Commit, Commit | None]], patch: bool) -> None:
    for n, (commit, before) in enumerate(commits):
        if n:
            out.line()
        print_heading(out, commit)
        if patch:
            old = before.payload if before is not None else None
            old_version = before.version if before is not None else 0
            out.line()
            labels = f"{commit.key} {old_version}", f"{commit.key} {commit.version}"
            print_difference(out, old, commit.payload, *labels)


def print_heading(out: Output, commit: Commit) -> None:
    """Who made a commit, when and why, in the manner of git."""
    from rainer.cli.moments import ago, local

    where = "" if commit.revision is None else f"  revision {commit.revision}"
    removed = "  removed" if commit.is_empty else ""
    out.line((f"commit {commit.version}", "version"), (where, "quiet"), (removed, "removed"))
    out.line(f"Author: {commit.author}")
    if commit.marks is not None:
        out.line(("Marks:  ", "warning"), records.marks_words(commit))
    out.line(f"Date:   {local(commit.mtime)}", (f"  {ago(commit.mtime)}", "quiet"))
    if commit.comment.strip():
        out.line()
        for line in commit.comment.strip("\r\n").splitlines():
            out.line(f"    {line}" if line else "")
