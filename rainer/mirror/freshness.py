"""Is what a tree says still true? Judged by its publisher's signs of life, without trust in two clocks being equal."""

from __future__ import annotations

from typing import Final

from rainer.errors import CorruptError
from rainer.model.published import Beat

SILENT_MS: Final = 10_000
"""A publisher beats every two seconds; one that was not heard of for so long vouches for nothing any more."""


def read_beat(data: bytes | None) -> Beat | None:
    """The beat, None where there is none or nobody can read it."""
    if data is None:
        return None
    try:
        beat = Beat.from_bytes(data)
    except CorruptError:
        return None
    numbers = (beat.time_ms, beat.oldest_ms)
    return beat if all(type(number) is int for number in numbers) else None


class Freshness:
    """Remembers what moved when. All times are milliseconds of our wall clock, but for what stands in a beat."""

    def __init__(self) -> None:
        self._seen: tuple[int, int] | None = None
        self._asked_ms = 0
        self._moved_ms: int | None = None
        self._known_ms: int | None = None

    def judge(self, beat: Beat | None, moves: tuple[int, int], asked_ms: int) -> int | None:
        """When the tree is known to have been current, None where nobody says so any more.

        `moves` are the last changes of beat and head as ZooKeeper counts them, `asked_ms` is when they were asked for.
        A change fell between the last question and this one: the beat's own time counts only within that.
        """
        if self._seen is None:
            # We cannot tell yet whether it moves: the clocks must agree, or the next beat tells.
            if beat is not None and abs(asked_ms - beat.time_ms) <= SILENT_MS:
                self._moved_ms, self._known_ms = asked_ms, min(beat.time_ms, asked_ms)
        elif moves != self._seen or asked_ms < self._asked_ms:
            self._moved_ms = asked_ms
            told = asked_ms if beat is None else beat.time_ms
            self._known_ms = max(min(self._asked_ms, asked_ms), min(told, asked_ms))
        self._seen, self._asked_ms = moves, asked_ms
        if self._moved_ms is None or self._known_ms is None or asked_ms - self._moved_ms > SILENT_MS:
            return None
        if beat is not None and beat.oldest_ms:
            # The publisher itself is behind its journal since then.
            return min(self._known_ms, beat.oldest_ms)
        return self._known_ms
