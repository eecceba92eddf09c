"""What a fork does to mirrors: none is copied in the middle of a change, and in the child each waits to be used."""

from __future__ import annotations

import os
import weakref
from typing import Any, Final, Protocol


class Forkable(Protocol):
    """A mirror, as a fork sees it."""

    def before_fork(self) -> None: ...
    def after_fork_here(self) -> None: ...
    def after_fork_in_child(self) -> None: ...


_ALIVE: Final[weakref.WeakValueDictionary[int, Any]] = weakref.WeakValueDictionary()
_held: list[Forkable] = []


def watch(mirror: Forkable) -> None:
    """Tell this mirror of every fork, for as long as it lives."""
    _ALIVE[id(mirror)] = mirror


def _before() -> None:
    # Always in the same order: two threads that fork at once must not wait for each other.
    _held[:] = [mirror for _, mirror in sorted(_ALIVE.items())]
    for mirror in _held:
        mirror.before_fork()


def _in_parent() -> None:
    for mirror in _take():
        mirror.after_fork_here()


def _in_child() -> None:
    for mirror in _take():
        mirror.after_fork_in_child()


def _take() -> list[Forkable]:
    taken = list(_held)
    _held.clear()
    return taken


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
