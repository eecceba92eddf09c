"""Manifests as a server's journal holds them: read whole, in one piece or in parts, as of one revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from rainer.client import Client
from rainer.errors import InvalidManifest, NotFoundError
from rainer.model.commit import Commit
from rainer.model.manifest import Manifest
from rainer.model.manifest_parts import (
    PartedManifest,
    StoredManifest,
    check_manifest_key,
    part_key,
    part_keys,
    parts_named,
)

_ONE_BY_ONE_MAX: Final = 8
"""So many changed parts are asked for one by one; of more, all are read at once."""
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class ReadManifest:
    """A manifest as read at one moment, with the commits that it came from: of its head, and of each part by number."""

    stored: StoredManifest
    head: Commit | None
    parts: Mapping[int, Commit]

    @property
    def revision(self) -> int | None:
        """The newest revision among its commits; None where the server tells none."""
        return newest_revision([commit for commit in (self.head, *self.parts.values()) if commit is not None])


def newest_revision(commits: list[Commit]) -> int | None:
    """The newest of the revisions that these commits tell."""
    return max((commit.revision for commit in commits if commit.revision is not None), default=None)


def read_stored(client: Client, key: str) -> StoredManifest:
    """The manifest under a key, all of it as of one revision, ready to be changed. May be called from any thread.

    A key that was never committed, or is removed, gives an empty one that does not exist. Raises InvalidManifest, and
    what the client's calls raise.
    """
    return read_manifest(client, key).stored


def read_manifest(client: Client, key: str, before: ReadManifest | None = None) -> ReadManifest:
    """The same, with its commits; of parts that stand as they did `before`, nothing is read and parsed again."""
    check_manifest_key(key)
    if before is None:
        head = _head(client, key)
        if head is None or head.is_empty or not parts_named(head.payload or b""):
            return _whole(key, head)
    for _ in range(_TRIES):
        metas = client.heads(prefix=key, include_empty=True, payloads=False)
        found = _assemble(client, key, metas, before)
        if found is not None:
            return found
    raise InvalidManifest(
        f"the parts of manifest {key!r} do not stand still", hint="try again when its history is not being restored"
    )


def _head(client: Client, key: str) -> Commit | None:
    try:
        return client.get(key)
    except NotFoundError as e:
        if type(e) is not NotFoundError:
            raise
        return None


def _whole(key: str, head: Commit | None) -> ReadManifest:
    exists = head is not None and not head.is_empty
    manifest = Manifest.parse(head.payload or b"") if exists and head is not None else Manifest()
    versions = {key: 0 if head is None else head.version}
    return ReadManifest(StoredManifest(key, manifest, versions, exists), head, {})


def _assemble(
    client: Client, key: str, metas: Mapping[str, Commit], before: ReadManifest | None
) -> ReadManifest | None:
    """The manifest as these heads have it; None where what they name is not to be had any more."""
    meta = metas.get(key)
    if meta is None or meta.is_empty:
        return _whole(key, meta)
    head = before.head if before is not None and is_same(before.head, meta) else client.get(key, meta.version)
    if head is None or not is_same(head, meta):
        return None
    parts = parts_named(head.payload or b"")
    if not parts:
        return before if before is not None and head is before.head else _whole(key, head)
    wanted = {n: metas[k] for n, k in enumerate(part_keys(key, parts)) if k in metas}
    same_head = before is not None and before.stored.parts == parts
    known = dict(before.parts) if before is not None and same_head else {}
    changed = {n: m for n, m in wanted.items() if not is_same(known.get(n), m)}
    if before is not None and head is before.head and not changed and wanted.keys() == before.parts.keys():
        return before
    read = _read_parts(client, key, changed, [meta, *wanted.values()])
    if read is None:
        return None
    return _parted(key, head, {n: read.get(n) or known[n] for n in wanted}, changed, parts, before)


def _read_parts(
    client: Client, key: str, changed: Mapping[int, Commit], all_metas: list[Commit]
) -> dict[int, Commit] | None:
    found: dict[int, Commit] = {}
    filled = {n: meta for n, meta in changed.items() if not meta.is_empty}
    found.update({n: meta for n, meta in changed.items() if meta.is_empty})
    if len(filled) <= _ONE_BY_ONE_MAX:
        found.update({n: client.get(part_key(key, n), meta.version) for n, meta in filled.items()})
    else:
        # Nothing of the manifest changed after its newest commit: as of that one, its keys are what the metas say.
        heads = client.heads(prefix=part_key(key, 0)[:-2], at=newest_revision(all_metas))
        found.update({n: heads[part_key(key, n)] for n in filled if part_key(key, n) in heads})
    is_whole = all(is_same(found.get(n), meta) for n, meta in changed.items())
    return found if is_whole else None


def _parted(
    key: str, head: Commit, commits: dict[int, Commit], changed: Mapping[int, Commit], parts: int,
    before: ReadManifest | None,
) -> ReadManifest:  # fmt: skip
    old = None if before is None else before.stored.manifest
    if isinstance(old, PartedManifest) and old.parts == parts:
        manifest = old.with_parts({n: commits[n].payload or b"" for n in changed})
    else:
        manifest = PartedManifest([_payload(commits.get(n)) for n in range(parts)])
    versions = {k: commits[n].version if n in commits else 0 for n, k in enumerate(part_keys(key, parts))}
    versions[key] = head.version
    return ReadManifest(StoredManifest(key, manifest, versions), head, commits)


def _payload(commit: Commit | None) -> bytes:
    return b"" if commit is None else commit.payload or b""


def is_same(one: Commit | None, other: Commit) -> bool:
    """Whether two are one commit, whatever of its payload was read."""
    return one is not None and replace(one, payload=None) == replace(other, payload=None)
