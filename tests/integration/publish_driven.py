"""A publisher of one namespace without a thread: the test says when it takes a turn, and which of its writes fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from rainer.errors import OutcomeUnknown
from rainer.journal import Journal
from rainer.publish.feed import JournalFeed
from rainer.publish.tree_publisher import TreePublisher
from rainer.zk import Operation, Tree, Written, ZooKeeper, ZooKeeperOptions
from tests.integration.publish_view import ROOT


class FailingZooKeeper(ZooKeeper):
    """Breaks off at the `fails_at`-th multi, before it is sent or, with `is_lost`, after: then nobody hears of it."""

    def __init__(self, hosts: str, fails_at: int | None = None, *, is_lost: bool = False) -> None:
        super().__init__(ZooKeeperOptions(hosts))
        self.writes = 0
        self.has_failed = False
        self._fails_at, self._is_lost = fails_at, is_lost

    def write_later(self, operations: Sequence[Operation]) -> Callable[[], list[Written]]:
        self.writes += 1
        if self.has_failed or (self._fails_at is not None and self.writes >= self._fails_at):
            if self._is_lost and not self.has_failed:
                super().write_later(operations)()
            self.has_failed = True
            raise OutcomeUnknown("the test broke the connection off")
        return super().write_later(operations)


class Driven:
    """One process' part in publishing a namespace."""

    def __init__(self, zk: ZooKeeper, journal: Journal, namespace: str = "diary", *, adopt: bool = False) -> None:
        self.zk, self.journal = zk, journal
        self.wake = threading.Event()
        self.feed = JournalFeed(journal.reads, self.wake)
        self.feed.restart()
        self.tree = TreePublisher(
            zk, self.feed, journal.namespace(namespace), Tree(f"{ROOT}/{namespace}"), "test", adopt=adopt,
            wake=self.wake.set,
        )  # fmt: skip

    def turn(self) -> None:
        """One turn, as the publisher's thread makes it."""
        for move in self.feed.moves(0.0, payloads=True):
            self.tree.take(move)
        self.tree.turn(time.monotonic())

    def run(self, until: Callable[[], Any] | None = None, turns: int = 10_000) -> None:
        """Take turns until all is published, or until something else; at most so many."""
        done = until or (lambda: self.feed.state is not None and self._is_level())
        for _ in range(turns):
            self.wake.clear()
            self.turn()
            if done():
                return
            self.wake.wait(max(0.0, min(0.05, self.tree.next_turn() - time.monotonic())))
        raise TimeoutError(f"not within {turns} turns: {self.tree.status()}")

    def _is_level(self) -> bool:
        return self.tree.is_level and self.feed.state is not None and self.feed.state == self.journal.reads.state()
