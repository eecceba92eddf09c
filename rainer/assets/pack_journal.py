"""The journal's part in a pack: the commits that the manifest was read from, and who made those before them."""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from rainer.assets.lockfile import LockFile
from rainer.assets.pack import HINT, PackFacts
from rainer.assets.sources import ManifestState, state_of
from rainer.client import Client
from rainer.errors import InvalidManifest, RainerError
from rainer.model import times
from rainer.model.commit import Commit
from rainer.model.manifest import Entry, Manifest
from rainer.model.manifest_json import parse_object
from rainer.model.manifest_parts import PartedManifest
from rainer.model.names import DEFAULT_NAMESPACE

log = logging.getLogger("rainer.assets")

_HISTORY_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class JournalSlice:
    """Commits, newest first: those that the manifest is made of with their payloads, the others without."""

    commits: tuple[Commit, ...]
    position: str | None = None

    def to_bytes(self) -> bytes:
        """A line of JSON each, as the feed has them."""
        return b"".join(json.dumps(_record(commit)).encode() + b"\n" for commit in self.commits)

    @classmethod
    def parse(cls, data: bytes, facts: PackFacts) -> JournalSlice:
        """Read it back. Raises InvalidManifest."""
        commits = []
        for number, line in enumerate(data.splitlines(), 1):
            try:
                commits.append(_commit(parse_object(line, "line"), facts.namespace))
            except (RainerError, KeyError, ValueError, TypeError, AttributeError) as e:
                why = f"it lacks {e}" if isinstance(e, KeyError) else str(e)
                raise InvalidManifest(f"line {number} of the pack's journal: {why}", hint=HINT) from None
        return cls(tuple(commits), facts.position)


def slice_of(state: ManifestState, client: Client | None) -> JournalSlice:
    """What is to be known of a manifest's commits; of those before them only where there is a server to ask."""
    made_of = sorted(state.commits.values(), key=lambda c: (c.revision or 0, c.key), reverse=True)
    if client is None or state.version is None or not made_of:
        return JournalSlice(tuple(made_of))
    try:
        before = tuple(islice(_before(client, state), _HISTORY_MAX))
        return JournalSlice((*made_of, *before), _position(client, state))
    except RainerError as e:
        log.warning("the history of %s is not packed: %s", state.key, e)
        return JournalSlice(tuple(made_of))


def _before(client: Client, state: ManifestState) -> Iterator[Commit]:
    return client.iter_log(state.key, before=state.version, limit=_HISTORY_MAX, payloads=False)


def _position(client: Client, state: ManifestState) -> str | None:
    """A position of the journal whose history the manifest's newest commit is proved to be in."""
    if state.revision is None:
        return None
    page = client.changes(since=state.revision - 1, limit=1)
    ours = {(commit.key, commit.version) for commit in state.commits.values() if commit.revision == state.revision}
    there = {(commit.key, commit.version) for commit in page.commits if commit.revision == state.revision}
    return str(page.position) if ours and ours <= there else None


def manifest_bytes(state: ManifestState) -> bytes | None:
    """The manifest as one text, verbatim where it is one commit's, else as we write it."""
    head = state.commits.get(state.key)
    if head is not None and not isinstance(state.manifest, PartedManifest):
        return head.payload
    if isinstance(state.manifest, PartedManifest):
        return state.manifest.whole().to_bytes()
    return state.manifest.to_bytes() if isinstance(state.manifest, Manifest) else None


def check(lock: LockFile, manifest: bytes | None, journal: JournalSlice | None) -> None:
    """See that lock file, manifest and commits of a pack say the same. Raises InvalidManifest."""
    named = None if manifest is None else Manifest.parse(manifest)
    if journal is not None and journal.commits:
        _check_commits(lock, named, journal)
    for path, entry in lock.assets.items():
        said = entry if named is None else named.get(path)
        if said is None or not _agree(said, entry):
            raise InvalidManifest(f"the pack's manifest does not name {path} as its lock file does", hint=HINT)


def _check_commits(lock: LockFile, manifest: Mapping[str, Entry] | None, journal: JournalSlice) -> None:
    made_of = {commit.key: commit for commit in journal.commits if commit.payload is not None}
    known = {(commit.key, commit.version) for commit in journal.commits}
    if len(known) != len(journal.commits):
        raise InvalidManifest("the pack's journal has a commit twice", hint=HINT)
    if any(commit.namespace != (lock.namespace or commit.namespace) for commit in journal.commits):
        raise InvalidManifest("the pack's journal has commits of another namespace", hint=HINT)
    state = state_of(lock.manifest, lock.namespace, made_of, None)
    if state.version != lock.version or (lock.revision is not None and state.revision not in (None, lock.revision)):
        raise InvalidManifest("the pack's journal is not that of its lock file", hint=HINT)
    if manifest is not None and dict(state.manifest) != dict(manifest):
        raise InvalidManifest("the pack's manifest is not the one of its commits", hint=HINT)


def _agree(said: Entry, locked: Entry) -> bool:
    """A manifest may say less than the lock file, which got the digest from the store; but nothing else."""
    return (
        said.version == locked.version and said.override is None
        and said.sha256 in (None, locked.sha256) and said.size in (None, locked.size)
    )  # fmt: skip


def _record(commit: Commit) -> dict[str, Any]:
    found = commit.meta() | {"namespace": commit.namespace, "revision": commit.revision}
    if commit.payload is not None:
        found["payload_base64"] = base64.b64encode(commit.payload).decode()
    return found


def _commit(found: dict[str, Any], namespace: str | None) -> Commit:
    payload = found.get("payload_base64")
    kinds = {"key": str, "version": int, "author": str, "comment": str, "mtime": str, "empty": bool}
    wrong = [name for name, kind in kinds.items() if type(found[name]) is not kind]
    revision = found.get("revision")
    if wrong or type(revision) not in (int, type(None)) or type(payload) not in (str, type(None)):
        raise ValueError(f"its {(wrong or ['revision or payload'])[0]} is of the wrong type")
    try:
        data = None if payload is None else base64.b64decode(payload, validate=True)
    except binascii.Error:
        raise ValueError("its payload is not base64") from None
    return Commit(
        found["key"], found["version"], data, found["author"], found["comment"],
        times.from_ms(times.parse_iso(found["mtime"])), found["empty"],
        str(found.get("namespace") or namespace or DEFAULT_NAMESPACE), revision,
    )  # fmt: skip
