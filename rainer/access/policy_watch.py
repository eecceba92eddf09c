"""The policy in force in this process: the head of `rainer/policy`, followed as the journal moves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final, Protocol

from rainer.errors import NamespaceNotFound, RainerError
from rainer.journal import LiveJournal
from rainer.journal.group import Plan
from rainer.journal.row import Row, State
from rainer.model.names import SYSTEM_NAMESPACE
from rainer.model.policy import Policy
from rainer.model.policy_document import KEY, parse

log = logging.getLogger("rainer.access")

_LOOK_S: Final = 5.0
_LEAST_S: Final = 0.05
"""Between two looks at the journal, however often it moves: what this process commits it hears of without looking."""
_AWAY_S: Final = 1.0
_NOBODY: Final = Policy()


class PolicySource(Protocol):
    """Whatever knows which policy is in force."""

    @property
    def policy(self) -> Policy | None:
        """The policy; None before it is known."""
        ...


class PolicyWatch:
    """Belongs to the event loop of its journal.

    What this process commits is in force before the commit is answered, what others commit as soon as their change is
    seen. A document that cannot be read, which no server takes, leaves the former one in force.
    """

    def __init__(self) -> None:
        self.policy: Policy | None = None
        self.revision = 0
        """Of the commit that it is; 0 where there is none."""
        self._lineage, self._seen = "", 0
        self._live: LiveJournal | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    async def start(self, live: LiveJournal) -> None:
        """Read the policy, and follow it from now on. Where the database is away, it is not known until it is back."""
        self._live = live
        live.on_group(self.follow)
        with contextlib.suppress(RainerError):
            await self._look()
        self._task = asyncio.create_task(self._watch(live), name="rainer-policy")

    async def close(self) -> None:
        """Follow it no longer."""
        self._is_closed = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def follow(self, plan: Plan) -> None:
        """Hear of a group that this process wrote, before those hear who committed it."""
        assert self._live is not None
        space = self._live.committer.known.namespaces.get(SYSTEM_NAMESPACE)
        row = None if space is None else plan.heads.get((space.id, KEY))
        if row is not None:
            self._take(row, plan.after)

    async def _watch(self, live: LiveJournal) -> None:
        while not self._is_closed:  # the wait may swallow a cancellation that comes with a wake-up
            turn = live.wakeup.turn
            try:
                state = await self._look()
                await live.wakeup.wait(turn, state, _LOOK_S)
                await asyncio.sleep(_LEAST_S)
            except RainerError as e:
                log.debug("the policy cannot be looked at: %s", e)
                await asyncio.sleep(_AWAY_S)
            except Exception:
                log.exception("the policy cannot be looked at")
                await asyncio.sleep(_AWAY_S)

    async def _look(self) -> State:
        assert self._live is not None
        seen = self._seen
        try:
            state, head = await self._live.head(SYSTEM_NAMESPACE, KEY)
            row = head.row
        except NamespaceNotFound:
            state, row = await self._live.heads.state(), None
        # What was asked for after a state was seen, and is older, is of another history: a restored backup.
        self._take(row, state, is_another=state.revision < seen)
        return state

    def _take(self, row: Row | None, state: State, *, is_another: bool = False) -> None:
        """Put a head in force, unless a later one of the same history is."""
        revision = 0 if row is None else row.revision
        is_another = is_another or self.policy is None or state.lineage != self._lineage
        self._seen = state.revision if is_another else max(self._seen, state.revision)
        if not is_another and revision <= self.revision:
            return
        try:
            policy = _NOBODY if row is None or row.payload is None else parse(bytes(row.payload))
        except RainerError as e:
            log.error("the policy of revision %d cannot be read, and the one before stays in force: %s", revision, e)
            policy = self.policy or _NOBODY
        else:
            log.info("the policy of revision %d is in force: %d grants", revision, len(policy.grants))
        self.policy, self.revision, self._lineage = policy, revision, state.lineage
