"""Publisher: copies the heads of a journal's namespaces to ZooKeeper, in a thread of its own."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from types import TracebackType
from typing import Any, Final, Self

from rainer.errors import PositionGone, RainerError
from rainer.journal import Journal
from rainer.journal.group import Plan
from rainer.journal.listening import Listening, listen
from rainer.publish.feed import JournalFeed, Move
from rainer.publish.restricting import Readers
from rainer.publish.tree_publisher import TreePublisher
from rainer.zk import Tree, ZooKeeper, ZooKeeperOptions

log = logging.getLogger("rainer.publish")
_POLL_S: Final = 0.1
_POLL_BESIDE_NOTIFICATIONS_S: Final = 2.0
_AWAY_S: Final = 1.0
_LONGEST_S: Final = 2.0
_WARN_AFTER_S: Final = 5.0


class Publisher:
    """Follows a journal and publishes every namespace below `path`, those that are made later too.

    `start` returns at once, whether ZooKeeper answers or not: it is tried for until `close`. Of many publishers one
    leads each namespace; the others step in when a commit stays unpublished for a second. With `adopt`, a tree of
    another lineage becomes this journal's. Thread-safe; the journal stays the caller's.
    """

    def __init__(
        self, journal: Journal, options: ZooKeeperOptions, path: str = "/rainer", *, adopt: bool = False
    ) -> None:
        self._journal, self._adopt = journal, adopt
        self._path = "" if path == "/" else path
        Tree(f"{self._path}/diary")  # so that a bad path is an error now
        self._zk = ZooKeeper(options)
        self._who = f"{socket.gethostname()}:{os.getpid()}"
        self._wake = threading.Event()
        self._feed = JournalFeed(journal.reads, self._wake)
        self._trees: dict[int, TreePublisher] = {}
        self._readers = Readers(self._feed)
        self._listening: Listening | None = None
        self._poll_s = _POLL_S
        self._thread: threading.Thread | None = None
        self._closing: tuple[float, float] | None = None
        self._connection: list[str] = []
        self._is_away = False
        self.error = ""
        """Why nothing is published at all: ZooKeeper or the journal does not answer. Empty when all is well."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Begin to publish."""
        self._zk.on_connection(self._connected)
        self._zk.start_later()
        self._listening = listen(self._journal.engine, self._feed.ring)
        if self._listening is not None:
            self._poll_s = _POLL_BESIDE_NOTIFICATIONS_S
        self._thread = threading.Thread(target=self._run, name="rainer-publish", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Publish what the journal holds, for at most `timeout_s`, and end. May be called twice."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        now = time.monotonic()
        self._closing = (now, now + timeout_s)
        self._feed.ring()
        thread.join()
        if self._listening is not None:
            self._listening.close()
        self._zk.close()

    def offer(self, plan: Plan) -> None:
        """A group that this process has just written: a listener for `LiveJournal.on_group`; it only takes note."""
        self._feed.offer(plan)

    def status(self) -> list[dict[str, Any]]:
        """How far each namespace is published, and by whom: a dict each, in the order of their names."""
        is_away = not self._zk.is_connected
        found = [tree.status() for tree in list(self._trees.values())]
        if is_away or self.error:
            why = self.error or "ZooKeeper does not answer"
            found = [one | {"state": "away", "error": why, "is_leader": False} for one in found]
        return sorted(found, key=lambda one: str(one["namespace"]))

    def connection(self) -> dict[str, Any]:
        """Where ZooKeeper is, whether it answers, our session (hexadecimal, or empty), and why nothing is published."""
        session = self._zk.session_id
        return {
            "hosts": self._zk.options.hosts, "path": self._path or "/", "connected": self._zk.is_connected,
            "session": f"{session:x}" if session else "", "error": self.error,
        }  # fmt: skip

    # On the connection's thread

    def _connected(self, state: str) -> None:
        self._connection.append(state)
        self._wake.set()

    # On the publisher's thread

    def _run(self) -> None:
        begun = time.monotonic()
        while True:
            self._wake.clear()
            try:
                self._turn(begun)
            except RainerError as e:
                self._away(str(e))
            except Exception:
                log.exception("the publisher failed, and goes on")
                self._away("the publisher failed; the server's log says why")
            if self._is_done():
                break
            self._wake.wait(self._pause_s())
        for tree in self._trees.values():
            if self._zk.is_connected:
                tree.election.leave()

    def _turn(self, begun: float) -> None:
        self._heed_connection()
        is_connected = self._zk.is_connected
        try:
            moves = self._feed.moves(self._poll_s, payloads=any(t.publishes for t in self._trees.values()))
        except PositionGone:
            log.warning("the journal is another one than it was")
            for tree in self._trees.values():
                tree.suspend(is_lost=False)
            self._readers.forget()
            moves = []
        self._make_trees()
        self._take(moves)
        if not is_connected:
            if time.monotonic() - begun > _WARN_AFTER_S or self._closing is not None:
                self._away(f"no ZooKeeper answers at {self._zk.options.hosts}")
            return
        if not self._readers.are_known:
            self._away("the policy cannot be read, so that nobody knows who may read the trees")
            return
        if self._is_away:
            log.warning("publishing goes on")
            self._is_away, self.error = False, ""
        for tree in self._trees.values():
            tree.turn(time.monotonic())

    def _take(self, moves: list[Move]) -> None:
        """Have the trees know what was committed, and for whom they are."""
        self._readers.heed(moves)
        if self._readers.are_known:
            for tree in self._trees.values():
                tree.restriction.want(self._readers.of(tree.namespace.name))
        for move in moves:
            for tree in self._trees.values():
                tree.take(move)

    def _heed_connection(self) -> None:
        while self._connection:
            state = self._connection.pop(0)
            for tree in self._trees.values():
                tree.suspend(is_lost=state == "lost")

    def _make_trees(self) -> None:
        for namespace in self._feed.namespaces.values():
            if namespace.id not in self._trees:
                self._trees[namespace.id] = TreePublisher(
                    self._zk, self._feed, namespace, Tree(f"{self._path}/{namespace.name}"), self._who,
                    adopt=self._adopt, wake=self._wake.set,
                )  # fmt: skip

    def _away(self, why: str) -> None:
        if not self._is_away:
            log.warning("nothing is published until this is over: %s", why)
        self._is_away, self.error = True, why

    def _pause_s(self) -> float:
        now = time.monotonic()
        if self._is_away:
            return _AWAY_S
        due = [self._feed.next_look(self._poll_s)]
        if self._zk.is_connected:
            due += [tree.next_turn() for tree in self._trees.values()]
        return max(0.0, min(_LONGEST_S, min(due) - now))

    def _is_done(self) -> bool:
        if self._closing is None:
            return False
        begun, end = self._closing
        if time.monotonic() >= end or not self._zk.is_connected or not self._trees:
            return True
        return self._feed.looked_at >= begun and all(t.is_level or t.refusal for t in self._trees.values())
