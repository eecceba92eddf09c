"""A lock for what a forked child goes on using."""

from __future__ import annotations

import threading

from rainer.cache import forks


class ForkedLock:
    """A mutex that a forked child finds free, whichever of its parent's threads had it at that moment.

    What it guards must be fit for use between any two assignments: the child may find it in the middle of a change.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        forks.watch(self)

    def after_fork_in_child(self) -> None:
        """Begin anew: who had it does not exist here."""
        self._lock = threading.Lock()

    def acquire(self, *, blocking: bool = True) -> bool:
        """Take it; false where somebody else has it and one is not to wait."""
        return self._lock.acquire(blocking)

    def release(self) -> None:
        """Give it back."""
        self._lock.release()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_error: object) -> None:
        self._lock.release()
