"""One sentence for three in the morning: whether all is well, what is not, since when, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from rainer import limits
from rainer.model import times
from rainer.service.mirror_list import Listed
from rainer.service.watching import Seen

BEHIND_S: Final = limits.MIRROR_OVERDUE_S
"""A mirror may lack what is younger, for it reports in steps of some seconds; a publisher may be busy with it."""
_NAMED: Final = 3
_LEVELS: Final = ("bad", "warn", "good")


class Verdict(NamedTuple):
    """`level` is good, warn (something is to be looked at) or bad (somebody does not get what he should)."""

    level: str
    words: str
    next: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """A mirror of the list, judged: `level` as in a verdict, and `words` for what is wrong with it."""

    listed: Listed
    level: str
    words: str

    @property
    def state(self) -> str:
        """Its own word for how it is, unless we know better."""
        said = self.listed.report.state
        return "behind" if self.level == "bad" and said == "current" else said

    @property
    def order(self) -> tuple[int, float, int, str]:
        """What sorts the worst first."""
        lag = self.listed.lag
        return _LEVELS.index(self.level), -(lag.seconds or 0.0), -(lag.revisions or 0), self.listed.report.id


def judged(mirrors: Sequence[Listed]) -> list[Standing]:
    """Mirrors with what is wrong with each, the worst first."""
    return sorted((_judge(one) for one in mirrors), key=lambda one: one.order)


def _judge(one: Listed) -> Standing:
    report, lag = one.report, one.lag
    if report.state == "silent":
        return Standing(one, "bad", report.error or "silent")
    if report.lineage and lag.revisions is None:
        return Standing(one, "bad", "it holds another history")
    if (lag.seconds or 0.0) > BEHIND_S:
        return Standing(one, "bad", f"{_count(lag.revisions or 0, 'revision')}, {seconds(lag.seconds or 0.0)} behind")
    if report.state != "current":
        return Standing(one, "bad" if report.state == "behind" else "warn", report.error or report.state)
    if report.rejected:
        return Standing(one, "warn", f"{_count(len(report.rejected), 'key')} not taken")
    return Standing(one, "good", "")


def verdicts(seen: Seen, trees: Sequence[Mapping[str, Any]], mirrors: Sequence[Standing]) -> list[Verdict]:
    """All that is wrong, the worst first; one good one where nothing is. The trees and mirrors are those to be told."""
    found = [*_of_database(seen), *_of_zookeeper(seen), *_of_trees(seen, trees), *_of_mirrors(seen, mirrors)]
    found.sort(key=lambda one: _LEVELS.index(one.level))
    return found or [Verdict("good", _all_is_well(mirrors))]


def _of_database(seen: Seen) -> Iterator[Verdict]:
    database = seen.database
    if database.error:
        yield Verdict(
            "bad", f"The database has not answered since {clock(database.since_ms)}: nothing is read or committed here",
            f"Look after the database at {database.address}: {database.error}. Mirrors go on with what they hold.",
        )  # fmt: skip
    if database.refusal:
        yield Verdict("bad", f"No commit is taken: {database.refusal}", "Start this server anew; its log says why.")
    for fault in database.faults:
        yield Verdict("warn", f"A commit could be lost: {fault}", "Set the database so that it keeps what it confirms.")


def _of_zookeeper(seen: Seen) -> Iterator[Verdict]:
    zookeeper = seen.zookeeper
    if zookeeper is not None and not zookeeper.is_connected:
        yield Verdict(
            "bad",
            f"ZooKeeper cannot be reached since {clock(zookeeper.since_ms)}; commits go on, mirrors show what they had",
            f"See whether the ensemble at {zookeeper.hosts} runs. Publishing goes on by itself when it is back.",
        )
    elif zookeeper is not None and seen.missing:
        yield Verdict("warn", f"The list of mirrors may lack some: {seen.missing}", "It is asked again by itself.")


def _of_trees(seen: Seen, trees: Sequence[Mapping[str, Any]]) -> Iterator[Verdict]:
    if seen.zookeeper is None or not seen.zookeeper.is_connected:
        return
    for tree in trees:
        name, state = tree["namespace"], tree["state"]
        if state == "refused":
            yield Verdict("bad", f"{name} is not published: {tree['error']}", "Was the journal restored, or is it new?")
        elif state in ("failing", "away"):
            yield Verdict("bad", f"Publishing {name} fails: {tree['error']}", "The log says more; it is tried again.")
        elif tree["oldest_unpublished_s"] > BEHIND_S:
            waited = seconds(tree["oldest_unpublished_s"])
            who = tree["leader"] or "nobody"
            yield Verdict(
                "bad", f"Commits of {name} have waited {waited} to be published by {who}", f"See whether {who} runs."
            )
        if tree["unpublishable"]:
            yield Verdict(
                "warn", f"{_count(len(tree['unpublishable']), 'key')} of {name} cannot be published",
                "Below it says which, and why.",
            )  # fmt: skip


def _of_mirrors(seen: Seen, mirrors: Sequence[Standing]) -> Iterator[Verdict]:
    for level, what in (("bad", "behind"), ("warn", "not whole")):
        some = [one for one in mirrors if one.level == level]
        if some:
            named = "; ".join(_named(one) for one in some[:_NAMED])
            more = f"; and {len(some) - _NAMED:,} more" if len(some) > _NAMED else ""
            subject = f"{_count(len(some), 'mirror')} of {len(mirrors):,} {'is' if len(some) == 1 else 'are'} {what}"
            yield Verdict(level, f"{subject}: {named}{more}", _mirrors_next(seen, level, some))


def _named(one: Standing) -> str:
    return f"{one.listed.report.id} of {one.listed.report.namespace} ({one.words})"


def _mirrors_next(seen: Seen, level: str, some: Sequence[Standing]) -> str:
    first = some[0].listed.report
    if level == "warn":
        return "Below it says which keys are not taken, and why." if first.rejected else "They are still loading."
    away = seen.zookeeper is not None and not seen.zookeeper.is_connected
    if away and all(one.listed.report.via == "zookeeper" for one in some):
        return "Those that follow ZooKeeper catch up when it is back."
    return f"Begin with process {first.pid} on {first.host}: does it run, and does it reach its source?"


def _all_is_well(mirrors: Sequence[Standing]) -> str:
    if not mirrors:
        return "All is well: commits are taken and kept; no mirror reports here"
    lags = [one.listed.lag for one in mirrors]
    whole = sum(lag.revisions == 0 or lag.revisions is None for lag in lags)
    if whole == len(mirrors):
        return f"All is well: {whole:,} of {_count(whole, 'mirror')} {'has' if whole == 1 else 'have'} every commit"
    most = max(lag.seconds or 0.0 for lag in lags)
    return (
        f"All is well: {whole:,} of {_count(len(mirrors), 'mirror')} have every commit, no other lacks {seconds(most)}"
    )


def _count(amount: int, what: str) -> str:
    return f"{amount:,} {what}{'' if amount == 1 else 's'}"


def seconds(amount: float) -> str:
    """How long, for a sentence: `0.4 s`, `12 s`, `3 min`, `2 h`."""
    if amount < 9.95:
        return f"{amount:.1f} s"
    if amount < 90:
        return f"{amount:.0f} s"
    return f"{amount / 60:.0f} min" if amount < 5400 else f"{amount / 3600:.0f} h"


def clock(time_ms: int) -> str:
    """`03:12 UTC`; with the day where it is not today's."""
    text, today = times.format_iso(time_ms), times.format_iso(times.now_ms())
    return f"{text[11:16]} UTC" if text[:10] == today[:10] else f"{text[:10]} {text[11:16]} UTC"
