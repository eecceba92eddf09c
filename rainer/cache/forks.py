"""What a fork does to caches: the child closes its copies of their files, whose locks are its parent's."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from typing import Any, Final, Protocol

_moved = threading.Condition()
_under_way = 0
_forking: int | None = None
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
    _begin()  # no fork falls between the opening and the note of it
    try:
        number = os.open(path, flags, mode)
        _open.add(number)
    finally:
        _end()
    return number


def close_file(number: int) -> None:
    """Close what `open_file` opened, once."""
    _begin()
    try:
        try:
            _open.remove(number)
        except KeyError:
            return
        os.close(number)
    finally:
        _end()


def _begin() -> None:
    """Threads open and close side by side, for to make a file takes its time; only a fork waits for all of them, and
    they for it."""
    global _under_way
    with _moved:
        while _forking not in (None, threading.get_ident()):  # a finalizer may close something in the midst of a fork
            _moved.wait()
        _under_way += 1


def _end() -> None:
    global _under_way
    with _moved:
        _under_way -= 1
        if _forking is not None:
            _moved.notify_all()


def _before() -> None:
    global _forking
    _moved.acquire()
    while _forking is not None:  # another thread forks
        _moved.wait()
    _forking = threading.get_ident()
    while _under_way:
        _moved.wait()


def _in_parent() -> None:
    global _forking
    _forking = None
    _moved.notify_all()
    _moved.release()


def _in_child() -> None:
    global _moved, _forking, _under_way
    _moved, _forking, _under_way = threading.Condition(), None, 0
    for number in _open:
        with contextlib.suppress(OSError):
            os.close(number)
    _open.clear()
    for cache in list(_ALIVE.values()):
        cache.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
