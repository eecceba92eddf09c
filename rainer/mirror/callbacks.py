"""Callbacks for changes, called one after the other on a thread of the mirror's own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from rainer.mirror.backlog import Backlog, Step, change_of
from rainer.model.commit import Commit

log = logging.getLogger("rainer.mirror")

Callback: TypeAlias = Callable[[str, Commit | None, Commit | None], object]
_END_S: Final = 10.0


class Callbacks:
    """The thread runs from the first callback to `close`. No lock is held while a callback runs."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._lock = threading.Lock()
        self._callbacks: tuple[Callback, ...] = ()
        self._backlog = Backlog()
        self._thread: threading.Thread | None = None

    @property
    def wants_steps(self) -> bool:
        return bool(self._callbacks)

    def add(self, callback: Callback) -> Callable[[], None]:
        """Call it for every change from now on; what comes back ends that."""
        once: Callback = lambda key, old, new: callback(key, old, new)  # noqa: E731 - added twice, it is called twice
        with self._lock:
            self._callbacks = (*self._callbacks, once)
            self._run()

        def remove() -> None:
            with self._lock:
                self._callbacks = tuple(kept for kept in self._callbacks if kept is not once)

        return remove

    def put(self, steps: Sequence[Step]) -> None:
        """Have the callbacks called for these steps, in their order."""
        self._backlog.put(steps)

    def _run(self) -> None:
        if self._thread is None and not self._backlog.is_closed:
            self._thread = threading.Thread(
                target=self._call, args=(self._backlog,), name=f"rainer-mirror-{self._namespace}-callbacks", daemon=True
            )
            self._thread.start()

    def _call(self, backlog: Backlog) -> None:
        while steps := backlog.take(wait=True):
            for step in steps:
                if backlog.is_closed:
                    return
                self._tell(step)

    def _tell(self, step: Step) -> None:
        change = change_of(step, self._namespace)
        for callback in self._callbacks:
            try:
                callback(*change)
            except Exception:
                log.exception("a callback failed on key %r of %s; the others go on", change.key, self._namespace)

    def close(self) -> None:
        """Call nobody any more; wait for the callback that runs now, unless this is it."""
        self._backlog.close(drop=True)
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        thread.join(_END_S)
        if thread.is_alive():
            log.warning("a callback of %s runs on, %g s after its mirror was closed", self._namespace, _END_S)

    def after_fork(self) -> None:
        """In the child: the callbacks stay, the thread and what was on its way to it do not."""
        was_closed = self._backlog.is_closed
        self._lock, self._backlog, self._thread = threading.Lock(), Backlog(), None
        if was_closed:
            self._backlog.close()

    def wake(self) -> None:
        """In the child, when the mirror lives again."""
        with self._lock:
            if self._callbacks:
                self._run()
