"""A mirror's source in ZooKeeper: one connection and one thread, whatever tree there is and however the day goes."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Final

from rainer.errors import DeniedError, NotFoundError, RainerError, UnavailableError
from rainer.mirror.ancestor_source import AncestorFollower
from rainer.mirror.log_follower import LogFollower
from rainer.mirror.reports import Followers, Reporter
from rainer.mirror.source import Sink
from rainer.zk import Tree, ZooKeeper, ZooKeeperOptions

log = logging.getLogger("rainer.mirror")

_LOOK_EVERY_S: Final = 1.5
_LOOK_PATIENCE_S: Final = 2.5
_LOOK_PATIENCE_MAX_S: Final = 10.0
_ABSENCE_BORNE_S: Final = 1.0
_UNVOUCHED_S: Final = 4.0
_PAUSE_MIN_S: Final = 0.05
_PAUSE_MAX_S: Final = 1.0
_SESSION_S: Final = 6.0
_AGAIN_S: Final = 2.0


def open_source(
    hosts: str,
    path: str,
    *,
    user: str | None = None,
    password: str | None = None,
    timeout_s: float = _SESSION_S,
    reports: bool = True,
    followers: Followers | None = None,
    **options: Any,
) -> ZooKeeperSource:
    """The source for the tree at `path`, such as `/rainer/diary`; `options` are those of `ZooKeeperOptions`.

    `timeout_s` is the session's, in seconds: how long a dead mirror goes on being reported. With `reports` off, or
    without the right to write below `mirrors`, it is not. `followers` tells the reports of those who follow this one.
    """
    settings = ZooKeeperOptions(hosts, timeout_s, user, password, **options)
    return ZooKeeperSource(settings, Tree(path), reports=reports, followers=followers)


class ZooKeeperSource:
    """See `rainer.mirror.source.Source`."""

    def __init__(
        self, options: ZooKeeperOptions, tree: Tree, *, reports: bool = True, followers: Followers | None = None
    ) -> None:
        self._options = options
        self._tree = tree
        self._has_reports = reports
        self._report_followers = followers
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._zk = ZooKeeper(options)
        self._thread: threading.Thread | None = None
        self._is_ancestors = False
        self._absent_since: float | None = time.monotonic()
        self._is_absence_said = False
        self._was_empty = False
        self._is_head_watched = False
        self._look_at = 0.0
        self._vouched_at = 0.0
        self._error = ""
        self._pause_s = _PAUSE_MIN_S
        self._patience_s = _LOOK_PATIENCE_S

    def describe(self) -> str:
        """`ZooKeeper zk1:2181 /rainer/diary`."""
        return f"ZooKeeper {self._options.hosts} {self._tree.root}"

    def start(self, sink: Sink) -> None:
        """Begin, without waiting."""
        self._sink = sink
        wake = self._wake.set
        self._reporter = Reporter(self._zk, self._tree, sink, self._report_followers)
        self._log = LogFollower(self._zk, self._tree, sink, wake, self._applied)
        self._ancestor = AncestorFollower(self._zk, self._tree, sink, wake, self._applied)
        self._zk.on_connection(self._connection_changed)
        self._zk.start_later()
        self._thread = threading.Thread(target=self._run, name="rainer-mirror-zookeeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End thread and connection; the sink is not called any more."""
        self._closed.set()
        self._wake.set()
        if self._thread is None:
            return
        self._log.doubt()
        self._zk.close()
        self._thread.join()
        self._zk.close()  # the thread may just have begun a new start

    def abandon(self) -> None:
        """In a forked child: close what was inherited."""
        self._closed.set()
        self._zk.abandon()

    # From kazoo's threads

    def _connection_changed(self, state: str) -> None:
        self._is_head_watched = False
        if state == "connected":
            self._reporter.reconnected()
        self._log.doubt()

    def _applied(self) -> None:
        if self._has_reports and self._reporter.is_due():
            self._wake.set()

    # The worker

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                wait_s = self._turn()
            except RainerError as e:
                wait_s = self._fail(e)
            except Exception as e:
                if self._closed.is_set():
                    return
                log.exception("%s: following failed", self.describe())
                wait_s = self._fail(RainerError(f"following {self.describe()} failed: {type(e).__name__} {e}"))
            self._wake.wait(wait_s)
            self._wake.clear()

    def _fail(self, error: RainerError) -> float:
        if self._closed.is_set():
            return 0.0
        self._log.is_in_doubt = True
        if self._zk.is_connected:
            self._say_away(error)
        self._pause_s = min(self._pause_s * 2, _PAUSE_MAX_S)
        return self._pause_s

    def _say_away(self, error: RainerError) -> None:
        self._error = str(error)
        self._sink.away(error)

    def _turn(self) -> float:
        """Do what there is to do; how long to wait for more, in seconds."""
        if not self._zk.is_connected:
            return self._bear_absence()
        self._absent_since, self._is_absence_said = None, False
        if self._log.is_in_doubt:
            self._begin()
            self._look_at = 0.0
        if self._is_ancestors and self._ancestor.has_work:
            self._ancestor.turn()
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_EVERY_S
            self._look()
        self._pause_s = _PAUSE_MIN_S
        wait_s = self._look_at - time.monotonic()
        report_s = self._reporter.turn(self._error) if self._has_reports else None
        wait_s = wait_s if report_s is None else min(wait_s, report_s)
        return 0.0 if self._log.is_in_doubt else max(0.0, wait_s)

    def _bear_absence(self) -> float:
        now = time.monotonic()
        if self._absent_since is None:
            self._absent_since = now
        left_s = self._absent_since + _ABSENCE_BORNE_S - now
        if left_s > 0 and not self._zk.is_refused:
            return left_s
        if self._zk.is_refused:
            self._say_away(DeniedError(f"{self.describe()} refuses us", hint="check user and password"))
            self._wake.wait(_AGAIN_S)
            if not self._closed.is_set():
                self._zk.start_later()
        elif not self._is_absence_said:
            self._say_away(self._zk.absence())
            self._is_absence_said = True
        return _LOOK_EVERY_S

    def _begin(self) -> None:
        """Find out what there is to follow, and follow it."""
        if self._log.follow():
            self._is_ancestors = False
            self._vouched_at = time.monotonic()
            return
        self._is_ancestors = False
        if self._sink.position is not None:
            raise UnavailableError(
                f"{self._tree.root} has no head any more; what was read of it is kept",
                hint="was ZooKeeper's data lost? Its publisher makes the tree anew",
            )
        self._watch_head()
        there = self._zk.exists(self._tree.data)
        if self._zk.exists(self._tree.log) is not None:
            # An ancestor's tree has none: its publisher is filling it, and until the head is there, all may be halves.
            raise UnavailableError(
                f"{self._tree.root} is being published, and not yet complete", hint="does its publisher run?"
            )
        # Empty, it may be the first moment of a tree whose head is to come.
        if there is None or (there.children == 0 and not self._was_empty):
            self._was_empty = there is not None
            raise NotFoundError(f"nothing is published at {self._tree.root} yet", hint="is the path right?")
        self._zk.watch_created(self._tree.log, self._log.doubt, self._log_watched)
        self._is_ancestors = self._ancestor.follow()

    def _log_watched(self, exists: bool, error: RainerError | None) -> None:
        if exists or error is not None:
            self._log.doubt()

    def _watch_head(self) -> None:
        if not self._is_head_watched:
            self._is_head_watched = True
            self._zk.watch_data(self._tree.head, self._head_came)

    def _head_came(self) -> None:
        self._is_head_watched = False
        self._log.doubt()

    def _look(self) -> None:
        asked = time.monotonic()
        try:
            if self._is_ancestors:
                self._ancestor.look(self._patience_s)
                self._error = ""
            else:
                self._judge(self._log.look(self._patience_s))
            self._patience_s = _LOOK_PATIENCE_S
        except UnavailableError:
            if time.monotonic() - asked >= self._patience_s:
                # Half-open, perhaps: kazoo takes seconds to miss it, a new connection none. Or slow: bear more then.
                self._patience_s = min(self._patience_s * 2, _LOOK_PATIENCE_MAX_S)
                self._zk.drop()
            raise

    def _judge(self, at_ms: int | None) -> None:
        now = time.monotonic()
        if at_ms is not None:
            self._vouched_at, self._error = now, ""
        elif now - self._vouched_at > _UNVOUCHED_S and not self._log.is_in_doubt:
            text = f"the publisher of {self._tree.root} gives no sign of life"
            self._say_away(UnavailableError(text, hint="does `rainer serve` or `rainer publish` run?"))
