"""Whoever wants to hear of every set that becomes ready."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

from rainer.assets.locks import ForkedLock
from rainer.assets.snapshots import AssetSnapshot
from rainer.errors import InvalidError

log = logging.getLogger("rainer.assets")

ReadyCallback: TypeAlias = Callable[[AssetSnapshot], object]


class _Listener:
    def __init__(self, callback: ReadyCallback) -> None:
        self.callback = callback
        self.told: object = None


class Listeners:
    """Callbacks, each told of the newest set only. `call` is for one thread, the others for any."""

    def __init__(self, manifest: str) -> None:
        self._manifest = manifest
        self._lock = ForkedLock()
        self._listeners: tuple[_Listener, ...] = ()

    def add(self, callback: ReadyCallback) -> Callable[[], None]:
        """Call it from now on; what comes back ends that."""
        listener = _Listener(callback)
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def remove() -> None:
            with self._lock:
                self._listeners = tuple(kept for kept in self._listeners if kept is not listener)

        return remove

    def want(self, ready: object) -> bool:
        """Whether somebody has not heard of this set."""
        return ready is not None and any(listener.told is not ready for listener in self._listeners)

    def call(self, ready: object, snapshot: Callable[[], AssetSnapshot], is_over: Callable[[], bool]) -> None:
        """Tell all who have not heard of this set, each with a snapshot of its own."""
        for listener in self._listeners:
            if listener.told is ready or is_over():
                continue
            listener.told = ready
            try:
                listener.callback(snapshot())
            except Exception:
                log.exception("a callback failed on the assets of manifest %s; the others go on", self._manifest)


def closed() -> InvalidError:
    """The error of who would follow with assets that are closed."""
    return InvalidError("these assets are closed, and follow nothing more", hint="make another rainer.Assets")
