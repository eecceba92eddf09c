"""The mirror: a live, read-only copy of a namespace's heads in this program."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, ValuesView
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, overload

from rainer.errors import InvalidError, RainerError
from rainer.mirror import forks
from rainer.mirror.backlog import Step
from rainer.mirror.callbacks import Callback
from rainer.mirror.changes import Changes
from rainer.mirror.feed import Feed
from rainer.mirror.held import HeldHeads
from rainer.mirror.listeners import Listeners
from rainer.mirror.parsed import ParsedValues
from rainer.mirror.saver import Saver
from rainer.mirror.snapshot import SnapshotFile
from rainer.mirror.source import Source
from rainer.mirror.standing import Standing
from rainer.mirror.waiting import Waiting
from rainer.model import names
from rainer.model.commit import Commit
from rainer.model.position import Position

if TYPE_CHECKING:
    from rainer.client.address import Address

log = logging.getLogger("rainer.mirror")
T = TypeVar("T")

START_TIMEOUT_S: Final = 30.0


class Mirror(HeldHeads):
    """All non-empty heads of a namespace by key: a read-only mapping of `Commit`s that follows its source by itself.

    Use it with `with`, or `start` and `close`. Safe across threads. A changeset is seen whole or not at all, and within
    a lineage nothing goes back. Iteration, `snapshot` and `dict(mirror)` are each of one moment. After a fork the child
    reads what the parent held, stale, and the first time that it reads, it opens a source of its own.
    """

    def __init__(
        self, open_source: Callable[[], Source], namespace: str, *, snapshot: str | os.PathLike[str] | None = None
    ) -> None:
        super().__init__(names.check_namespace(namespace))
        self._open_source = open_source
        self._standing = Standing()
        self._listeners = Listeners(self)
        self._feed = Feed(self, self._standing, lambda: self._listeners.wants_steps, self._tell)
        self._waiting = Waiting(self._feed, self._standing)
        self._file = None if snapshot is None else SnapshotFile(snapshot, namespace)
        self._saver: Saver | None = None
        self._source: Source | None = None
        self._closing = threading.Lock()
        self._address: Address | None = None
        self.origin: str | None = None
        """ZooKeeper's hosts and the path of the tree that it follows; None over HTTP."""
        forks.watch(self)

    @classmethod
    def http(
        cls, url: str, *, token: str | None = None, snapshot: str | os.PathLike[str] | None = None, **options: Any
    ) -> Mirror:
        """A mirror of the namespace at the end of `url`, such as `http://localhost:8080/diary`.

        `token` says who asks. Options: `session`, as the Client's; `connect_timeout_s`; `poll_s`, how often a server
        that has no feed (an ancestor's) is asked; `reports`, whether the server lists it. Raises InvalidError for a URL
        that cannot be one; connects only when started.
        """
        from rainer.client.address import Address
        from rainer.mirror.http_source import HttpOptions, HttpSource

        address, chosen = Address.parse(url).with_token(token), HttpOptions(**options)
        mirror = cls(lambda: HttpSource(address, chosen), address.namespace, snapshot=snapshot)
        mirror._address = address
        return mirror

    @classmethod
    def zookeeper(
        cls, hosts: str, path: str, *, snapshot: str | os.PathLike[str] | None = None, **options: Any
    ) -> Mirror:
        """A mirror of the tree at `path`, such as `/rainer/diary`, which ends in the namespace.

        `hosts` as `zk1:2181,zk2:2181/chroot`; options are those of ZooKeeperOptions. Raises MissingExtra without kazoo.
        """
        from rainer.mirror.zookeeper_source import open_source

        namespace = path.rstrip("/").rpartition("/")[2]
        mirror = cls(lambda: open_source(hosts, path, **options), namespace, snapshot=snapshot)
        mirror.origin = f"{hosts} {path}"
        return mirror

    # Life

    def start(self, timeout_s: float | None = START_TIMEOUT_S) -> None:
        """Load and follow; return when what is held is complete, or, with nothing better to be had, as saved on disk.

        A snapshot on disk is enough when the source cannot be reached, or says nothing for 2 s; `state` is then "stale"
        until it does. Raises UnavailableError, and closes, if there is nothing to read within `timeout_s` seconds.
        """
        with self._feed.changed:
            if self._standing.is_started or self._standing.is_closed:
                raise InvalidError("a mirror is started once; make another one")
            self._standing.is_started = True
        try:
            self._restore()
            self._waiting.for_load(self._begin(), timeout_s)
        except BaseException:
            self.close()
            raise

    def _restore(self) -> None:
        found = None if self._file is None else self._file.load()
        if found is not None:
            self._feed.restore(found.records, found.position, found.current_ms)

    def _begin(self) -> str:
        if self._file is not None:
            self._saver = Saver(self._file, self, self._feed, self._standing)
            self._saver.start()
        self._source = source = self._open_source()
        source.start(self._feed)
        return source.describe()

    def close(self) -> None:
        """Stop following, save the snapshot, end all threads. What is held can still be read. May be called again.

        Waiting calls are woken, and the callback that runs now is waited for, unless it is the one that calls.
        """
        with self._closing:
            source, self._source = self._source, None
            saver, self._saver = self._saver, None
            if source is not None:
                self._wind_up(source)
            if saver is not None:
                saver.close()
            with self._feed.changed:
                self._standing.is_closed = True
                self._asleep = False
                self._feed.changed.notify_all()
        self._listeners.close()

    def _wind_up(self, source: Source) -> None:
        try:
            source.close()
        except RainerError as e:
            log.warning("the source of %s did not close well: %s", self._namespace, e)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Mirror of {self._namespace}: {len(self)} heads, revision {self.revision}, {self.state}>"

    # How it stands

    @property
    def namespace(self) -> str:
        """The namespace that it mirrors."""
        return self._namespace

    @property
    def address(self) -> Address | None:
        """The server and namespace that it follows over HTTP; None for any other source."""
        return self._address

    @property
    def position(self) -> Position | None:
        """The journal's position that is held; None before the first load, and where the source tells none."""
        return self._feed.position

    @property
    def revision(self) -> int | None:
        """The revision of `position`: all of the namespace's commits up to it are seen."""
        position = self._feed.position
        return None if position is None else position.revision

    @property
    def age_s(self) -> float:
        """Seconds since what is held was last known to be all there is; infinite where it never was.

        An idle source says so every few seconds; a dead one lets this grow. Counts from a snapshot's own age, too.
        """
        return self._standing.age_s

    @property
    def state(self) -> str:
        """ "new", "starting" (nothing to read yet), "current", "stale" (what is held may be old), "closed"."""
        return self._standing.state

    @property
    def error(self) -> RainerError | None:
        """Why the source cannot be followed at present; None while it can."""
        return self._standing.error

    @property
    def rejected(self) -> dict[str, str]:
        """Keys whose newest bytes could not be taken, and why; the last good value of each is kept."""
        return dict(self._feed.rejected)

    # Waiting

    def wait_for(self, key: str, version: int, timeout_s: float | None = None) -> Commit | None:
        """Wait until this version of a key or a later one is seen; return the head then, None if that is a removal.

        Without `timeout_s`, seconds, as long as it takes. Raises NotYet, an UnavailableError and a TimeoutError, when
        the time is up or the mirror is closed. May be called in a callback.
        """
        names.check_version(version)
        self._wake()
        self._waiting.until(lambda: self._held_version(key) >= version, timeout_s, f"version {version} of key {key!r}")
        return self.get(key)

    def wait_for_revision(self, revision: int, timeout_s: float | None = None) -> None:
        """Wait until everything up to a revision of the journal is seen; as `wait_for`."""
        self._wake()
        self._waiting.until(lambda: (self.revision or 0) >= revision, timeout_s, f"revision {revision}")

    # Listening

    def on_change(self, callback: Callback) -> Callable[[], None]:
        """Call `callback(key, old or None, new or None)` for every change from now on; returns what ends that.

        Called on the mirror's own thread, in order, after the change can be read. It may call the mirror, also wait and
        close; what it raises is logged, and the others go on. One that lags 10,000 changes behind gets them merged, one
        a key. What a start loads are changes, too, for callbacks that were there before.
        """
        self._wake()
        return self._listeners.add_callback(callback)

    def changes(self) -> Changes:
        """The changes from this call on: `async for key, old, new in mirror.changes()`; ends when the mirror closes.

        For one task; `aclose` it, or use it with `async with`, to leave earlier. Late ones get what late callbacks do.
        """
        self._wake()
        return self._listeners.add_reader()

    @overload
    def values(self) -> ValuesView[Commit]: ...
    @overload
    def values(self, parse: Callable[[bytes], T]) -> ParsedValues[T]: ...
    def values(self, parse: Callable[[bytes], Any] | None = None) -> Any:
        """With `parse`, such as json.loads: a live mapping of parsed payloads that keeps the last good value of each.

        Without: the commits, as of this moment, as every mapping has them.
        """
        if parse is None:
            return self.snapshot().values()
        self._wake()
        return self._listeners.add_parsed(parse)

    # Forks

    def before_fork(self) -> None:
        """No child is to inherit half a change."""
        self._lock.acquire()

    def after_fork_here(self) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Sleep until somebody reads: most children never do, and each that does needs a connection of its own."""
        self._lock, self._closing = threading.RLock(), threading.Lock()
        self._feed.after_fork()
        self._listeners.after_fork()
        source, self._source, self._saver = self._source, None, None  # the snapshot on disk stays the parent's
        if source is not None:
            source.abandon()
        if self._standing.is_started and not self._standing.is_closed:
            self._standing.is_complete = False
            self._sleep()

    def _awaken(self) -> None:
        with self._lock:
            if not self._asleep:
                return
            self._asleep = False
            self._reopen()
            self._listeners.wake()
            self._source = source = self._open_source()
            source.start(self._feed)

    def _tell(self, steps: list[Step]) -> None:
        self._listeners.tell(steps)
        if self._saver is not None:
            self._saver.note()
