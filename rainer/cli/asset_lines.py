"""Lines and records of assets: columns on a terminal, tabs into a pipe, JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rainer.cli import records
from rainer.cli.terminal import visible

if TYPE_CHECKING:
    from rainer.assets.published import Published, Stored
    from rainer.cli.terminal import Output, Piece
    from rainer.model.manifest import Entry

Cell = tuple[str, str]
"""A text and its style; "" for none."""

_COMPARED_MAX = 5_000
_UNITS = ("KiB", "MiB", "GiB", "TiB")


def size_words(size: int | None) -> str:
    """A size for people, such as `8 B` or `1.5 MiB`; nothing where it is not known."""
    if size is None:
        return ""
    if size < 1024:
        return f"{size} B"
    step = min((size.bit_length() - 1) // 10, len(_UNITS))
    number = size / 1024**step
    if number >= 999.5 and step < len(_UNITS):
        number, step = number / 1024, step + 1
    unit = _UNITS[step - 1]
    return f"{number:.1f} {unit}" if number < 99.95 else f"{number:.0f} {unit}"


def count_words(count: int, what: str) -> str:
    """Such as `1 file` and `2,000 files`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def print_rows(out: Output, rows: Iterable[Sequence[Cell]], right: Sequence[int] = ()) -> None:
    """Rows of cells: with tabs into a pipe; on a terminal aligned and coloured, columns of `right` to the right, and
    those left out in which nothing stands."""
    if not out.terminal:
        for row in rows:
            out.line("\t".join(text for text, _ in row))
        return
    from rich.cells import cell_len

    shown = [[(visible(text), style) for text, style in row] for row in rows]
    widths = [max(cell_len(text) for text, _ in column) for column in zip(*shown, strict=True)]
    last = max((number for number, width in enumerate(widths) if width), default=0)
    for row in shown:
        pieces: list[Piece] = []
        for number, ((text, style), width) in enumerate(zip(row, widths, strict=True)):
            if not width:
                continue
            blanks = " " * (width - cell_len(text))
            is_last = number == last
            if number in right:
                pieces += [blanks, (text, style)]
            else:
                pieces += [(text, style), "" if is_last else blanks]
            pieces.append("" if is_last else "  ")
        out.line(*_without_blanks_at_the_end(pieces))


def _without_blanks_at_the_end(pieces: list[Piece]) -> list[Piece]:
    def is_blank(piece: Piece) -> bool:
        return not (piece if isinstance(piece, str) else piece[0]).strip()

    while pieces and is_blank(pieces[-1]):
        pieces.pop()
    return pieces


def near_hint(paths: Iterable[str], path: str) -> str | None:
    """A question that names up to three paths like this one; None where there are none."""
    import difflib
    from itertools import islice

    known = list(islice(paths, _COMPARED_MAX))
    name = path.rpartition("/")[2]
    near = [one for one in known if one.endswith(f"/{name}")][:3] or difflib.get_close_matches(path, known, 3, 0.8)
    return f"did you mean {' or '.join(near)}?" if near else None


def entry_record(path: str, entry: Entry) -> dict[str, Any]:
    """What a manifest says of a path; members that it does not tell are null."""
    return {
        "path": path, "version": entry.version, "sha256": entry.sha256, "size": entry.size, "override": entry.override,
    }  # fmt: skip


def entry_cells(path: str, entry: Entry, *, for_people: bool) -> list[Cell]:
    """Path, version, size and SHA-256, or what overrides them."""
    size = size_words(entry.size) if for_people else "" if entry.size is None else str(entry.size)
    last = (f"OVERRIDDEN by {entry.override}", "warning") if entry.override else (entry.sha256 or "", "quiet")
    return [(path, "key"), (entry.version or "", "version"), (size, ""), last]


def published_record(published: Published) -> dict[str, Any]:
    """What a publish came to, with the commit that says so."""
    return {
        "path": published.path, "version": published.version, "sha256": published.sha256, "size": published.size,
        "uri": published.uri, "commit": records.commit_record(published.commit),
    }  # fmt: skip


def stored_record(stored: Stored) -> dict[str, Any]:
    """One version that the store lists."""
    mtime = None if stored.mtime is None else stored.mtime.isoformat()
    return {
        "path": stored.path, "version": stored.version, "uri": stored.uri, "size": stored.size, "mtime": mtime,
    }  # fmt: skip
