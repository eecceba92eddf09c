"""One group, one transaction: the same steps on every database.

`Session` is what a dialect offers. Its methods are coroutines: PostgreSQL's really wait on the event loop, the others
never suspend and are driven to their end inside a worker thread (`drive`). So there is one procedure to prove.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from rainer import limits
from rainer.errors import OutcomeUnknown
from rainer.journal.group import HeadKey, Known, Plan, Stored, StoredKey, Submission, judge
from rainer.journal.row import Namespace, State
from rainer.model.times import now_ms

T = TypeVar("T")


class Session(Protocol):
    """One writer's connection to the journal. Errors are RainerErrors; after any of them the caller calls `reset`."""

    has_compare_and_set: bool

    async def begin(self) -> State:
        """Begin a transaction that holds the journal row's lock, and read the row."""

    async def read_state(self) -> State:
        """Read the journal row without a lock."""

    async def read_namespaces(self) -> dict[str, Namespace]: ...

    async def read_heads(self, keys: Sequence[HeadKey]) -> dict[HeadKey, int]: ...

    async def read_stored(self, keys: Iterable[StoredKey]) -> dict[StoredKey, Stored]: ...

    async def write(self, plan: Plan) -> None: ...

    async def commit(self) -> None: ...

    async def rollback(self) -> None: ...

    async def compare_and_set(self, plan: Plan) -> bool:
        """Write a plan in one round trip if the journal still stands at `plan.before`; False, nothing done, if not."""

    async def hash_at(self, revision: int) -> bytes | None:
        """The hash of the commit at a revision."""

    async def reset(self) -> None:
        """Let go of the connection and whatever was begun on it; the next call begins afresh."""

    async def close(self) -> None: ...


def drive(steps: Coroutine[Any, Any, T]) -> T:
    """Run to its end a coroutine that never suspends."""
    try:
        steps.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("a session for threads must not wait on an event loop")


async def commit_group(session: Session, known: Known, group: Sequence[Submission]) -> Plan:
    """Judge a group and write what is accepted in one transaction; the plan tells what became of each submission.

    Raises OutcomeUnknown if the COMMIT itself failed and nobody can tell how it ended; any other RainerError means
    that nothing was written. After an error nothing is remembered: the next group starts from what the database says.
    """
    try:
        plan = None
        if session.has_compare_and_set and known.state is not None and not known.contended:
            plan = await _commit_unlocked(session, known, group)
        if plan is None:
            plan = await _commit_locked(session, known, group)
    except BaseException:
        known.forget()
        await session.reset()
        raise
    _remember(known, plan)
    return plan


async def _commit_unlocked(session: Session, known: Known, group: Sequence[Submission]) -> Plan | None:
    """One round trip where nobody else writes; None when somebody did.

    Heads read before the compare-and-set are safe: if the journal stands where it stood, nothing moved since.
    """
    plan = await _judge(session, known, group)
    holds = await session.compare_and_set(plan) if plan.rows else _same(await session.read_state(), plan.before)
    if not holds:
        known.contended = True
        return None
    return plan


async def _commit_locked(session: Session, known: Known, group: Sequence[Submission]) -> Plan:
    state = await session.begin()
    if known.state is not None and _same(state, known.state):
        known.contended = False
    else:
        known.heads = {}
    if known.state is None or known.state.namespaces_tag != state.namespaces_tag or not known.namespaces:
        known.namespaces = await session.read_namespaces()
    known.state = state
    plan = await _judge(session, known, group)
    if not plan.rows:
        await session.rollback()
        return plan
    await session.write(plan)
    await _commit(session, plan)
    return plan


async def _commit(session: Session, plan: Plan) -> None:
    try:
        await session.commit()
    except Exception as failure:  # whatever it is: a COMMIT was sent, and only the journal can tell how it ended
        stands = await _settle(session, plan)
        if stands is None:
            raise OutcomeUnknown(
                f"the database did not say whether the commit was kept: {str(failure) or type(failure).__name__}",
                hint="look at the key before you commit again, or repeat it with the same commit id",
            ) from failure
        if not stands:
            raise


async def _settle(session: Session, plan: Plan) -> bool | None:
    """After a failed COMMIT: True if the plan stands, False if it does not and never will, None if nobody can tell.

    Our transaction had the journal row's lock. Whoever gets that lock knows that the transaction is over.
    """
    try:
        await session.reset()
        await session.begin()
        found = await session.hash_at(plan.after.revision)
        await session.rollback()
    except Exception:
        return None
    return found == plan.after.chain


async def _judge(session: Session, known: Known, group: Sequence[Submission]) -> Plan:
    missing = known.missing(group)
    if missing:
        if len(known.heads) + len(missing) > limits.COMMITTER_HEADS_MAX:
            known.heads = {}
            missing = known.missing(group)
        found = await session.read_heads(missing)
        known.heads.update({k: found.get(k, 0) for k in missing})
    now = now_ms()
    stored: dict[StoredKey, Stored | None] = {}
    plan = judge(group, known, now, stored)
    if plan.wanted:
        found_rows = await session.read_stored(plan.wanted)
        stored.update({k: found_rows.get(k) for k in plan.wanted})
        plan = judge(group, known, now, stored)
    return plan


def _same(a: State, b: State) -> bool:
    return a.revision == b.revision and a[:3] == b[:3] and a.namespaces_tag == b.namespaces_tag


def _remember(known: Known, plan: Plan) -> None:
    known.state = plan.after if plan.rows else plan.before
    for key, row in plan.heads.items():
        known.heads[key] = row.version
