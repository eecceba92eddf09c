"""What a mirror's source feeds: it judges what comes in, and has the mirror take it as a whole or not at all."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from rainer.errors import CorruptError, RainerError, UnavailableError
from rainer.mirror import heads
from rainer.mirror.backlog import Step
from rainer.mirror.heads import Held, Unread
from rainer.mirror.held import HeldHeads
from rainer.mirror.standing import Standing
from rainer.model.names import shorten
from rainer.model.packed import Kind, PackedHead
from rainer.model.position import Position

log = logging.getLogger("rainer.mirror")

_FUTURE_S: Final = 2.0
"""A source that insists for so long that it holds less than the snapshot on disk is believed."""


class Feed:
    """The Sink of one mirror. `wants_steps` says whether anybody listens, `tell` hands over what changed."""

    def __init__(
        self, held: HeldHeads, standing: Standing, wants_steps: Callable[[], bool], tell: Callable[[list[Step]], None]
    ) -> None:
        self._held = held
        self._standing = standing
        self._wants_steps = wants_steps
        self._tell = tell
        self._position: Position | None = None
        self._rejected: dict[str, str] = {}
        self._is_from_disk = False
        self._doubted_at: float | None = None
        self.changed = threading.Condition(held._lock)

    @property
    def namespace(self) -> str:
        return self._held._namespace

    @property
    def position(self) -> Position | None:
        return self._position

    @property
    def is_from_disk(self) -> bool:
        """Whether what is held is what was found on disk, and no source has replaced it yet."""
        return self._is_from_disk

    @property
    def rejected(self) -> Mapping[str, str]:
        with self._held._lock:
            return dict(self._rejected)

    def after_fork(self) -> None:
        """In the child, whose lock is a new one."""
        self.changed = threading.Condition(self._held._lock)

    # Whole states

    def restore(self, found: Iterable[PackedHead], position: Position | None, current_ms: int) -> None:
        """Begin with what a snapshot on disk holds, current as of then."""
        self.replace(found, position)
        with self.changed:
            self._is_from_disk = True
            self._standing.be_current(current_ms)

    def replace(self, found: Iterable[PackedHead], position: Position | None) -> bool:
        """See Sink."""
        taken, gone, bad = self._sort(found)
        with self.changed:
            if self._standing.is_closed or self._is_older(position):
                return False
            self._say_lineage(position)
            if _lineage(position) == _lineage(self._position):
                gone = {key: v for key, v in self._held._gone.items() if key not in taken} | gone
            self._keep_good(taken, gone, bad, position)
            steps = self._exchange(taken, gone)
            self._rejected = {}
            for key, why in bad.items():
                self._reject(key, why)
            self._standing.error = None
            self._stand_at(position)
            self._tell(steps)
            return True

    def _sort(self, found: Iterable[PackedHead]) -> tuple[dict[str, Held], dict[str, int], dict[str, str]]:
        taken: dict[str, Held] = {}
        gone: dict[str, int] = {}
        bad: dict[str, str] = {}
        for head in found:
            try:
                version, removed = heads.check(head)
            except CorruptError as e:
                bad[head.key] = str(e)
                continue
            bad.pop(head.key, None)
            if removed:
                gone[head.key] = version
                taken.pop(head.key, None)
            else:
                taken[head.key] = (head.data, version, head.revision)
                gone.pop(head.key, None)
        return taken, gone, bad

    def _is_older(self, position: Position | None) -> bool:
        here = self._position
        if position is None or here is None or position.lineage != here.lineage or position.revision >= here.revision:
            return False
        now = time.monotonic()
        if self._doubted_at is None:
            self._doubted_at = now
        if not self._is_from_disk or now - self._doubted_at < _FUTURE_S:
            return True
        log.warning(
            "the snapshot of %s on disk is from the future, revision %d, and is dropped: its source holds revision %d",
            self.namespace, here.revision, position.revision,
        )  # fmt: skip
        return False

    def _say_lineage(self, position: Position | None) -> None:
        here = self._position
        if here is None or position is None:
            return
        if here.lineage != position.lineage:
            log.warning(
                "namespace %s is of another lineage now, %s after %s: loaded anew",
                self.namespace, position.lineage, here.lineage,
            )  # fmt: skip
        elif here.revision == position.revision and here.chain != position.chain:
            log.warning("revision %d of %s holds another commit now: loaded anew", here.revision, self.namespace)

    def _keep_good(
        self, taken: dict[str, Held], gone: dict[str, int], bad: dict[str, str], position: Position | None
    ) -> None:
        """Keep what is held of keys whose bytes are bad, and, where no position tells order, of those that go back."""
        if position is None:
            for key, new in taken.items():
                held, version = self._held._held_version(key), heads.version_of(new)
                if version < held:
                    bad[key] = f"version {version} came after version {held}"
        for key in bad:
            old = self._held._held(key)
            if old is not None:
                taken[key] = old
            else:
                taken.pop(key, None)
                if (version := self._held._held_version(key)) > 0:
                    gone[key] = version

    def _exchange(self, taken: dict[str, Held], gone: dict[str, int]) -> list[Step]:
        """Hold these heads, and those that are the same as they were; what differs comes back, if anybody listens."""
        before = self._held._held_all()
        wanted = self._wants_steps()
        steps: list[Step] = []
        for key, new in taken.items() if before or wanted else ():
            old = before.pop(key, None)
            if old is not None and (old is new or heads.is_same(old, new[0], new[1])):  # type: ignore[index]
                taken[key] = old
            elif wanted:
                steps.append((key, old, new))
        for key, old in before.items():
            gone.setdefault(key, heads.version_of(old))
            if wanted:
                steps.append((key, old, None))
        self._held._put_all(taken, gone)
        return steps

    # Changes

    def apply(self, records: Sequence[PackedHead], position: Position | None, *, repair: bool = False) -> bool:
        """See Sink."""
        with self.changed:
            here = self._position
            if self._standing.is_closed or not self._standing.is_loaded or _lineage(here) != _lineage(position):
                return False
            if here is not None and position is not None and position.revision <= here.revision:
                if not repair:
                    return True
                position = here
            staged = self._stage(records, repair)
            self._held._put(staged.heads, staged.gone)
            self._stand_at(position)
            self._tell(staged.steps)
            return True

    def _stage(self, records: Sequence[PackedHead], repair: bool) -> _Staged:
        staged = _Staged(self._held)
        for head in records:
            if repair and _is_forgotten(head):
                staged.add(head.key, 0, None)
                self._rejected.pop(head.key, None)
                continue
            try:
                version, removed = heads.check(head)
            except CorruptError as e:
                self._reject(head.key, str(e))
                continue
            if repair or version > staged.version(head.key):
                staged.add(head.key, version, None if removed else (head.data, version, head.revision))
                self._rejected.pop(head.key, None)
        return staged

    def _stand_at(self, position: Position | None) -> None:
        self._position = position
        self._is_from_disk, self._doubted_at = False, None
        self._standing.is_loaded = True
        self.changed.notify_all()

    # How it stands

    def reject(self, key: str, why: str) -> None:
        """See Sink."""
        with self.changed:
            self._reject(key, why)

    def _reject(self, key: str, why: str) -> None:
        if self._rejected.get(key) != why:
            has_good = self._held._held(key) is not None
            kept = "its last good value is kept" if has_good else "there was no good one before"
            log.warning("key %s of %s cannot be taken, %s: %s", shorten(key), self.namespace, kept, why)
        self._rejected[key] = why

    def confirm(self, revision: int | None, at_ms: int | None = None) -> None:
        """See Sink."""
        with self.changed:
            here = self._position
            if not self._standing.is_loaded or self._standing.is_closed:
                return
            self._standing.error = None
            if revision is None or here is None or here.revision >= revision:
                self._standing.be_current(at_ms)
                if not self._standing.is_complete:
                    self._standing.is_complete = True
                    self._tell([])
                self.changed.notify_all()

    def away(self, error: RainerError | None) -> None:
        """See Sink."""
        with self.changed:
            self._standing.error = error or UnavailableError("the source cannot be reached")
            self.changed.notify_all()


class _Staged:
    """Changes on top of what is held, before they are."""

    def __init__(self, held: HeldHeads) -> None:
        self._held = held
        self.heads: dict[str, Unread | None] = {}
        self.gone: dict[str, int] = {}
        self.steps: list[Step] = []

    def version(self, key: str) -> int:
        if key in self.heads:
            staged = self.heads[key]
            return self.gone[key] if staged is None else staged[1]
        return self._held._held_version(key)

    def add(self, key: str, version: int, new: Unread | None) -> None:
        old = self.heads[key] if key in self.heads else self._held._held(key)
        if old is not None or new is not None:
            self.steps.append((key, old, new))
        self.heads[key] = new
        if new is None:
            self.gone[key] = version
        else:
            self.gone.pop(key, None)


def _is_forgotten(head: PackedHead) -> bool:
    """Whether it says that nobody ever committed the key, or an ancestor removed it: any version may follow."""
    return head.kind is Kind.REMOVED and not head.version and not head.data


def _lineage(position: Position | None) -> str | None:
    return None if position is None else position.lineage
