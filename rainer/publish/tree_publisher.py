"""Publishing one namespace: who does it, how far it is, and what to do when anything is in doubt."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from rainer.errors import ConflictError, RainerError
from rainer.journal.row import Namespace, Row
from rainer.model import times
from rainer.model.position import Position
from rainer.model.published import Head
from rainer.publish.audit import Audit
from rainer.publish.beating import Beating
from rainer.publish.changes import bundles
from rainer.publish.election import Election
from rainer.publish.feed import JournalFeed, Move
from rainer.publish.history import History
from rainer.publish.large import LargeHeads
from rainer.publish.reconcile import Reconciler
from rainer.publish.restricting import Restriction
from rainer.publish.standby import Standby
from rainer.publish.telling import status_of
from rainer.publish.tree_writer import TreeWriter
from rainer.zk import Tree, ZooKeeper

log = logging.getLogger("rainer.publish")
_RETRY_S: Final = (0.02, 0.1, 0.5, 1.0)
_REFUSED_S: Final = 2.0
_CURRENT_S: Final = 5.0
_ADOPT: Final = "`rainer publish --adopt` makes it this journal's"


class TreePublisher:
    """One namespace of one process; belongs to the publisher's thread. No trouble of its tree reaches another's."""

    def __init__(
        self, zk: ZooKeeper, feed: JournalFeed, namespace: Namespace, tree: Tree, who: str, *, adopt: bool,
        wake: Callable[[], None],
    ) -> None:  # fmt: skip
        self.namespace, self._feed, self._who, self._adopt = namespace, feed, who, adopt
        self.writer = TreeWriter(zk, tree, who)
        self.election = Election(zk, tree.election, who, wake)
        self.writer.own_node = lambda: self.election.own
        self._history = History(feed, namespace.name)
        self._large = LargeHeads(self.writer)
        self._reconciler = Reconciler(self.writer, self._large, feed.reads, namespace.name)
        self.restriction = Restriction(zk, tree)
        self._audit = Audit(
            self.writer, self._large, feed.reads, namespace.name, namespace.id, self.restriction.apply
        )  # fmt: skip
        self._beating = Beating(self.writer, who)
        self._standby = Standby(zk, tree)
        self._work: Iterator[None] | None = None
        self._position: Position | None = None
        self._is_guest = False
        self._guest_of = ""
        self._leads = False
        self._has_nodes = False
        self._failures = 0
        self._retry_at = 0.0
        self.refusal = ""
        self.error = ""
        self.errors = 0

    # What the publisher's thread calls; nothing is raised

    @property
    def publishes(self) -> bool:
        """Whether this process publishes the namespace now."""
        return self._leads or self._is_guest

    @property
    def is_level(self) -> bool:
        """Whether all that is known of the journal is published, by whomever."""
        if self.refusal:
            return False
        if self.publishes:
            return self._work is None and self._position is not None and self._history.is_reached(self._position)
        return self._standby.has_looked and self._standby.owed is None

    def take(self, move: Move) -> None:
        """Publish what is new, if that is ours to do and follows on what is published; else it is owed."""
        rows = move.rows.get(self.namespace.id, ())
        at = self._position
        if at is not None and at.lineage == move.after.lineage and at.revision >= move.after.revision:
            return
        if rows:
            self._standby.owe(rows[-1].revision, rows[0].recorded_ms, time.monotonic())
        if at == move.before and self._work is None and (not rows or (self.publishes and move.has_payloads)):
            self._guarded(lambda: self._publish(rows, move.after))

    def turn(self, now: float) -> None:
        """Do what is due."""
        if now >= self._retry_at:
            self._guarded(lambda: self._turn(now))

    def next_turn(self) -> float:
        """When something is due, in monotonic seconds."""
        if self._retry_at > time.monotonic():
            return self._retry_at
        if self.refusal or not self.publishes:
            return self._standby.due
        if not self.is_level:
            return 0.0
        return min(self._beating.due, self._audit.due) if self._leads else self._beating.due

    def suspend(self, *, is_lost: bool) -> None:
        """The connection broke off: whatever was known of the tree may be so no more."""
        if is_lost:
            self.election.lose()
        self.election.look_again()
        self._doubt()

    # Doing it

    def _guarded(self, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as e:
            self._fail(e)

    def _fail(self, error: Exception) -> None:
        if isinstance(error, ConflictError) and self._is_guest:
            self._is_guest = False  # the other one lives
        if isinstance(error, ConflictError):
            log.debug("%s: somebody else has written: %s", self.namespace.name, error)
        elif not isinstance(error, RainerError):
            log.exception("publishing %s failed", self.namespace.name)
        elif str(error) != self.error:
            log.warning("publishing %s: %s", self.namespace.name, error)
        self.error = str(error) or type(error).__name__
        self.errors += 1
        self._doubt()
        self._retry_at = time.monotonic() + _RETRY_S[min(self._failures, len(_RETRY_S) - 1)]
        self._failures += 1

    def _doubt(self) -> None:
        self.writer.forget()
        self._position, self._work = None, None
        self._standby.reset()

    def _turn(self, now: float) -> None:
        if not self._has_nodes:
            self.writer.ensure()
            self._has_nodes = True
        leads = self.election.look()
        if leads != self._leads:
            log.info("%s %s", "publishing" if leads else "no longer publishing", self.namespace.name)
            self._leads = leads
            self._begin(is_guest=False)
        elif self._is_guest and self.election.first != self._guest_of:
            self._begin(is_guest=False)
        if self.refusal and now < self._standby.due:
            return
        if not self.publishes:
            self._watch(now)
        if self.publishes:
            self._lead(now)
        self._failures, self.error = 0, ""

    def _begin(self, *, is_guest: bool) -> None:
        """Take up another part: leader, guest or neither."""
        self._is_guest, self._guest_of = is_guest, self.election.first
        self._doubt()
        self._audit.begin()
        self._beating.begin()
        self.restriction.begin()

    def _lead(self, now: float) -> None:
        if self._work is None and (not self.writer.is_loaded or self._position is None):
            self._open(now)
        if self._work is not None:
            self._go_on()
        elif self._position is not None and not self._history.is_reached(self._position):
            self._catch_up()
        elif self._position is not None:
            self._history.check_ahead(self._position)
            self._standby.owed = None
            self.restriction.bring_about()
            if now - self._feed.confirmed_at < _CURRENT_S:
                self._beating.beat(now, self._position.revision, is_guest=self._is_guest)
            if self._leads:
                self._audit.step(now)

    def _open(self, now: float) -> None:
        """See where the tree stands, and begin what that asks for."""
        head = self.writer.load()
        if head is None:
            self._work = self._reconciler.fill()
            return
        if not self._history.holds(head.position):
            if self._adopt:
                log.warning("adopting the tree of %s, which was at %s", self.namespace.name, head.position)
                self._reconciler.finish()
                self._work = self._reconciler.restate(None)
            else:
                self._refuse(head.position, now)
            return
        self.refusal = ""
        if self._reconciler.finish():
            self._position = head.position
        else:
            log.warning("the log of %s is damaged; the tree is compared with the journal", self.namespace.name)
            self._work = self._reconciler.restate(head.revision)

    def _go_on(self) -> None:
        assert self._work is not None
        if next(self._work, self) is not self:
            return
        self._work = None
        self.writer.load()
        self.refusal = ""
        self._position = None if self.writer.head is None else self.writer.head.position

    def _catch_up(self) -> None:
        assert self._position is not None
        page = self._history.after(self._position)
        self._publish(page.rows, Position(page.state.lineage, page.revision, page.chain))

    def _publish(self, rows: Sequence[Row], end: Position) -> None:
        if rows:
            self.writer.publish(bundles(rows, end, self._large.ready, self.writer.sizes))
        self._position = end
        self._standby.paid(end.revision)

    # Whether it is ours

    def _refuse(self, at: Position, now: float) -> None:
        text = f"the tree is of another lineage or history: it stands at {at}, which this journal does not hold"
        if text != self.refusal:
            log.error(
                "not publishing %s: %s; `rainer publish --adopt` makes it this journal's", self.namespace.name, text
            )
        self.refusal = text
        self._standby.due = now + _REFUSED_S

    # Watching

    def _watch(self, now: float) -> None:
        standby = self._standby
        is_first = not standby.has_looked
        standby.look(now)
        head = standby.head
        if head is None:
            if is_first:
                standby.owe(0, times.now_ms(), now)
        elif is_first or self.refusal:
            self._compare_history(head, now)
        if standby.is_forsaken(now) and not self.refusal and not self._is_guest:
            log.warning("%s is not published by %s; doing it", self.namespace.name, self.election.leader or "anybody")
            self._begin(is_guest=True)

    def _compare_history(self, head: Head, now: float) -> None:
        """See whether a tree that others publish is of our journal, and whether it lacks something now."""
        if self._history.holds(head.position):
            self.refusal = ""
            lacking = self._history.first_after(head.revision)
            if lacking is not None:
                self._standby.owe(*lacking, now)
        elif self._adopt:
            self._begin(is_guest=True)
        else:
            self._refuse(head.position, now)

    # Telling

    def status(self) -> dict[str, Any]:
        """How far the namespace is published, and by whom; callable from any thread."""
        ours, state = self.publishes, self._feed.state
        told = status_of(self.writer, self._standby, is_ours=ours)
        return (
            {"namespace": self.namespace.name, "state": self._state()}
            | told
            | {
                "journal_revision": None if state is None else state.revision,
                "leader": self._who if ours else self.election.leader,
                "is_leader": ours,
                "errors": self.errors,
                "error": f"{self.refusal}; {_ADOPT}" if self.refusal else self.error or self.restriction.error,
            }
        )

    def _state(self) -> str:
        if self.refusal:
            return "refused"
        if self.error:
            return "failing"
        if not self.publishes:
            return "standby"
        return "publishing" if self.is_level else "catching up"
