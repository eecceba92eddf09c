"""Commits for mirrors to follow: new keys, new versions, removals, alone and in changesets, at random by a seed."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rainer.journal import Journal
from rainer.model.commit import Draft, draft

_CHANGESET_MAX: Final = 20
_REMOVED: Final = 0.15
_REST_S: Final = 0.005


class Commits:
    """Knows the version of every key that it made; for one thread at a time."""

    def __init__(self, journal: Journal, seed: int, keys: int = 60) -> None:
        self._journal = journal
        self._chance = random.Random(seed)
        self._keys = [f"key-{n:03d}" for n in range(keys)]
        self._versions: dict[str, int] = {}
        self.made = 0

    def fill(self, count: int | None = None) -> None:
        """A first version of all keys, or of so many others besides, as one changeset."""
        keys = self._keys if count is None else [f"filled-{len(self._versions) + n:05d}" for n in range(count)]
        self.make([self._draft(key, self.payload()) for key in keys])

    def some(self, count: int) -> None:
        """At least so many commits, in changesets of one key to twenty."""
        end = self.made + count
        while self.made < end:
            size = self._chance.choice((1, 1, 1, 2, 5, self._chance.randint(1, _CHANGESET_MAX)))
            keys = self._chance.sample(self._keys, min(size, len(self._keys)))
            self.make([self._draft(key, self.payload()) for key in keys])

    def one(self, key: str, payload: bytes | None) -> int:
        """The next version of a key; its number."""
        self.make([self._draft(key, payload)])
        return self._versions[key]

    def every(self, payload: bytes, keys: Sequence[str] | None = None) -> None:
        """The same payload in the next version of all keys, as one changeset."""
        self.make([self._draft(key, payload) for key in (keys or list(self._versions))])

    def change_each(self, count: int) -> Iterator[None]:
        """Each of so many keys anew, in random order, a changeset of some of them a turn; then no more."""
        keys = self._chance.sample(sorted(self._versions), count)
        while keys:
            size = min(len(keys), self._chance.randint(1, _CHANGESET_MAX // 2))
            some, keys = keys[:size], keys[size:]
            self.make([self._draft(key, self.payload()) for key in some])
            yield

    def make(self, drafts: Sequence[Draft]) -> None:
        """Commit a changeset."""
        for commit in self._journal.append_many(drafts):
            self._versions[commit.key] = commit.version
        self.made += len(drafts)

    def _draft(self, key: str, payload: bytes | None) -> Draft:
        return draft(key, payload, version=self._versions.get(key, 0) + 1, author="load")

    def payload(self) -> bytes | None:
        """A random one, or a removal."""
        if self._chance.random() < _REMOVED:
            return None
        return self._chance.randbytes(self._chance.choice((0, 1, 20, 200, 2000)))

    def _endless(self) -> Iterator[None]:
        while True:
            self.some(5)
            yield

    @contextmanager
    def running(self, changes: Iterator[None] | None = None) -> Iterator[None]:
        """Commit from a thread while the block runs: without end, or these changes, all of them before this returns."""
        ended = threading.Event()
        errors: list[BaseException] = []

        def run() -> None:
            try:
                for _ in changes or self._endless():
                    if ended.wait(_REST_S if changes is None else 10 * _REST_S) and changes is None:
                        return
            except BaseException as e:
                errors.append(e)

        thread = threading.Thread(target=run, name="commits", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
        if errors:
            raise errors[0]
