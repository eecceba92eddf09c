"""What became of a server in the last hour: a sample every ten seconds, and minutes made of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

SAMPLE_S: Final = 10.0
SAMPLES_MAX: Final = 361
"""An hour, and the one before it, from which the first one's steps are counted."""
MINUTES: Final = 60
_MINUTE_MS: Final = 60_000


class Sample(NamedTuple):
    """How things stood at a moment. By namespace, and only where there is something to tell.

    `lag_s` is of the mirror that is furthest behind, `unpublished_s` of the oldest commit that ZooKeeper lacks;
    `repaired` counts from the server's start. `revision` is the journal's, None while the database does not answer.
    """

    at_ms: int
    revision: int | None
    lag_s: Mapping[str, float]
    unpublished_s: Mapping[str, float]
    repaired: Mapping[str, int]


class Minute(NamedTuple):
    """A minute, of which nothing is told where the server took no sample in it; the seconds are the most there were."""

    begin_ms: int
    is_known: bool
    commits: int
    lag_s: float
    unpublished_s: float
    repaired: int


@dataclass(slots=True)
class LastHour:
    """Belongs to one event loop. It takes the same room however much is committed."""

    _samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=SAMPLES_MAX))

    def add(self, sample: Sample) -> None:
        """Keep a sample, and forget the one of an hour ago."""
        self._samples.append(sample)

    def minutes(self, now_ms: int, sees: Callable[[str], bool]) -> list[Minute]:
        """The last sixty minutes, the current one last, of the namespaces that somebody sees; commits are of all."""
        first = now_ms - now_ms % _MINUTE_MS - (MINUTES - 1) * _MINUTE_MS
        found = [Minute(first + n * _MINUTE_MS, False, 0, 0.0, 0.0, 0) for n in range(MINUTES)]
        before: Sample | None = None
        for sample in self._samples:
            place = (sample.at_ms - first) // _MINUTE_MS
            if 0 <= place < MINUTES:
                found[place] = _with(found[place], before, sample, sees)
            if sample.revision is not None or before is None:
                before = sample
        return found


def _with(minute: Minute, before: Sample | None, sample: Sample, sees: Callable[[str], bool]) -> Minute:
    return Minute(
        minute.begin_ms, True, minute.commits + _commits(before, sample),
        max([minute.lag_s, *(lag for name, lag in sample.lag_s.items() if sees(name))]),
        max([minute.unpublished_s, *(age for name, age in sample.unpublished_s.items() if sees(name))]),
        minute.repaired + _repairs(before, sample, sees),
    )  # fmt: skip


def _commits(before: Sample | None, sample: Sample) -> int:
    """What was committed between two samples; nothing where that is unknown, or the journal is another one."""
    if before is None or before.revision is None or sample.revision is None:
        return 0
    return max(0, sample.revision - before.revision)


def _repairs(before: Sample | None, sample: Sample, sees: Callable[[str], bool]) -> int:
    if before is None:
        return 0
    return sum(
        max(0, count - before.repaired.get(name, 0)) for name, count in sample.repaired.items() if sees(name)
    )  # fmt: skip
