"""A manifest read, changed and committed again, until it stands or cannot: conflicts, lost answers, parts."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from rainer.assets.stored import ReadManifest, read_manifest
from rainer.client import Client
from rainer.errors import ConflictError, NotFoundError, OutcomeUnknown, UnavailableError
from rainer.model.commit import Commit, Draft
from rainer.model.manifest import Entry, Manifest
from rainer.model.manifest_parts import (
    PartedManifest,
    StoredManifest,
    check_manifest_key,
    part_key,
    part_of,
    parts_named,
)

PATIENCE_S: Final = 120.0
"""How long a change is merged and tried again while others change the manifest, or a commit's outcome is unknown."""
_PAUSE_S: Final = 0.01
_PAUSE_MAX_S: Final = 1.0
_DESCRIBED_MAX: Final = 3

Changes = Mapping[str, Entry | None]


class MovedOn(Exception):
    """Raised by who decides on changes: the manifest may be another by now, and is to be read again."""


class KeptManifest:
    """One manifest in the journal, to be changed by entries. Thread-safe."""

    def __init__(self, client: Client, key: str, *, author: str | None, short: bool, patience_s: float) -> None:
        self.key = check_manifest_key(key)
        self._client = client
        self._author = author
        self._short = short
        self._patience_s = patience_s
        self._before: ReadManifest | None = None

    def read(self) -> StoredManifest:
        """The manifest as it stands, all its parts as of one revision. One that is not there is empty.

        Raises InvalidManifest for what is no manifest, and NamespaceNotFound.
        """
        # Of one in parts, most are still the same at the next reading; a whole one costs one request without `before`.
        before = self._before if self._before is not None and self._before.stored.parts else None
        self._before = read_manifest(self._client, self.key, before)
        return self._before.stored

    def change(self, decide: Callable[[StoredManifest], Changes], comment: str | None) -> dict[str, Commit]:
        """Commit what `decide` makes of the newest manifest; the commit that holds each changed path's entry.

        Whenever others were quicker, `decide` is asked again about what they made of it, so that nobody's change is
        lost; it may raise MovedOn to be asked again as well. A commit whose answer is lost is repeated with its id.
        Raises ConflictError when others were quicker for all of the patience, OutcomeUnknown, and what decide, reading
        and committing raise.
        """
        deadline = time.monotonic() + self._patience_s
        attempt = 0
        while True:
            stored = self.read()
            # Before anybody looks at its entries: what is an override in either form is told apart only until then.
            short = self._short and isinstance(stored.manifest, Manifest) and stored.manifest.is_short
            try:
                changes = decide(stored)
                return self._commit(stored, changes, comment or described(changes), deadline, short)
            except (MovedOn, ConflictError) as e:
                if not isinstance(e, MovedOn) and e.code not in (ConflictError.code, "version-conflict"):
                    raise  # a conflict about assets, which reading again does not solve
                attempt += 1
                if not _pause(attempt, deadline):
                    raise self._gave_up(attempt) from e

    def commit_of(self, path: str) -> Commit:
        """The newest commit of the key that holds a path's entry."""
        return self._client.get(self.read().key_of(path))

    def log(self, path: str) -> Iterable[Commit]:
        """The commits of the keys that hold, or held, the entry of a path, newest first, one at a time."""
        stored = self.read()
        # It may have been kept whole, or in fewer parts, once; their number only ever doubled.
        fewer = [parts for parts in (1 << n for n in range(9)) if parts < stored.parts]
        keys = [stored.key_of(path), *(part_key(self.key, part_of(path, parts)) for parts in fewer), self.key]
        for key in dict.fromkeys(keys):
            if stored.versions.get(key):
                yield from self._client.iter_log(key)

    def _commit(
        self, stored: StoredManifest, changes: Changes, comment: str, deadline: float, short: bool
    ) -> dict[str, Commit]:
        payloads = stored.change(changes, short=short)
        versions = dict(stored.versions)
        if any(key not in versions for key in payloads):  # it is about to be kept in more keys than it was
            versions |= self._versions_of_parts(versions)
        drafts = [
            self._client.draft(key, payload, version=versions.get(key, 0) + 1, author=self._author, comment=comment)
            for key, payload in payloads.items()
        ]
        commits = {commit.key: commit for commit in self._send(drafts, deadline)} if drafts else {}
        return {path: self._commit_for(path, stored, payloads, commits) for path in changes}

    def _versions_of_parts(self, known: Mapping[str, int]) -> dict[str, int]:
        metas = self._client.heads(prefix=f"{self.key}.part-", include_empty=True, payloads=False)
        return {key: meta.version for key, meta in metas.items() if key not in known}

    def _commit_for(
        self, path: str, stored: StoredManifest, payloads: Mapping[str, bytes], commits: Mapping[str, Commit]
    ) -> Commit:
        if self.key in payloads:
            after = StoredManifest(self.key, _form_of(payloads, self.key), {})
            return commits[after.key_of(path)]
        key = stored.key_of(path)
        return commits.get(key) or self._client.get(key)

    def _send(self, drafts: list[Draft], deadline: float) -> list[Commit]:
        """Commit drafts, once: under one commit id however often, until the outcome is known or patience ends."""
        commit_id = str(uuid.uuid4())
        attempt, unknown = 0, None
        while True:
            try:
                return self._send_once(drafts, commit_id)
            except OutcomeUnknown as e:
                unknown, error = e, e
            except UnavailableError:
                if unknown is None:
                    raise
                error = unknown
            except ConflictError:
                # A server that knows no commit ids refuses its own success, so the stored commits decide.
                found = None if unknown is None else self._found(drafts)
                if found is None:
                    raise
                return found
            attempt += 1
            if not _pause(attempt, deadline):
                raise error

    def _send_once(self, drafts: list[Draft], commit_id: str) -> list[Commit]:
        if len(drafts) > 1:
            return self._client.commit_many(drafts, commit_id=commit_id)
        one = drafts[0]
        commit = self._client.commit(
            one.key, one.payload, version=one.version, author=one.author, comment=one.comment, commit_id=commit_id
        )
        return [commit]

    def _found(self, drafts: list[Draft]) -> list[Commit] | None:
        found = []
        for made in drafts:
            try:
                stored = self._client.get(made.key, made.version)
            except NotFoundError:
                return None
            if (stored.payload, stored.author, stored.comment) != (made.payload, made.author, made.comment):
                return None
            found.append(stored)
        return found

    def _gave_up(self, attempts: int) -> ConflictError:
        return ConflictError(
            f"manifest {self.key!r} was changed by others {attempts} times in a row while this change was made",
            hint="try again; what was uploaded is taken up then, and not sent again",
        )


def described(changes: Changes) -> str:
    """The comment of a commit that nobody commented, such as "publish /foo/bar.csv 1.2.6"."""
    said = [_described(path, entry) for path, entry in list(changes.items())[:_DESCRIBED_MAX]]
    more = len(changes) - len(said)
    return ", ".join(said) + (f" and {more} more" if more else "")


def _described(path: str, entry: Entry | None) -> str:
    if entry is None:
        return f"remove {path}"
    return f"override {path} by {entry.override}" if entry.override else f"publish {path} {entry.version}"


def _form_of(payloads: Mapping[str, bytes], key: str) -> Manifest | PartedManifest:
    """An empty manifest in as many parts as these payloads make of it."""
    parts = parts_named(payloads[key])
    return PartedManifest([b""] * parts) if parts else Manifest()


def _pause(attempt: int, deadline: float) -> bool:
    # Half of it by chance: those who met once must not meet again.
    pause_s = min(_PAUSE_MAX_S, _PAUSE_S * 2.0 ** min(attempt, 20)) * random.uniform(0.5, 1.0)
    if time.monotonic() + pause_s > deadline:
        return False
    time.sleep(pause_s)
    return True
