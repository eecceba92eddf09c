"""Holds what a mirror showed against the journal, and names the first promise that was broken.

At every moment a mirror shows exactly the namespace as it stood in the journal at the mirror's own position. That one
rule forbids a lost push, half a changeset, a forgotten removal and a wrong order; beside it stand that no position goes
back and that no good value is lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from rainer.model.position import Position
from tests.faults.mirror_history import Entry, Observation, Recorder, Shown, Truth, Value, look, values
from tests.services.waiting import wait_until


class Promise(StrEnum):
    """What was broken."""

    HALF = "half a changeset"
    LOST = "lost push"
    REMOVED = "forgotten removal"
    EARLY = "something newer than the position"
    OTHER = "content that the journal does not have"
    BACK = "position went back"
    LINEAGE = "position that no journal has"
    GOOD_LOST = "good value lost"
    UNREADABLE = "a reader failed"


class Violation(NamedTuple):
    """`key` empty where it is about the position alone."""

    promise: Promise
    at: float
    position: Position | None
    key: str
    shown: Value | None
    expected: Value | None
    detail: str = ""

    def __str__(self) -> str:
        where = "nowhere" if self.position is None else f"revision {self.position.revision} of {self.position.lineage}"
        what = f" at {self.key!r}: shown {self.shown}, the journal has {self.expected}" if self.key else ""
        return f"{self.promise.value}{what}, {where}, at {self.at:.3f} s{'; ' if self.detail else ''}{self.detail}"


def check(observations: Iterable[Observation], *truths: Truth) -> Violation | None:
    """The first violation, None when every promise was kept; `truths` are the lives of the journal that there were."""
    walk = _Walk(truths)
    for observation in observations:
        found = walk.step(observation)
        if found is not None:
            return found
    return None


def assert_kept(recorders: Iterable[Recorder], *truths: Truth) -> None:
    """Fail with each mirror's first violation, if there is one."""
    broken = []
    for recorder in recorders:
        found = check(recorder.observations, *truths)
        if found is not None:
            broken.append(f"{recorder.name}: {found}")
        broken += [f"{recorder.name}: {Promise.UNREADABLE.value}: {e!r}" for e in recorder.failures]
        print(f"{recorder.name}: {len(recorder.observations)} states in {recorder.looks} looks")
    assert not broken, "\n".join(broken)


def wait_for_equality(mirror: Shown, truth: Truth, within_s: float) -> None:
    """Wait until a mirror stands at the journal's end and shows exactly what is there; nobody may be committing."""
    wanted = truth.heads()
    end = truth.position(truth.revision)

    def equal() -> bool:
        if mirror.position != end:
            return False
        position, found, _ = look(mirror)
        return position == end and values(found) == wanted

    wait_until(equal, within_s, lambda: f"the mirror at {end.revision}: {_told(mirror, wanted)}")


def _told(mirror: Shown, wanted: dict[str, Value]) -> str:
    position, found, rejected = look(mirror)
    heads = values(found)
    wrong = sorted(key for key in heads.keys() | wanted.keys() if heads.get(key) != wanted.get(key))
    pairs = {key: (heads.get(key), wanted.get(key)) for key in wrong[:5]}
    revision = None if position is None else position.revision
    return f"it is at {revision}, {len(wrong)} keys differ (shown, journal): {pairs}, rejected {sorted(rejected)[:5]}"


class _Walk:
    """Goes through a mirror's history and the journal's side by side; each step costs only what changed in it."""

    def __init__(self, truths: Sequence[Truth]) -> None:
        self._truths = {truth.lineage: truth for truth in truths}
        self._shown: dict[str, Value] = {}
        self._expected: dict[str, Value] = {}
        self._wrong: set[str] = set()
        self._last: dict[str, int] = {}  # the furthest revision of each lineage
        self._lineage = ""
        self._done = 0  # entries of the lineage that `_expected` has

    def step(self, observation: Observation) -> Violation | None:
        touched = set(observation.changed)
        before = {key: self._shown.get(key) for key in observation.changed}
        for key, value in observation.changed.items():
            if value is None:
                self._shown.pop(key, None)
            else:
                self._shown[key] = value
        position = observation.position
        if position is None:
            return self._without_position(observation, before)
        found = self._judge_position(observation, position)
        if found is not None:
            return found
        touched |= self._advance(position)
        for key in touched:
            (self._wrong.discard if self._is_right(key) else self._wrong.add)(key)
        wrong = [key for key in sorted(self._wrong) if not self._is_excused(key, observation, before)]
        if wrong:
            return self._name(wrong, observation, position)
        return self._judge_middle(observation, position)

    def _without_position(self, observation: Observation, before: dict[str, Value | None]) -> Violation | None:
        """Before anything is loaded nothing is shown, and who once stood somewhere does not forget it."""
        for key in sorted(self._shown):
            shown, detail = self._shown[key], f"{len(self._shown)} keys are shown, as of nowhere"
            return Violation(Promise.LINEAGE, observation.at, None, key, shown, None, detail)
        if not self._last:
            return None
        key = next(iter(sorted(before)), "")
        return Violation(
            Promise.GOOD_LOST, observation.at, None, key, None, before.get(key), "it forgot where it stood"
        )

    def _judge_position(self, observation: Observation, position: Position) -> Violation | None:
        truth = self._truths.get(position.lineage)
        if truth is None or truth.chains.get(position.revision) != position.chain:
            return Violation(Promise.LINEAGE, observation.at, position, "", None, None, str(position))
        last = self._last.get(position.lineage, 0)
        if position.revision < last:
            return Violation(Promise.BACK, observation.at, position, "", None, None, f"it stood at {last} before")
        self._last[position.lineage] = position.revision
        return None

    def _judge_middle(self, observation: Observation, position: Position) -> Violation | None:
        """A position in the middle of a changeset shows half of it, however right each key is."""
        entries = self._truths[position.lineage].entries
        if not 0 < self._done < len(entries) or entries[self._done - 1].changeset != entries[self._done].changeset:
            return None
        missing = entries[self._done]
        shown, detail = self._shown.get(missing.key), f"the changeset goes on at revision {missing.revision}"
        return Violation(Promise.HALF, observation.at, position, missing.key, shown, missing.value, detail)

    def _advance(self, position: Position) -> set[str]:
        """Bring what is expected to a position; the keys that this touched."""
        touched: set[str] = set()
        if position.lineage != self._lineage:
            self._lineage, self._done = position.lineage, 0
            touched |= self._expected.keys() | self._shown.keys()
            self._expected.clear()
        entries = self._truths[position.lineage].entries
        while self._done < len(entries) and entries[self._done].revision <= position.revision:
            entry = entries[self._done]
            if entry.value is None:
                self._expected.pop(entry.key, None)
            else:
                self._expected[entry.key] = entry.value
            touched.add(entry.key)
            self._done += 1
        return touched

    def _is_right(self, key: str) -> bool:
        return self._shown.get(key) == self._expected.get(key)

    def _is_excused(self, key: str, observation: Observation, before: dict[str, Value | None]) -> bool:
        """Of a key that the mirror reports as rejected it shows what it showed before, and nothing else."""
        return key in observation.rejected and before.get(key, self._shown.get(key)) == self._shown.get(key)

    def _name(self, wrong: Collection[str], observation: Observation, position: Position) -> Violation:
        violations = [self._name_one(key, observation, position) for key in wrong]
        order = list(Promise)
        return min(violations, key=lambda v: (order.index(v.promise), v.key))

    def _name_one(self, key: str, observation: Observation, position: Position) -> Violation:
        entries = [e for e in self._truths[position.lineage].entries if e.key == key]
        done = [e for e in entries if e.revision <= position.revision]
        to_come = entries[len(done) :]
        shown, expected = self._shown.get(key), self._expected.get(key)
        early = next((e for e in to_come if e.value == shown), None)
        if shown is None:
            # It may have been removed too soon, or have been lost, or never have come.
            went = key in observation.changed
            early = early if went and early is to_come[0] else None
            promise = Promise.EARLY if early else Promise.GOOD_LOST if went else Promise.LOST
        elif any(e.value == shown for e in done):
            promise, early = Promise.LOST if expected else Promise.REMOVED, None
        else:
            promise = Promise.EARLY if early else Promise.OTHER
        detail = ""
        if promise in (Promise.LOST, Promise.REMOVED, Promise.EARLY) and (early or done):
            detail = self._half(early or done[-1], position)
        return Violation(
            Promise.HALF if detail else promise, observation.at, position, key, shown, expected, detail
        )  # fmt: skip

    def _half(self, entry: Entry, position: Position) -> str:
        """What is shown of the changeset that a key came with, or should have come with, if it is a part of it."""
        together = [e for e in self._truths[position.lineage].entries if e.changeset == entry.changeset]
        applied = [e for e in together if self._shown.get(e.key) == e.value]
        if 0 < len(applied) < len(together):
            return f"{len(applied)} of the {len(together)} keys of the changeset of revision {entry.revision}"
        return ""
