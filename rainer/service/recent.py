"""What a mirror applied lately, step by step, for those who follow it: bounded, and honest about what it lacks."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from rainer import limits
from rainer.errors import PositionGone, UnavailableError
from rainer.model.packed import PackedHead
from rainer.model.position import Position

_STEP_BYTES: Final = 300
_HEAD_BYTES: Final = 200
_STEPS_MAX: Final = 20_000
_DISRUPTION_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """Whole changesets that led from one position to the next; none where only other namespaces changed."""

    number: int
    since: Position
    upto: Position
    heads: Sequence[PackedHead]

    @property
    def size(self) -> int:
        return _STEP_BYTES + sum(_HEAD_BYTES + len(head.data) for head in self.heads)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader stands: the next step's number, in which run of steps. Steps of another run do not follow."""

    run: int
    number: int


@dataclass(frozen=True, slots=True)
class Page:
    """Steps that follow a place, where they lead, whether there are more, and where to go on."""

    steps: Sequence[Step]
    position: Position
    more: bool
    next: Place

    @property
    def has_changes(self) -> bool:
        return any(step.heads for step in self.steps)


class Recent:
    """Thread-safe: the source's thread writes, readers read. `on_news` is called after each, without a lock.

    A run is an unbroken chain of steps; it ends where the mirror loaded everything anew. Then, and when what was told
    turned out to be wrong (a repair), readers have to load everything, too: PositionGone.
    """

    def __init__(self, on_news: Callable[[], None] = lambda: None, bytes_max: int = limits.RECENT_BYTES) -> None:
        self._on_news = on_news
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._run = 0
        self.loads = 0
        """How often what is held became another without steps."""
        self._steps: deque[Step] = deque()
        self._size = 0
        self._next = 0
        self._position: Position | None = None
        self._disrupted_at = -_DISRUPTION_S
        self.repaired: Position | None = None
        """The last position at which something else was held before: it does not stand for what is held now."""

    @property
    def position(self) -> Position | None:
        """Where the last step led; None where there is nothing to follow."""
        return self._position

    def begin(self, position: Position | None) -> None:
        """Everything was loaded, as of a position; the same one as before changes nothing."""
        with self._lock:
            self.loads += 1
            if position is not None and position == self._position:
                return
            self._begin(position)
        self._on_news()

    def disrupt(self, position: Position) -> None:
        """What was told before was wrong, and is right from this position on: let all readers load anew."""
        with self._lock:
            self.loads += 1
            self.repaired = position
            self._begin(position)
            # Who asks between two questions must not miss it; to load twice is harmless.
            self._disrupted_at = time.monotonic()
        self._on_news()

    def step(self, upto: Position, heads: Sequence[PackedHead]) -> None:
        """Changesets were applied up to a position."""
        with self._lock:
            since = self._position
            if since is None or since.lineage != upto.lineage or upto.revision < since.revision:
                self._begin(upto)
            elif heads or upto != since:
                self._add(Step(self._next, since, upto, heads))
        self._on_news()

    def confirm(self) -> None:
        """What is held is current: those who follow want to hear of it."""
        self._on_news()

    def find(self, since: int, lineage: str | None, chain: bytes | None) -> Place:
        """Where a reader stands who has everything up to a revision; PositionGone if that is not in the memory.

        UnavailableError while this mirror is behind its reader.
        """
        with self._lock:
            now = self._position
            if now is None:
                raise UnavailableError("nothing is mirrored yet, or its source tells no revisions", hint="try later")
            if lineage is not None and lineage != now.lineage:
                raise _gone(f"lineage {lineage} is not the mirror's, which is {now.lineage}")
            if time.monotonic() - self._disrupted_at < _DISRUPTION_S:
                raise _gone("what this mirror told before was repaired")
            if since > now.revision:
                raise UnavailableError(
                    f"this mirror stands at revision {now.revision} and not yet at {since}", hint="try again"
                )
            return Place(self._run, self._number_after(now, since, chain))

    def read(self, place: Place, limit: int) -> Page:
        """The steps that follow a place, about `limit` commits of them; PositionGone."""
        with self._lock:
            first = self._steps[0].number if self._steps else self._next
            if place.run != self._run or place.number < first or self._position is None:
                raise _gone("what follows is not in this mirror's memory")
            found: list[Step] = []
            count = size = 0
            for step in islice(self._steps, place.number - first, None):
                if found and (count + len(step.heads) > limit or size >= limits.FEED_PAGE_BYTES):
                    break
                found.append(step)
                count += len(step.heads)
                size += step.size
            next_place = Place(self._run, place.number + len(found))
            position = found[-1].upto if found else self._position
            return Page(found, position, next_place.number < self._next, next_place)

    def _number_after(self, now: Position, since: int, chain: bytes | None) -> int:
        if since == now.revision and chain in (None, now.chain):
            return self._next
        for step in self._backwards():
            if step.since.revision == since:
                if chain not in (None, step.since.chain):
                    raise _gone(f"revision {since} holds another commit than the one named")
                if step.upto.revision > since:
                    return step.number
        if chain is None and self._steps and since >= self._steps[0].since.revision:
            return next(step.number for step in self._steps if step.upto.revision > since)
        raise _gone(f"revision {since} is not in this mirror's memory")

    def _backwards(self) -> Iterator[Step]:
        return reversed(self._steps)

    def _begin(self, position: Position | None) -> None:
        self._run += 1
        self._steps.clear()
        self._size = 0
        self._position = position

    def _add(self, step: Step) -> None:
        self._steps.append(step)
        self._next += 1
        self._position = step.upto
        self._size += step.size
        while self._steps and (self._size > self._bytes_max or len(self._steps) > _STEPS_MAX):
            self._size -= self._steps.popleft().size


def _gone(why: str) -> PositionGone:
    return PositionGone(why, hint="reload from the heads")
