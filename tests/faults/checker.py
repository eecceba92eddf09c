"""Holds what the writers were told against what the journal holds, and names every promise that was broken."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import accumulate
from typing import NamedTuple, TypeVar

from tests.faults.contents import Contents, StoredCommit
from tests.faults.history import Attempt, HeadRead, History, Outcome

T = TypeVar("T", bound=Hashable)
_SHOWN_MAX = 20


class Promise(StrEnum):
    """What was broken."""

    LOST = "acknowledged commit lost"
    CHANGED = "acknowledged commit changed"
    ACKED_TWICE = "version acknowledged twice"
    VERSION_GAP = "gap in versions"
    VERSION_TWICE = "version stored twice"
    REVISION_GAP = "gap in revisions"
    REVISION_TWICE = "revision stored twice"
    DISORDER = "revisions against the order of time"
    WRONG_HEAD = "wrong head"
    CHAIN_BROKEN = "chain broken"
    STALE_READ = "stale read"
    READ_OF_NOTHING = "read of what is not in the journal"
    COMMIT_ID_TWICE = "commit id stored twice"
    PHANTOM = "commit that nobody sent"
    REFUSED_STANDS = "refused commit stands"
    SURPRISE = "answer that no server should give"


class Violation(NamedTuple):
    promise: Promise
    detail: str

    def __str__(self) -> str:
        return f"{self.promise.value}: {self.detail}"


def check(history: History, contents: Contents) -> list[Violation]:
    """All violations; empty when every promise was kept."""
    return [
        *_check_acknowledged(history, contents),
        *_check_refused(history, contents),
        *_check_senders(history, contents),
        *_check_numbers(contents),
        *_check_heads(contents),
        *_check_order(history),
        *_check_freshness(history),
        *_check_reads(history, contents),
        *(Violation(Promise.CHAIN_BROKEN, problem) for problem in contents.problems),
        *(Violation(Promise.SURPRISE, surprise) for surprise in history.surprises),
    ]


def assert_kept(history: History, contents: Contents) -> None:
    """Fail with the violations, if there are any."""
    violations = check(history, contents)
    shown = "\n".join(map(str, violations[:_SHOWN_MAX]))
    assert not violations, f"{len(violations)} promises broken\n{shown}"


def _check_acknowledged(history: History, contents: Contents) -> Iterator[Violation]:
    stored = _by_version(contents)
    holders: dict[tuple[str, int], Attempt] = {}
    for attempt in _acknowledged(history):
        at = (attempt.key, attempt.version)
        first = holders.setdefault(at, attempt)
        if (first.commit_id, first.payload) != (attempt.commit_id, attempt.payload):
            yield Violation(Promise.ACKED_TWICE, f"{_name(attempt)} to {first.writer} and {attempt.writer}")
        row = stored.get(at)
        if row is None:
            yield Violation(Promise.LOST, f"{_name(attempt)} at revision {attempt.revision}")
        elif row != _row_of(attempt):
            yield Violation(Promise.CHANGED, f"{_name(attempt)}: acknowledged {_row_of(attempt)}, stored {row}")


def _check_refused(history: History, contents: Contents) -> Iterator[Violation]:
    """A commit stands only if one of its attempts may have written it."""
    stored = {row.commit_id for row in contents.commits}
    for attempts in _by_commit_id(history).values():
        outcomes = {attempt.outcome for attempt in attempts}
        # A conflict says that the version belongs to another commit, whatever became of earlier attempts.
        denied = Outcome.CONFLICT in outcomes or outcomes == {Outcome.REFUSED}
        if denied and attempts[0].commit_id in stored:
            yield Violation(Promise.REFUSED_STANDS, f"{_name(attempts[0])}: {', '.join(sorted(outcomes))}")


def _check_senders(history: History, contents: Contents) -> Iterator[Violation]:
    sent = {_row_of(attempt)._replace(revision=0) for attempt in history.attempts}
    for row in contents.commits:
        if row._replace(revision=0) not in sent:
            yield Violation(Promise.PHANTOM, str(row))
    for commit_id in _repeated(row.commit_id for row in contents.commits):
        yield Violation(Promise.COMMIT_ID_TWICE, str(commit_id))


def _check_numbers(contents: Contents) -> Iterator[Violation]:
    revisions = [row.revision for row in contents.commits]
    for revision in _repeated(revisions):
        yield Violation(Promise.REVISION_TWICE, str(revision))
    for missing in sorted(set(range(1, contents.revision + 1)) ^ set(revisions)):
        yield Violation(Promise.REVISION_GAP, f"{missing}, where the journal stands at {contents.revision}")
    versions: dict[str, list[int]] = defaultdict(list)
    for row in contents.commits:
        versions[row.key].append(row.version)
    for key, found in versions.items():
        for version in _repeated(found):
            yield Violation(Promise.VERSION_TWICE, f"{key} {version}")
        for missing in sorted(set(range(1, max(found) + 1)) - set(found)):
            yield Violation(Promise.VERSION_GAP, f"{key} {missing}")


def _check_heads(contents: Contents) -> Iterator[Violation]:
    newest: dict[str, tuple[int, int]] = {}
    for row in contents.commits:
        newest[row.key] = max(newest.get(row.key, (0, 0)), (row.version, row.revision))
    heads = {head.key: (head.version, head.revision) for head in contents.heads}
    for key in sorted(newest.keys() | heads.keys()):
        if heads.get(key) != newest.get(key):
            yield Violation(Promise.WRONG_HEAD, f"{key} points to {heads.get(key)}, its newest is {newest.get(key)}")


def _check_order(history: History) -> Iterator[Violation]:
    """What begins after an acknowledgement stands behind it in the journal."""
    acknowledged = _Past((attempt.ended, attempt.revision or 0) for attempt in _acknowledged(history))
    for attempts in _by_commit_id(history).values():
        begun = min(attempt.begun for attempt in attempts)
        for attempt in attempts:
            before = acknowledged.highest(begun)
            if attempt.outcome is Outcome.ACKED and (attempt.revision or 0) <= before:
                detail = f"{_name(attempt)} has revision {attempt.revision}, begun after {before} was acknowledged"
                yield Violation(Promise.DISORDER, detail)


def _check_freshness(history: History) -> Iterator[Violation]:
    """A read is at least as new as all that was acknowledged or read before it began."""
    told: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for attempt in _acknowledged(history):
        told[attempt.key].append((attempt.ended, attempt.version))
    for read in history.reads:
        told[read.key].append((read.ended, read.version))
    past = {key: _Past(events) for key, events in told.items()}
    for read in history.reads:
        before = past[read.key].highest(read.begun)
        if read.version < before:
            yield Violation(Promise.STALE_READ, f"{read.key} {read.version} was read after {before} was known")


def _check_reads(history: History, contents: Contents) -> Iterator[Violation]:
    stored = _by_version(contents)
    for read in history.reads:
        row = stored.get((read.key, read.version))
        if read.version and (row is None or not _is_of(read, row)):
            yield Violation(Promise.READ_OF_NOTHING, f"{read}, the journal holds {row}")


def _is_of(read: HeadRead, row: StoredCommit) -> bool:
    return (read.revision, read.payload) == (row.revision, row.payload)


class _Past:
    """The highest number told by any moment."""

    def __init__(self, events: Iterable[tuple[float, int]]) -> None:
        ordered = sorted(events)
        self._ends = [end for end, _ in ordered]
        self._highest = list(accumulate((number for _, number in ordered), max))

    def highest(self, moment: float) -> int:
        """Of what ended before `moment`; 0 if nothing did."""
        index = bisect_left(self._ends, moment)
        return self._highest[index - 1] if index else 0


def _acknowledged(history: History) -> list[Attempt]:
    return [attempt for attempt in history.attempts if attempt.outcome is Outcome.ACKED]


def _by_commit_id(history: History) -> dict[str, list[Attempt]]:
    grouped: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in history.attempts:
        grouped[attempt.commit_id].append(attempt)
    return grouped


def _by_version(contents: Contents) -> dict[tuple[str, int], StoredCommit]:
    return {(row.key, row.version): row for row in contents.commits}


def _row_of(attempt: Attempt) -> StoredCommit:
    """The row that an attempt makes where it succeeds; no revision is 0, so that rows can be told apart without it."""
    revision = attempt.revision or 0
    return StoredCommit(revision, attempt.key, attempt.version, attempt.writer, attempt.payload, attempt.commit_id)


def _repeated(values: Iterable[T]) -> Sequence[T]:
    return [value for value, count in Counter(values).items() if count > 1]


def _name(attempt: Attempt) -> str:
    return f"{attempt.key} {attempt.version} (commit id {attempt.commit_id})"
