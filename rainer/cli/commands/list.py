"""`rainer list`: the keys and their heads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from rainer.cli import records
from rainer.cli.invocation import Invocation
from rainer.cli.options import REVISION, json_option, url_flag
from rainer.cli.terminal import Output, paged

if TYPE_CHECKING:
    from rainer.model.commit import Commit

_KEY_CELLS_MAX = 50
_AUTHOR_CELLS_MAX = 28
_CELL_ROWS = 1_000
"""How many rows decide how wide the columns are; those after them are printed as they come."""


@click.command("list", short_help="The keys, with their newest commits.")
@click.argument("prefix", default="", required=False)
@click.option("-A", "--all", "include_empty", is_flag=True, help="Removed keys, too.")
@click.option("-k", "--keys", "keys_only", is_flag=True, help="Only the keys, one a line.")
@click.option("--at", type=REVISION, metavar="REVISION", help="As it was at this revision.")
@json_option
@url_flag
@click.pass_obj
def command(run: Invocation, prefix: str, include_empty: bool, keys_only: bool, at: int | None, as_json: bool) -> None:
    """List the keys that begin with PREFIX, with their newest commits.

    Into a pipe: key, version, time, author and the comment's first line, separated by tabs, and after -A "removed" or
    nothing.
    """
    heads = run.client.iter_heads(prefix=prefix, include_empty=include_empty, payloads=False, at=at)
    if as_json:
        records.print_list(run.out, (records.commit_record(commit) for commit in heads))
    elif keys_only:
        for commit in heads:
            run.out.line(commit.key)
    elif run.out.terminal:
        _print_table(run, heads, prefix)
    else:
        _print_columns(run.out, heads, include_empty)


def _print_columns(out: Output, heads: Iterable[Commit], include_empty: bool) -> None:
    for commit in heads:
        meta = commit.meta()
        comment = records.first_line(commit.comment).replace("\t", " ")
        columns = [commit.key, str(commit.version), meta["mtime"], commit.author, comment]
        if include_empty:
            columns.append("removed" if commit.is_empty else "")
        out.line("\t".join(columns))


def _print_table(run: Invocation, heads: Iterator[Commit], prefix: str) -> None:
    from itertools import chain, islice

    first = list(islice(heads, _CELL_ROWS))
    if not first:
        what = f"no key begins with {prefix!r}" if prefix else "no keys yet; `rainer edit KEY` makes one"
        run.talk.line((what, "quiet"))
        return
    widths = _widths(first)
    with paged(run.settings.pager) as out:
        for commit in chain(first, heads):
            _print_row(out, commit, widths)


def _widths(commits: list[Commit]) -> tuple[int, int, int]:
    from rich.cells import cell_len

    key = max(min(cell_len(commit.key), _KEY_CELLS_MAX) for commit in commits)
    version = max(len(str(commit.version)) for commit in commits)
    author = max(min(cell_len(commit.author), _AUTHOR_CELLS_MAX) for commit in commits)
    return key, version, author


def _print_row(out: Output, commit: Commit, widths: tuple[int, int, int]) -> None:
    from rainer.cli.moments import ago

    key, version, author = widths
    comment = "removed" if commit.is_empty else ""
    words = ": ".join(filter(None, [comment, records.first_line(commit.comment)]))
    left = key + version + author + 15 + 8
    out.line(
        (fit(commit.key, key), "gone" if commit.is_empty else "key"),
        "  ",
        (str(commit.version).rjust(version), "version"),
        "  ",
        (fit(ago(commit.mtime), 15), "quiet"),
        "  ",
        fit(commit.author, author),
        "  ",
        (cut(words, max(out.width - left, 20)), "quiet"),
    )


def cut(text: str, cells: int) -> str:
    """The text, made visible, in at most so many columns."""
    from rich.cells import cell_len, set_cell_size

    from rainer.cli.terminal import visible

    text = visible(text)
    return text if cell_len(text) <= cells else set_cell_size(text, cells - 1).rstrip() + "…"


def fit(text: str, cells: int) -> str:
    """The text, filled up to so many columns; a longer one stays whole, for keys are there to be copied."""
    from rich.cells import cell_len

    from rainer.cli.terminal import visible

    text = visible(text)
    return text + " " * max(cells - cell_len(text), 0)
