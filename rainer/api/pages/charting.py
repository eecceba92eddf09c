"""An hour as bars: what becomes of minutes before a template draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from rainer.api.pages.showing import number
from rainer.api.pages.verdict import seconds
from rainer.model import times
from rainer.service.last_hour import Minute

HEIGHT: Final = 60
_STEPS: Final = (1, 2, 5)


class Bar(NamedTuple):
    """A minute's bar: how high of `HEIGHT`, and the exact words; `is_known` unless nothing was looked at then."""

    height: float
    title: str
    is_known: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure over an hour; `summary` says in words what the bars show."""

    name: str
    title: str
    top: str
    summary: str
    bars: tuple[Bar, ...]


def charts(minutes: Sequence[Minute], *, has_zookeeper: bool) -> list[Chart]:
    """Lag, what was unpublished, repairs and commits, of an hour's minutes."""
    found = [_chart("lag", "Mirror furthest behind", minutes, lambda m: m.lag_s, seconds)]
    if has_zookeeper:
        found += [
            _chart("unpublished", "Oldest commit not in ZooKeeper", minutes, lambda m: m.unpublished_s, seconds),
            _chart("repairs", "Keys repaired in ZooKeeper", minutes, lambda m: float(m.repaired), _whole),
        ]
    return [*found, _chart("commits", "Commits a minute", minutes, lambda m: float(m.commits), _whole)]


def _whole(amount: float) -> str:
    return number(round(amount))


def _chart(
    name: str, title: str, minutes: Sequence[Minute], value: Callable[[Minute], float], words: Callable[[float], str]
) -> Chart:
    most = max(minutes, key=value)
    top = round_up(max(value(most), 1.0))
    bars = tuple(
        Bar(
            round(HEIGHT * value(one) / top, 1),
            f"{clock_of(one)}: {words(value(one)) if one.is_known else 'not looked at'}",
            one.is_known,
        )
        for one in minutes
    )
    known = sum(one.is_known for one in minutes)
    peak = f"at most {words(value(most))}, at {clock_of(most)}" if value(most) else f"always {words(0.0)}"
    summary = f"{peak}; now {words(value(minutes[-1]))}" if known else "nothing is known yet"
    return Chart(name, title, words(top), summary, bars)


def clock_of(minute: Minute) -> str:
    """`03:12 UTC`."""
    return f"{times.format_iso(minute.begin_ms)[11:16]} UTC"


def round_up(amount: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50 and so on: where an axis ends."""
    scale = 1.0
    while True:
        for step in _STEPS:
            if step * scale >= amount:
                return step * scale
        scale *= 10
