"""Blame: which commit last changed each line, found from the newest version back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rainer.journal.reads import Reads
from rainer.journal.row import Row
from rainer.model.difference import decode
from rainer.model.sequences import changes

_PORTION: Final = 50
_VERSIONS_MAX: Final = 2_000
_PATIENCE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Blame:
    """The lines of a version, and of each the commit that it came with.

    A None stands for a line that is older than the search went, which was down to `oldest`; `rows` has the commits, by
    version, without payloads.
    """

    lines: list[str]
    versions: list[int | None]
    rows: dict[int, Row]
    oldest: int


def blame(reads: Reads, namespace: str, key: str, version: int) -> Blame | None:
    """Look at versions from `version` back until every line is explained; None where that is no text.

    Runs in a thread, for some seconds at most: then the rest of the lines stays unexplained.
    """
    history = _history(reads, namespace, key, version)
    newest = next(history)
    lines = _lines(newest)
    if lines is None:
        return None
    found: list[int | None] = [None] * len(lines)
    waiting = {place: place for place in range(len(lines))}  # in the version at hand → in the newest one
    rows = {newest.version: newest._replace(payload=None)}
    current, here = newest, lines
    deadline = time.monotonic() + _PATIENCE_S
    for before in history:
        if not waiting or newest.version - before.version >= _VERSIONS_MAX or time.monotonic() > deadline:
            break
        older = _lines(before) or []
        waiting = _pass_on(older, here, waiting, current.version, found)
        current, here = before, older
        rows[before.version] = before._replace(payload=None)
    if current.version == 1:
        for place in waiting.values():
            found[place] = 1
    return Blame(lines, found, rows, current.version)


def _pass_on(
    older: list[str], here: list[str], waiting: dict[int, int], version: int, found: list[int | None]
) -> dict[int, int]:
    """Explain the lines that are new in a version, and hand the others on to the version before."""
    passed: dict[int, int] = {}
    old_at = new_at = 0
    for change in changes(older, here):
        for step in range(change.new_start - new_at):
            if new_at + step in waiting:
                passed[old_at + step] = waiting[new_at + step]
        for place in range(change.new_start, change.new_end):
            if place in waiting:
                found[waiting[place]] = version
        old_at, new_at = change.old_end, change.new_end
    for step in range(len(here) - new_at):
        if new_at + step in waiting:
            passed[old_at + step] = waiting[new_at + step]
    return passed


def _lines(row: Row) -> list[str] | None:
    text = decode(None if row.payload is None else bytes(row.payload))
    if text is None:
        return None
    lines = text.split("\n")
    return lines[:-1] if not lines[-1] else lines


def _history(reads: Reads, namespace: str, key: str, version: int) -> Iterator[Row]:
    before = version + 1
    while before > 1:
        _, rows, _ = reads.log(namespace, key, before=before, limit=_PORTION, at=None, payloads=True)
        if not rows:
            return
        yield from rows
        before = rows[-1].version
