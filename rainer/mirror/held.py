"""The heads that a mirror holds, for many readers and one writer: every change is seen as a whole.

Commits that somebody has read stand in one dict, the others' bytes in another. A reader goes straight to the first and
takes no lock. While the writer puts a change in place, or for whatever else reading is not that simple, readers find an
empty dict in its place (`_open`), and come by way of the lock: who has seen one part of a change sees all of it.
"""

from __future__ import annotations

import threading
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping
from typing import Any, Final

from rainer.mirror import heads
from rainer.mirror.heads import Held, Unread
from rainer.mirror.moments import Moments
from rainer.model.commit import Commit

_SHUT: Final[dict[str, Commit]] = {}


class HeldHeads(Mapping[str, Commit]):
    """Non-empty heads by key. Iteration, `items`, `values`, `snapshot` and dict(…) are each of one moment."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._lock = threading.RLock()
        self._read: dict[str, Commit] = {}
        self._unread: dict[str, Unread] = {}
        self._gone: dict[str, int] = {}
        self._moments = Moments()
        self._asleep = False
        self._generation = 0
        self._open = self._read

    # Reading

    @property
    def generation(self) -> int:
        """Counts what changes: while it stays the same, so does every head."""
        if self._asleep:
            self._wake()
        return self._generation

    def get_many(self, keys: Iterable[str]) -> dict[str, Commit]:
        """The commits of those keys that are held, as of one moment, as a dict of the caller's own."""
        self._wake()
        with self._lock:
            held = {key: self._held(key) for key in keys}
            return {
                key: one if isinstance(one, Commit) else self._take_out(key, one)
                for key, one in held.items()
                if one is not None
            }

    def __getitem__(self, key: str) -> Commit:
        try:
            return self._open[key]
        except KeyError:
            return self._get_slowly(key)

    def _get_slowly(self, key: str) -> Commit:
        found = self._moments.find(key, 2)
        if found is not None:
            return self._read_then(key, found)
        self._wake()
        with self._lock:
            self._reopen()
            commit = self._read.get(key)
            return self._take_out(key, self._unread[key]) if commit is None else commit

    def _read_then(self, key: str, held: Held) -> Commit:
        """The commit of what was held at a moment; nobody waits for the writer in the middle of it."""
        if isinstance(held, Commit):
            return held
        if not self._lock.acquire(blocking=False):
            return heads.read(key, held, self._namespace)
        try:
            return self._take_out(key, held)
        finally:
            self._lock.release()

    def _take_out(self, key: str, held: Held) -> Commit:
        """The commit of what is or was held, from now on ready for the next reader."""
        commit = heads.read(key, held, self._namespace)
        if self._unread.get(key) is held:
            self._read[key] = commit
            del self._unread[key]
            if not self._unread:
                self._unread = {}  # an emptied dict keeps the room that it had
        return commit

    def _reopen(self) -> None:
        """Let readers go straight to the commits again, if nothing is left that stands against it."""
        if not self._asleep and not self._moments:
            self._open = self._read

    def _sleep(self) -> None:
        """In a forked child: inherit what is held, and wake with the first reader."""
        self._moments = Moments()
        self._asleep, self._open = True, _SHUT

    def _wake(self) -> None:
        if self._asleep:
            self._awaken()

    def _awaken(self) -> None:
        """Live again."""
        self._asleep = False

    def __contains__(self, key: object) -> bool:
        return key in self._open or self._has(key)

    def _has(self, key: object) -> bool:
        self._wake()
        with self._lock:
            return key in self._read or key in self._unread

    def __len__(self) -> int:
        self._wake()
        with self._lock:
            return len(self._read) + len(self._unread)

    def __iter__(self) -> Iterator[str]:
        self._wake()
        with self._lock:
            return iter([*self._read, *self._unread])

    def keys(self) -> KeysView[str]:
        """The keys; what `dict(mirror)` asks for first, and then reads each of them as of that moment."""
        return _Keys(self)

    def items(self) -> ItemsView[str, Commit]:
        """Keys and commits of this moment."""
        return self.snapshot().items()

    def values(self, *_arguments: Any, **_named: Any) -> Any:
        """The commits of this moment."""
        return self.snapshot().values()

    def snapshot(self) -> dict[str, Commit]:
        """All non-empty heads as of one moment, as a dict of the caller's own. Reads what nobody has read yet."""
        self._wake()
        while True:
            with self._lock:
                if not self._unread:
                    return dict(self._read)
                some = list(self._unread.items())[:1000]
                for key, held in some:
                    self._take_out(key, held)

    # Writing, by the feed, under the lock

    def _held(self, key: str) -> Held | None:
        """What is held of a key."""
        return self._read.get(key) or self._unread.get(key)

    def _held_all(self) -> dict[str, Held]:
        """All that is held, as a dict of the caller's own."""
        with self._lock:
            return {**self._read, **self._unread}

    def _held_version(self, key: str) -> int:
        """The newest version known of a key, also of one that is removed; 0 where there was none."""
        held = self._held(key)
        return self._gone.get(key, 0) if held is None else heads.version_of(held)

    def _put(self, changed: Mapping[str, Unread | None], gone: Mapping[str, int]) -> None:
        """Set heads, and take out those that are None, as one change; `gone` has the versions of what was removed."""
        self._open = _SHUT
        for key, held in changed.items():
            self._read.pop(key, None)
            if held is None:
                self._unread.pop(key, None)
            else:
                self._unread[key] = held
                self._gone.pop(key, None)
        self._gone.update(gone)
        self._generation += 1
        self._reopen()

    def _put_all(self, found: dict[str, Held], gone: dict[str, int]) -> None:
        """Hold these heads and no others, as one change."""
        self._open = _SHUT
        self._read = {key: held for key, held in found.items() if isinstance(held, Commit)}
        self._unread = {key: held for key, held in found.items() if isinstance(held, tuple)}
        self._gone = gone
        self._generation += 1
        self._reopen()


class _Keys(KeysView[str]):
    """The keys of a mirror; to go through them is to begin a moment."""

    _mapping: HeldHeads

    def __init__(self, held: HeldHeads) -> None:
        super().__init__(held)

    def __iter__(self) -> Iterator[str]:
        held = self._mapping
        held._wake()
        with held._lock:
            everything = held._held_all()
            held._open = _SHUT
            held._moments.begin(everything, 1)
        return iter(everything)
