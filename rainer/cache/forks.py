"""What a fork does to caches: the child closes its copies of their files, whose locks are its parent's."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from typing import Any, Final, Protocol

_mutex = threading.Lock()
_open: Final[set[int]] = set()
_ALIVE: Final[weakref.WeakValueDictionary[int, Any]] = weakref.WeakValueDictionary()


class Forkable(Protocol):
    """A cache, as a fork sees it."""

    def after_fork_in_child(self) -> None: ...


def watch(cache: Forkable) -> None:
    """Tell this cache of every fork, for as long as it lives."""
    _ALIVE[id(cache)] = cache


def open_file(path: str, flags: int, mode: int = 0o600) -> int:
    """Open a file whose lock must not live on in a forked child: flock holds until the last copy is closed."""
    with _mutex:  # no fork falls between the opening and the note of it
        number = os.open(path, flags, mode)
        _open.add(number)
    return number


def close_file(number: int) -> None:
    """Close what `open_file` opened, once."""
    with _mutex:
        if number in _open:
            _open.discard(number)
            os.close(number)


def _in_parent() -> None:
    _mutex.release()


def _in_child() -> None:
    global _mutex
    _mutex = threading.Lock()
    for number in _open:
        with contextlib.suppress(OSError):
            os.close(number)
    _open.clear()
    for cache in list(_ALIVE.values()):
        cache.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=lambda: _mutex.acquire(), after_in_parent=_in_parent, after_in_child=_in_child)
