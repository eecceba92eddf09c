"""The journal as the publisher follows it: groups of this process as they are written, all others from the database."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rainer.errors import PositionGone
from rainer.journal.group import Plan
from rainer.journal.reads import Reads
from rainer.journal.row import Namespace, Row, State
from rainer.model.position import Position

_PAGE: Final = 2_000
_OFFERS_MAX: Final = 200
_OWN_ECHO_S: Final = 0.05
"""Our own groups come back as notifications; a look at the database waits until they are through."""


@dataclass(frozen=True, slots=True)
class Move:
    """The journal moved on from one position to the next; the rows in between, by their namespaces' numbers."""

    before: Position
    after: Position
    rows: Mapping[int, Sequence[Row]]
    has_payloads: bool


@dataclass(slots=True)
class JournalFeed:
    """`offer` and `ring` from any thread, all else from the publisher's."""

    reads: Reads
    wake: threading.Event
    state: State | None = None
    """Where the journal stands, as far as is known here."""
    namespaces: dict[str, Namespace] = field(default_factory=dict)
    looked_at: float = 0.0
    """When the database was last seen to hold nothing beyond `state`, in monotonic seconds."""
    _offers: deque[Plan] = field(default_factory=deque)
    _offered_at: float = 0.0
    _is_rung: bool = False

    def offer(self, plan: Plan) -> None:
        """A group that this process has just written."""
        if len(self._offers) >= _OFFERS_MAX:
            self._offers.clear()  # nobody keeps up: what is missed is read from the database
            self._is_rung = True
        self._offers.append(plan)
        self.wake.set()

    def ring(self) -> None:
        """The journal may have moved."""
        self._is_rung = True
        self.wake.set()

    @property
    def confirmed_at(self) -> float:
        """When `state` was last known to be the journal's, in monotonic seconds."""
        return max(self.looked_at, self._offered_at)

    def next_look(self, poll_s: float) -> float:
        """When to look at the database, in monotonic seconds."""
        due = self.looked_at + poll_s
        return min(due, self._offered_at + _OWN_ECHO_S) if self._is_rung else due

    def moves(self, poll_s: float, *, payloads: bool) -> list[Move]:
        """How the journal has moved since the last call; a page at most of what others wrote.

        PositionGone if it is no longer the journal that it was; from then on `state` is that of the new one.
        """
        if self.state is None:
            self.restart()
        found = self._offered()
        if time.monotonic() >= self.next_look(poll_s):
            found += self._look(payloads)
        return found

    def restart(self) -> None:
        """Begin again at where the journal stands now."""
        self.state = self.reads.state()
        self.namespaces = self.reads.namespaces()
        self._offers.clear()
        self.looked_at = time.monotonic()

    def _offered(self) -> list[Move]:
        found: list[Move] = []
        while self._offers:
            plan = self._offers.popleft()
            assert self.state is not None
            if plan.before[:3] != self.state[:3]:
                if plan.after.revision > self.state.revision:
                    self._is_rung, self._offered_at = True, 0.0  # others wrote in between
                continue
            found.append(self._move_to(plan.after, plan.after.position, plan.rows, True))
            self._offered_at = time.monotonic()
        return found

    def _look(self, payloads: bool) -> list[Move]:
        assert self.state is not None
        self._is_rung = False
        now, asked_at = self.reads.state(), time.monotonic()
        if now[:3] == self.state[:3]:
            self._take_namespaces(now)
            self.state, self.looked_at = now, asked_at
            return []
        try:
            page = self.reads.changes(
                self.state.revision, namespace=None, limit=_PAGE, payloads=payloads, lineage=self.state.lineage,
                chain=self.state.chain,
            )  # fmt: skip
        except PositionGone:
            self.restart()
            raise
        if page.more:
            self._is_rung = True
            self.wake.set()
        else:
            self.looked_at = asked_at
        end = Position(page.state.lineage, page.revision, page.chain)
        return [self._move_to(page.state, end, page.rows, payloads)]

    def _move_to(self, state: State, end: Position, rows: Sequence[Row], has_payloads: bool) -> Move:
        assert self.state is not None
        before = self.state.position
        self._take_namespaces(state)
        self.state = state._replace(revision=end.revision, chain=end.chain)
        grouped: dict[int, list[Row]] = {}
        for row in rows:
            grouped.setdefault(row.namespace_id, []).append(row)
        return Move(before, end, grouped, has_payloads)

    def _take_namespaces(self, state: State) -> None:
        assert self.state is not None
        if state.namespaces_tag != self.state.namespaces_tag:
            self.namespaces = self.reads.namespaces()
