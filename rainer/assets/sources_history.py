"""What a manifest said of a path in the past, as the journal remembers it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rainer.client import Client
from rainer.errors import InvalidManifest, NotFoundError
from rainer.model.commit import Commit
from rainer.model.manifest import Entry, Manifest
from rainer.model.manifest_parts import part_key, part_of, parts_named


def history(client: Client, key: str, path: str) -> Iterator[Entry]:
    """The entries of a path, newest first, each once; commits that cannot be read are passed over.

    Reads the history of the head key, and of each part that ever held the path, a page at a time and no further than
    the caller goes on. Nothing where the key never existed.
    """
    last: Entry | None = None
    for commit in _commits(client, key, path):
        entry = _entry_in(commit, path)
        if entry is not None and entry != last:
            last = entry
            yield entry


def _commits(client: Client, key: str, path: str) -> Iterator[Commit]:
    """A head that names parts stands for the histories of these; the others are manifests themselves."""
    seen: set[str] = set()
    for commit in _log(client, key):
        try:
            parts = parts_named(commit.payload or b"")
        except InvalidManifest:
            continue
        if not parts:
            yield commit
            continue
        name = part_key(key, part_of(path, parts))
        if name not in seen:
            seen.add(name)
            yield from _log(client, name)


def _log(client: Client, key: str) -> Iterator[Commit]:
    try:
        yield from client.iter_log(key)
    except NotFoundError:
        return


def _entry_in(commit: Commit, path: str) -> Entry | None:
    payload = commit.payload or b""
    # Most of a long history does not name the path at all, and need not be parsed.
    if not any(spelling in payload for spelling in _spellings(path)):
        return None
    try:
        return Manifest.parse(payload).get(path)
    except InvalidManifest:
        return None


def _spellings(path: str) -> set[bytes]:
    last = path.rpartition("/")[2]
    return {json.dumps(last)[1:].encode(), json.dumps(last, ensure_ascii=False)[1:].encode()}
