"""Lets `dict(mirror)` be of one moment, although Python asks for the keys first and then for one value after another.

Both come from one instruction of one frame, in the order of the keys, and nothing else does: such reads are answered
as of when the keys were asked for. Whoever reads otherwise reads what is held now.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from rainer.mirror.heads import Held

_IDLE_S: Final = 1.0
"""A moment that nobody has read from for so long is over: somebody wanted no more than the keys."""


@dataclass(slots=True)
class _Moment:
    left: Iterator[tuple[str, Held]]
    place: tuple[int, int]
    touched: float


class Moments:
    """The moments that threads read from just now, one each at most; a thread touches no other's but to end it."""

    def __init__(self) -> None:
        self._by_thread: dict[int, _Moment] = {}

    def __bool__(self) -> bool:
        if self._by_thread:
            self._end_idle()
        return bool(self._by_thread)

    def _end_idle(self) -> None:
        oldest = time.monotonic() - _IDLE_S
        for thread, moment in list(self._by_thread.items()):
            if moment.touched < oldest:
                self._by_thread.pop(thread, None)

    def begin(self, everything: Mapping[str, Held], depth: int) -> None:
        """This thread has asked for the keys; `depth` is how many frames above the caller it did."""
        if everything:
            moment = _Moment(iter(everything.items()), _place(depth), time.monotonic())
            self._by_thread[threading.get_ident()] = moment

    def find(self, key: str, depth: int) -> Held | None:
        """What was held at this thread's moment, if that is what it reads from; else the moment is over."""
        thread = threading.get_ident()
        moment = self._by_thread.get(thread)
        if moment is None:
            return None
        expected, held = next(moment.left, (None, None))
        if expected is key and moment.place == _place(depth):
            moment.touched = time.monotonic()
            return held
        self._by_thread.pop(thread, None)
        return None


def _place(depth: int) -> tuple[int, int]:
    frame = sys._getframe(depth + 2)
    return id(frame), frame.f_lasti
