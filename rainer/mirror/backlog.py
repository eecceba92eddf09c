"""Changes on their way to whoever listens: in order, bounded, never in the writer's way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from rainer.mirror import heads
from rainer.mirror.heads import Held
from rainer.model.commit import Commit

CHANGES_MAX: Final = 10_000
"""A listener that is behind by more gets one change a key, from what it last saw to what is held now."""

Step: TypeAlias = tuple[str, Held | None, Held | None]


class Change(NamedTuple):
    """A key's head, before and after; None where there was or is none."""

    key: str
    old: Commit | None
    new: Commit | None


class Backlog:
    """Takes steps from the writer and hands them to one listener. `arrived` is called, and must not block, on each."""

    def __init__(self, arrived: Callable[[], None] = lambda: None) -> None:
        self._arrived = arrived
        self._changed = threading.Condition()
        self._steps: list[Step] = []
        self._is_closed = False

    def put(self, steps: Sequence[Step]) -> None:
        """Add steps."""
        with self._changed:
            if self._is_closed:
                return
            self._steps += steps
            if len(self._steps) > CHANGES_MAX:
                self._steps = _merged(self._steps)
            self._changed.notify()
        self._arrived()

    def close(self, *, drop: bool = False) -> None:
        """Take no more; what is there can still be taken, unless it is dropped."""
        with self._changed:
            self._is_closed = True
            if drop:
                self._steps = []
            self._changed.notify()
        self._arrived()

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def take(self, *, wait: bool) -> list[Step]:
        """All steps there are; none when there are none, which after a wait means that the backlog is closed."""
        with self._changed:
            while wait and not self._steps and not self._is_closed:
                self._changed.wait()
            steps, self._steps = self._steps, []
            return steps


def _merged(steps: Sequence[Step]) -> list[Step]:
    merged: dict[str, Step] = {}
    for key, old, new in steps:
        before = merged.pop(key, None)
        merged[key] = (key, old if before is None else before[1], new)
    return list(merged.values())


def change_of(step: Step, namespace: str) -> Change:
    """A step, read."""
    key, old, new = step
    return Change(
        key,
        None if old is None else heads.read(key, old, namespace),
        None if new is None else heads.read(key, new, namespace),
    )
