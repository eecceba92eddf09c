"""Whoever wants to hear of a mirror's changes: callbacks, asyncio readers, and parsed values."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from rainer.mirror.backlog import Step
from rainer.mirror.callbacks import Callback, Callbacks
from rainer.mirror.changes import Changes
from rainer.mirror.held import HeldHeads
from rainer.mirror.parsed import ParsedValues
from rainer.model.commit import Commit

T = TypeVar("T")


class Listeners:
    """All methods but `close` are quick; `tell` is called under the mirror's lock, so what it calls is, too."""

    def __init__(self, held: HeldHeads) -> None:
        self._held = held
        self._callbacks = Callbacks(held._namespace)
        self._readers: tuple[Changes, ...] = ()
        self._parsed: tuple[weakref.ref[ParsedValues[Any]], ...] = ()
        self._is_closed = False

    @property
    def wants_steps(self) -> bool:
        return bool(self._readers or self._parsed or self._callbacks.wants_steps)

    def tell(self, steps: list[Step]) -> None:
        """Have everybody hear of these steps."""
        if not steps:
            return
        for view in self._parsed:
            parsed = view()
            if parsed is not None:
                for step in steps:
                    parsed.step(*step)
        if self._callbacks.wants_steps:
            self._callbacks.put(steps)
        for reader in self._readers:
            reader.put(steps)

    def add_callback(self, callback: Callback) -> Callable[[], None]:
        """Call it from now on; what comes back ends that."""
        return self._callbacks.add(callback)

    def add_reader(self) -> Changes:
        """A reader of what comes from now on."""
        reader = Changes(self._held._namespace, self._forget_reader)
        with self._held._lock:
            if not self._is_closed:
                self._readers = (*self._readers, reader)
                return reader
        reader.end()
        return reader

    def _forget_reader(self, reader: Changes) -> None:
        with self._held._lock:
            self._readers = tuple(kept for kept in self._readers if kept is not reader)

    def add_parsed(self, parse: Callable[[bytes], T]) -> ParsedValues[T]:
        """Parsed values, kept up for as long as somebody holds them."""
        parsed = ParsedValues(self._held, parse)
        seen = weakref.ref(parsed, self._forget_parsed)

        def look(key: str, _old: Commit | None, _new: Commit | None) -> None:
            found = seen()
            if found is not None:
                found.look(key)

        with self._held._lock:
            self._parsed = (*self._parsed, seen)
        weakref.finalize(parsed, self._callbacks.add(look)).atexit = False
        return parsed

    def _forget_parsed(self, gone: weakref.ref[Any]) -> None:
        # No lock: the collector may call this in the middle of anything. A view that this loses has come a moment ago.
        self._parsed = tuple(kept for kept in self._parsed if kept is not gone)

    def close(self) -> None:
        """Tell nobody any more; readers end with what they have, and the callback that runs now is waited for."""
        with self._held._lock:
            self._is_closed = True
            readers, self._readers = self._readers, ()
        for reader in readers:
            reader.end()
        self._callbacks.close()

    def after_fork(self) -> None:
        """In the child: callbacks and parsed values stay, readers do not, for their loops are the parent's."""
        self._readers = ()
        self._callbacks.after_fork()

    def wake(self) -> None:
        """In the child, when the mirror lives again."""
        self._callbacks.wake()
