"""One connection to ZooKeeper, on kazoo."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from kazoo.exceptions import NoNodeError
from kazoo.protocol.states import EventType, KazooState, KeeperState

from rainer.errors import DeniedError, RainerError, TooLargeError, UnavailableError
from rainer.zk.acls import Acls
from rainer.zk.answers import CALL_TIMEOUT_S, Stat, Written, outcome, stat_of, wait
from rainer.zk.connection import abandon, drop, end, make_chroot, make_client
from rainer.zk.failures import translate, translated
from rainer.zk.many import ManyReader
from rainer.zk.operations import Check, Create, Delete, Operation, Set
from rainer.zk.options import ZooKeeperOptions
from rainer.zk.requests import RemoveDataWatches

REQUEST_BYTES_MAX: Final = 1_000_000
"""A request over jute.maxbuffer, 1,048,575 bytes, drops the connection; nothing near it is sent."""

_STATES: Final = {KazooState.CONNECTED: "connected", KazooState.SUSPENDED: "suspended", KazooState.LOST: "lost"}


class ZooKeeper:
    """Thread-safe. Every call raises UnavailableError when no server answers (a write: OutcomeUnknown), and otherwise

    NotFoundError, ConflictError (a version or existence that is not as expected), DeniedError or InvalidError.
    Callbacks run on kazoo's threads, must not block and must not call the waiting methods.
    """

    def __init__(self, options: ZooKeeperOptions) -> None:
        self.options = options
        self.acls = Acls(options)
        self._client = make_client(options)
        self._many = ManyReader(self._client)
        self._starting = threading.Lock()
        self._is_started = False
        self._refused = False
        self._client.add_listener(self._note_refusal)

    # Life

    def start(self, timeout_s: float = 10.0) -> None:
        """Connect; UnavailableError if that takes longer. The connection then goes on being tried for until `close`."""
        connected = self.start_later()
        if not connected.wait(timeout_s):
            if self._refused:
                raise DeniedError(
                    f"ZooKeeper at {self.options.hosts} refuses who we say we are", hint="check user and password"
                )
            raise self.absence(f" within {timeout_s:g} s")

    def absence(self, when: str = "") -> UnavailableError:
        """The error that says that no server answers, with the reason where one is known."""
        why = f": {self._client.handler.failure}" if self._client.handler.failure else ""
        return UnavailableError(f"no ZooKeeper answers at {self.options.hosts}{when}{why}", hint="is it running?")

    def start_later(self) -> threading.Event:
        """Begin to connect, for as long as it takes; the event tells when it is done."""
        with self._starting:
            # kazoo, asked to start while it connects, waits for the end of its own attempts, which does not come.
            if not self._is_started or self._refused:
                self._is_started, self._refused = True, False
                with translated():
                    self._client.start_async()
        event: threading.Event = self._client._live
        return event

    def close(self) -> None:
        """End the session; waiting calls fail. May be called twice."""
        with self._starting:
            end(self._client)
            self._is_started = False

    def drop(self) -> None:
        """Give this connection up and make another one, of the same session: for who waits too long for an answer."""
        drop(self._client)

    def abandon(self) -> None:
        """In a forked child: close what was inherited without a word to the server, for the parent speaks on it."""
        abandon(self._client)

    @property
    def is_connected(self) -> bool:
        return bool(self._client.connected)

    @property
    def is_refused(self) -> bool:
        """Whether the server does not believe who we say we are; nothing is tried any more until a new start."""
        return self._refused

    @property
    def session_id(self) -> int:
        """The number of the session, 0 when there is none: ephemeral nodes of another one are not ours."""
        found = self._client.client_id
        return int(found[0]) if found else 0

    def on_connection(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with "connected", "suspended" (perhaps soon back) or "lost" (watches, ephemeral nodes gone).

        Watches do not survive a suspension: look again at whatever was watched.
        """
        self._client.add_listener(lambda state: listener(_STATES[state]))

    def _note_refusal(self, _state: str) -> None:
        # kazoo gives up for good when it is refused: nobody should wait for a connection then.
        self._refused = self._refused or self._client.client_state == KeeperState.AUTH_FAILED

    # Reading

    def get(self, path: str) -> tuple[bytes, Stat] | None:
        """A node's data and stat, None where there is none."""
        found = wait(self._client.get_async(path), path)
        return None if found is None else (found[0] or b"", stat_of(found[1]))

    def get_later(self, path: str, answer: Callable[[bytes | None, RainerError | None], None]) -> None:
        """Ask for a node's data; `answer(data, None)`, `(None, None)` where there is none, or `(None, error)`."""

        def done(result: Any) -> None:
            error = result.exception
            if error is None:
                answer(result.value[0] or b"", None)
            else:
                answer(None, None if isinstance(error, NoNodeError) else translate(error, path))

        self._client.get_async(path).rawlink(done)

    def exists(self, path: str) -> Stat | None:
        """The stat of a node."""
        found = wait(self._client.exists_async(path), path)
        return None if found is None else stat_of(found)

    def watch_created(
        self, path: str, created: Callable[[], None], armed: Callable[[bool, RainerError | None], None]
    ) -> None:
        """Call `created` once when the node comes to be; `armed(exists already, error)` once the watch stands.

        One round trip, no waiting. A suspension forgets the watch without a word. Where the node exists already,
        nothing is watched, not even what this client watched of its data before.
        """

        def fired(event: Any) -> None:
            if event.type == EventType.CREATED:
                created()

        def done(result: Any) -> None:
            error = result.exception
            if error is None and result.value is not None:
                # What was set is a watch for its change: nobody waits for that, and thousands of them are a burden.
                self._unwatch(path)
            armed(error is None and result.value is not None, None if error is None else translate(error, path))

        self._client.exists_async(path, watch=fired).rawlink(done)

    def _unwatch(self, path: str) -> None:
        self._client._data_watchers.pop(self._client.chroot + path, None)
        request = RemoveDataWatches(self._client.chroot + path)
        self._client._call(request, self._client.handler.async_result())

    def watch_data(self, path: str, changed: Callable[[], None]) -> tuple[bytes, Stat] | None:
        """A node's data and stat, and one call of `changed` when it changes, goes or comes to be."""

        def fired(event: Any) -> None:
            if event.type != EventType.NONE:
                changed()

        found = wait(self._client.get_async(path, watch=fired), path)
        if found is None and wait(self._client.exists_async(path, watch=fired), path) is not None:
            changed()
        return None if found is None else (found[0] or b"", stat_of(found[1]))

    def children(self, path: str, changed: Callable[[], None] | None = None) -> list[str] | None:
        """The names of a node's children, None where there is no node; `changed` is called once when they change."""

        def fired(event: Any) -> None:
            if changed is not None and event.type != EventType.NONE:
                changed()

        watch = fired if changed is not None else None
        found = wait(self._client.get_children_async(path, watch=watch), path)
        return None if found is None else list(found)

    def get_many(self, paths: Sequence[str], timeout_s: float = CALL_TIMEOUT_S) -> list[tuple[bytes, Stat] | None]:
        """Many nodes' data and stats in their order, None for those that are not there; four requests in flight.

        On servers before 3.6, which know no multi-read, one request a node. `timeout_s` is for each request.
        """
        return self._many.read(paths, timeout_s)

    def get_data(self, paths: Sequence[str]) -> list[bytes | None]:
        """As `get_many`, without stats: quicker where nobody asks for them."""
        return self._many.data(paths)

    def get_large(self, paths: Sequence[str]) -> list[bytes | None]:
        """As `get_data`, for nodes of up to a megabyte each, such as batches of a log: few of them in one request."""
        return self._many.large_data(paths)

    def watch_many(self, paths: Sequence[str], changed: Callable[[str], None]) -> list[tuple[bytes, Stat] | None]:
        """As `get_many`, one request a node, and one call of `changed(path)` for each that changes or goes later.

        What is not there is not watched: its coming to be is for who watches the children above it.
        """
        return self._many.watch(paths, changed)

    def last_changes(self, paths: Sequence[str]) -> list[int | None]:
        """The transaction that last changed each node, None for those that are not there; cheaper than their data."""
        return self._many.last_changes(paths)

    # Writing

    def write(self, operations: Sequence[Operation]) -> list[Written]:
        """Do all operations or none of them.

        The error names the operation that was refused. TooLargeError over a request's size, before anything is sent.
        """
        return self.write_later(operations)()

    def write_later(self, operations: Sequence[Operation]) -> Callable[[], list[Written]]:
        """Send a multi; call what comes back to wait for its answer."""
        _check_size(operations)
        transaction = self._client.transaction()
        for operation in operations:
            self._add(transaction, operation)
        with translated(writing=True):
            result = transaction.commit_async()

        def wait() -> list[Written]:
            with translated(writing=True):
                found = result.get(timeout=CALL_TIMEOUT_S)
            return outcome(operations, found)

        return wait

    def _add(self, transaction: Any, operation: Operation) -> None:
        match operation:
            case Create(path, data, ephemeral):
                transaction.create(path, data, acl=self.acls.at(path), ephemeral=ephemeral)
            case Set(path, data, version):
                transaction.set_data(path, data, version=version)
            case Delete(path, version):
                transaction.delete(path, version=version)
            case Check(path, version):
                transaction.check(path, version=version)

    def create_sequence(self, prefix: str, data: bytes) -> str:
        """Make an ephemeral node of this name and the next number; its path."""
        result = self._client.create_async(prefix, data, acl=self.acls.at(prefix), ephemeral=True, sequence=True)
        with translated(prefix, writing=True):
            return str(result.get(timeout=CALL_TIMEOUT_S))

    def ensure(self, path: str) -> None:
        """Make a node and all above it, where they are missing."""
        if self.exists(path) is not None:
            return
        root = self.acls.root_of(path)
        if root is not None:  # what is above it is not only for its readers
            above = root.rpartition("/")[0]
            self._ensure(above, self.acls.default) if above else None
        self._ensure(path, self.acls.at(path))

    def _ensure(self, path: str, acl: list[Any]) -> None:
        with translated(path):
            try:
                self._client.ensure_path(path, acl=acl)
            except NoNodeError:
                make_chroot(self._client, self.acls.default)
                self._client.ensure_path(path, acl=acl)

    def set_acls(self, paths: Sequence[str]) -> None:
        """Give nodes the ACLs that they would be made with; those that are not there are passed over."""
        asked = [(path, self._client.set_acls_async(path, self.acls.at(path))) for path in paths]
        for path, result in asked:
            wait(result, path)

    def delete_tree(self, path: str) -> None:
        """Delete a node and all below it, if it is there."""
        with translated(path):
            self._client.delete(path, recursive=True)

    def sync(self, path: str) -> None:
        """Let this server catch up with the leader, so that what is read next is not older."""
        wait(self._client.sync_async(path), path)


def _check_size(operations: Sequence[Operation]) -> None:
    size = sum(len(o.path.encode()) + len(getattr(o, "data", b"")) + 60 for o in operations)
    if size > REQUEST_BYTES_MAX:
        raise TooLargeError(
            f"{len(operations)} operations of {size} bytes are over ZooKeeper's request of {REQUEST_BYTES_MAX}",
            limit=REQUEST_BYTES_MAX,
        )
