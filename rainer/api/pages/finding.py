"""What lists of heads are made of: rows by key, by change, by what was searched for, and as of a past moment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from rainer.api.answers import MetaForm
from rainer.api.listing import Listing
from rainer.journal.listing import HeadRow
from rainer.journal.reads import Reads
from rainer.journal.row import Row, State
from rainer.model.difference import decode
from rainer.model.key_set import KeySet
from rainer.service.head_texts import HeadTexts, Hit

PAGE: Final = 100
SEARCH_PAGE: Final = 50
_WALK_ROWS: Final = 1_000
_WALK_BYTES: Final = 64 * 1024 * 1024
CHANGED_MAX: Final = 2_000
"""So many commits are looked through for what changed since a moment."""
CHANGED_SHOWN: Final = 300
_AROUND: Final = 60
_WORD: Final = re.compile(r'"([^"]+)"|(\S+)')


def words_of(query: str) -> list[str]:
    """The words of a search, each once; what stands in quotes is one."""
    found = _WORD.findall(query.replace("\0", " "))
    return list(dict.fromkeys(quoted or bare for quoted, bare in found))


@dataclass(frozen=True, slots=True)
class Shown:
    """A row of a list: a head as it is, or was; `since` says how it differs from now, where that was asked."""

    key: str
    version: int
    author: str
    comment: str
    time_ms: int
    revision: int
    snippet: str = ""
    line: int = 0
    since: str = ""
    """Empty, `changed`, `removed`, `added`, or `passed` for what came and went."""
    now_version: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A page of rows; `after` is where the next one begins, None at the end."""

    rows: list[Shown]
    after: str | None = None
    total: int | None = None
    is_more_than_total: bool = False
    notes: list[str] = field(default_factory=list)


def of_head(row: HeadRow) -> Shown:
    return Shown(row.key, row.version, row.author, row.comment, row.mtime_ms, row.revision)


def by_key(reads: Reads, namespace: str, keys: KeySet, pinned: State, after: str | None, prefix: str = "") -> Found:
    """A page of heads in the order of their keys, as they were at `pinned`; runs in a thread."""
    listing = Listing(namespace, prefix, after, False, PAGE, MetaForm(), keys)
    cells, next_after = listing.portion(reads, pinned, after, PAGE)
    return Found([of_head(HeadRow(*one)) for one in cells], next_after)


def by_change(texts: HeadTexts, keys: KeySet, page: int) -> Found:
    """A page of heads, that which changed last first."""
    readable = texts.by_change if keys.is_all else [key for key in texts.by_change if key in keys]
    chosen = readable[page * PAGE : (page + 1) * PAGE]
    rows = [_of_entry(texts, key) for key in chosen]
    return Found(rows, str(page + 1) if (page + 1) * PAGE < len(readable) else None, len(readable))


def _of_entry(texts: HeadTexts, key: str) -> Shown:
    one = texts.entries[key]
    return Shown(one.key, one.version, one.author, one.comment, one.mtime_ms, one.revision)


def search(reads: Reads, texts: HeadTexts, space: int, keys: KeySet, words: Sequence[str], page: int) -> Found:
    """A page of heads that hold all the words in key or payload; runs in a thread."""
    hits, is_more = texts.search(words, None if keys.is_all else keys)
    chosen = hits[page * SEARCH_PAGE : (page + 1) * SEARCH_PAGE]
    snippets = _snippets(reads, space, [hit for hit in chosen if not hit.by_key], words)
    rows = []
    for hit in chosen:
        line, snippet = snippets.get(hit.entry.key, (0, ""))
        rows.append(replace(_of_entry(texts, hit.entry.key), snippet=snippet, line=line))
    after = str(page + 1) if (page + 1) * SEARCH_PAGE < len(hits) else None
    return Found(rows, after, len(hits), is_more)


def _snippets(reads: Reads, space: int, hits: Sequence[Hit], words: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Of each head the line that holds a word, and its number; a few payloads in memory at a time."""
    found: dict[str, tuple[int, str]] = {}
    for start in range(0, len(hits), 10):
        _, rows = reads.head_rows([(space, hit.entry.key) for hit in hits[start : start + 10]])
        for row in rows:
            found[row.key] = snippet_of(row.payload, words)
    return found


def snippet_of(payload: bytes | None, words: Sequence[str]) -> tuple[int, str]:
    """The first line that holds one of the words, the longest before others, cut around it; and its number."""
    text = decode(payload) or ""
    low = text.lower()
    if len(low) != len(text):  # some letters' small forms are two
        low = text
    for word in sorted(words, key=len, reverse=True):
        at = low.find(word.lower())
        if at >= 0:
            start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
            end = len(text) if end < 0 else end
            left, right = max(start, at - _AROUND), min(end, at + len(word) + 2 * _AROUND)
            cut = text[left:right].strip()
            return text.count("\n", 0, at) + 1, f"{'…' if left > start else ''}{cut}{'…' if right < end else ''}"
    return 0, ""


def walk(reads: Reads, namespace: str, keys: KeySet, words: Sequence[str], after: str | None) -> Found:
    """The same for heads that are too large to be held: a stretch of them is read, and the page says how far it came.

    Runs in a thread.
    """
    pinned = reads.pin(None)
    wanted = [word.lower() for word in words]
    listing = Listing(namespace, "", after, False, None, MetaForm(payload_utf8=True), keys)
    rows: list[Shown] = []
    size = seen = 0
    while len(rows) < SEARCH_PAGE and size < _WALK_BYTES:
        cells, after = listing.portion(reads, pinned, after, _WALK_ROWS)
        for row in (HeadRow(*one) for one in cells):
            size += row.payload_bytes or 0
            seen += 1
            text = f"{row.key}\n{decode(row.payload) or ''}".lower()
            if all(word in text for word in wanted):
                line, snippet = snippet_of(row.payload, words)
                rows.append(replace(of_head(row), snippet=snippet, line=line))
        if after is None:
            break
    note = f"{seen:,} keys were searched, in the order of keys" + ("" if after is None else "; there are more")
    return Found(rows, after, notes=[note])


def as_of(reads: Reads, namespace: str, keys: KeySet, pinned: State, after: str | None, prefix: str) -> Found:
    """A page of heads as they were, each compared with what it is now; runs in a thread."""
    then = by_key(reads, namespace, keys, pinned, after, prefix)
    if not then.rows:
        return then
    now = reads.pin(None)
    listing = Listing(namespace, prefix, after, False, None, MetaForm(), keys)
    found: dict[str, HeadRow] = {}
    last, at = then.rows[-1].key, after
    while True:
        cells, at = listing.portion(reads, now, at, 2 * PAGE)
        found |= {row.key: row for row in (HeadRow(*one) for one in cells)}
        if at is None or at >= last:
            break
    return Found([_compared(row, found.get(row.key)) for row in then.rows], then.after)


def _compared(then: Shown, now: HeadRow | None) -> Shown:
    since = "removed" if now is None else "changed" if now.version != then.version else ""
    return replace(then, since=since, now_version=0 if now is None else now.version)


def changed_since(reads: Reads, namespace: str, keys: KeySet, revision: int) -> Found:
    """The keys that changed after a revision, the last changed first; runs in a thread."""
    found = reads.recent(namespace, limit=CHANGED_MAX)
    newest: dict[str, Row] = {}
    first_version: dict[str, int] = {}
    for row in found:
        if row.revision > revision and row.key in keys:
            newest.setdefault(row.key, row)
            first_version[row.key] = row.version
    is_cut = len(found) == CHANGED_MAX and found[-1].revision > revision
    rows = [_changed(row, first_version[key] - 1) for key, row in newest.items()]
    notes = []
    if is_cut or len(rows) > CHANGED_SHOWN:
        notes = ["more has changed since than one page tells: these changed last"]
    return Found(rows[:CHANGED_SHOWN], total=len(rows), notes=notes)


def _changed(row: Row, then: int) -> Shown:
    since = "added" if then == 0 else "changed"
    if row.is_empty:
        since = "removed" if then else "passed"
    return Shown(
        row.key, then, row.author, row.comment, row.mtime_ms, row.revision, since=since, now_version=row.version
    )
