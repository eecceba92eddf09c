"""Mirrors as people read them: what a mirror server holds, and who follows whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

if TYPE_CHECKING:
    from rainer.cli.terminal import Output

_COLUMNS: Final = ("namespace", "host", "pid", "via", "revision", "behind", "state", "heard", "error")


def mirrored_lines(mirrored: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Name and text of each line about what a mirror server holds."""
    for one in mirrored:
        age_s = one.get("age_s")
        age = "never current" if age_s is None else f"current {float(age_s):.1f} s ago"
        yield "mirrored", f"{one['namespace']}, {one['state']}, revision {one['revision']}, {one['keys']} keys, {age}"
        for key, why in dict(one.get("rejected") or {}).items():
            yield "", f"{key} was rejected: {why}"
        if one.get("error"):
            yield "", str(one["error"])


def print_mirrors(out: Output, mirrors: Sequence[Mapping[str, Any]], missing: str) -> None:
    """A table of mirrors: for a terminal's width there, with aligned columns in a pipe."""
    rows = [_row(mirror) for mirror in mirrors]
    if missing:
        out.line(("mirrors", "quiet"), f"  those in ZooKeeper are missing: {missing}")
    if not rows:
        out.line(("mirrors", "quiet"), "  none reports to this server")
    elif out.terminal:
        _print_table(out, rows)
    else:
        widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
        for row in [_COLUMNS, *rows]:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            out.line("  ".join(cells).rstrip())


def _row(mirror: Mapping[str, Any]) -> tuple[str, ...]:
    texts = (mirror.get(name) for name in ("namespace", "host", "pid", "via", "revision"))
    error = "; ".join([*([str(mirror["error"])] if mirror.get("error") else []), *_rejections(mirror)])
    return (*map(str, texts), _behind(mirror), str(mirror.get("state")), _heard(mirror), " ".join(error.split()))


def _rejections(mirror: Mapping[str, Any]) -> Iterator[str]:
    rejected = dict(mirror.get("rejected") or {})
    for key, why in list(rejected.items())[:1]:
        more = f" (and {len(rejected) - 1} more)" if len(rejected) > 1 else ""
        yield f"{key} rejected: {why}{more}"


def _behind(mirror: Mapping[str, Any]) -> str:
    """Such as `0`, or `12, 3.4 s`; `?` where it cannot be told."""
    behind, lag_s = mirror.get("lag_revisions"), mirror.get("lag_s")
    if behind is None:
        return "?"
    return f"{behind}, {lag_s:.1f} s" if lag_s else str(behind)


def _heard(mirror: Mapping[str, Any]) -> str:
    from rainer.cli.moments import ago

    try:
        return ago(datetime.fromisoformat(str(mirror.get("time"))))
    except ValueError:
        return "?"


def _print_table(out: Output, rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from rainer.cli.terminal import visible

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in _COLUMNS:
        table.add_column(name, justify="right" if name in ("pid", "revision", "behind") else "left", overflow="fold")
    for row in rows:
        style = "" if row[6] == "current" and row[5] == "0" else "yellow"
        table.add_row(*(Text(visible(cell)) for cell in row), style=style)
    Console(file=cast(TextIO, out.stream), force_terminal=True, width=out.width).print(table)
