"""What the writers of a run saw: every attempt to commit and every read of a head, each with when it began and ended.

All times are of one monotonic clock in one process, so that "later" means something across the writers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """How an attempt ended for its writer."""

    ACKED = "acknowledged"
    CONFLICT = "conflict"
    REFUSED = "refused"  # the answer promises that nothing was written, or the request never left
    UNKNOWN = "unknown"  # no answer, or one that says that nobody can tell


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST of one version. Attempts with the same commit id are repetitions; payload None removes the key."""

    writer: str
    key: str
    version: int
    payload: bytes | None
    commit_id: str
    begun: float
    ended: float
    outcome: Outcome
    revision: int | None = None
    server: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class HeadRead:
    """One answered GET of a head; version 0 is the answer that there is none."""

    key: str
    begun: float
    ended: float
    version: int
    revision: int | None = None
    payload: bytes | None = None


@dataclass(slots=True)
class History:
    """The attempts, the reads, and the answers that no server should ever give, in words."""

    attempts: list[Attempt] = field(default_factory=list)
    reads: list[HeadRead] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)

    @classmethod
    def joined(cls, parts: Sequence[History]) -> History:
        """The histories of several writers as one."""
        whole = cls()
        for part in parts:
            whole.attempts += part.attempts
            whole.reads += part.reads
            whole.surprises += part.surprises
        return whole

    def __str__(self) -> str:
        counts = Counter(attempt.outcome for attempt in self.attempts)
        repeated = len(self.attempts) - len({attempt.commit_id for attempt in self.attempts})
        told = ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome)
        return f"{len(self.attempts)} attempts ({told}; {repeated} repetitions), {len(self.reads)} reads"
