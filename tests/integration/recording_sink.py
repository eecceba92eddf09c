"""What a mirror is to its source, as plainly as it can be written, with a memory of all that it was told."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rainer.errors import CorruptError, RainerError
from rainer.model import serialization
from rainer.model.commit import Commit
from rainer.model.packed import Kind, PackedHead
from rainer.model.position import Position


class RecordingSink:
    """Holds `heads` by key; fails, later in `check`, when two calls come at a time or parts come through."""

    namespace = "diary"

    def __init__(self, position: Position | None = None) -> None:
        self.position = position
        self.is_loaded = position is not None
        self.heads: dict[str, Commit] = {}
        self.gone: dict[str, int] = {}
        self.rejected: dict[str, str] = {}
        self.replaced = 0
        self.applied: list[list[tuple[str, int]]] = []
        self.states: list[dict[str, int]] = []
        self.confirmed: list[tuple[int | None, int | None]] = []
        self.errors: list[RainerError | None] = []
        self.error: RainerError | None = None
        self.faults: list[str] = []
        self.source: Any = None
        self._calls = threading.Lock()

    @contextlib.contextmanager
    def _call(self) -> Iterator[None]:
        if not self._calls.acquire(blocking=False):
            self.faults.append("two calls at a time")
            self._calls.acquire()
        try:
            yield
        finally:
            self._calls.release()

    @property
    def payloads(self) -> dict[str, bytes | None]:
        return {key: commit.payload for key, commit in dict(self.heads).items()}

    @property
    def versions(self) -> dict[str, int]:
        return {key: commit.version for key, commit in dict(self.heads).items()}

    def check(self) -> None:
        assert self.faults == []

    # The protocol

    def replace(self, heads: Iterable[PackedHead], position: Position | None) -> bool:
        with self._call():
            held = self.position
            if held and position and held.lineage == position.lineage and position.revision < held.revision:
                return False
            self.rejected = {}
            found = {}
            for head in heads:
                commit = self._parse(head)
                if commit is None and head.key in self.heads:
                    found[head.key] = self.heads[head.key]
                elif commit is not None and not commit.is_empty:
                    found[head.key] = commit
            self.heads, self.gone = found, {}
            self.position, self.is_loaded = position, True
            self.replaced += 1
            self.states.append(self.versions)
            return True

    def apply(self, records: Sequence[PackedHead], position: Position | None, *, repair: bool = False) -> bool:
        with self._call():
            held = self.position
            if not self.is_loaded or (held and (position is None or position.lineage != held.lineage)):
                return False
            if held and position and position.revision < held.revision and not repair:
                return True
            changed = dict(self.heads)
            for record in records:
                self._apply_one(changed, record, repair)
            self.heads = changed
            self.applied.append([(record.key, record.version) for record in records])
            self.states.append(self.versions)
            if position and (not held or position.revision >= held.revision):
                self.position = position
            return True

    def _apply_one(self, heads: dict[str, Commit], record: PackedHead, repair: bool) -> None:
        if repair and record.kind is Kind.REMOVED and not record.version:
            heads.pop(record.key, None)
            self.gone.pop(record.key, None)
            return
        commit = self._parse(record)
        if commit is None:
            return
        held = heads[record.key].version if record.key in heads else self.gone.get(record.key, 0)
        if commit.version <= held and not repair:
            return
        if commit.is_empty:
            heads.pop(record.key, None)
            self.gone[record.key] = commit.version
        else:
            heads[record.key] = commit

    def _parse(self, head: PackedHead) -> Commit | None:
        if head.kind is Kind.PARTS:
            self.faults.append(f"parts of {head.key!r} came through")
            return None
        try:
            commit = serialization.from_bytes(head.data)
            if commit.key != head.key:
                raise CorruptError("another key's")
        except CorruptError as e:
            self.rejected[head.key] = str(e)
            return None
        self.rejected.pop(head.key, None)
        return commit

    def reject(self, key: str, why: str) -> None:
        with self._call():
            self.rejected[key] = why

    def confirm(self, revision: int | None, at_ms: int | None = None) -> None:
        with self._call():
            self.confirmed.append((revision, at_ms))
            self.error = None

    def away(self, error: RainerError | None) -> None:
        with self._call():
            self.errors.append(error)
            self.error = error
