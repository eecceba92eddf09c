"""One connection to ZooKeeper, on kazoo."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError, RolledBackError, RuntimeInconsistency
from kazoo.protocol.states import EventType, KazooState
from kazoo.retry import KazooRetry
from kazoo.security import ACL, CREATOR_ALL_ACL, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, Id, Permissions

from rainer.errors import InvalidError, RainerError, TooLargeError, UnavailableError
from rainer.zk.failures import LOST, translate, translated
from rainer.zk.operations import Check, Create, Delete, Operation, Set
from rainer.zk.options import ZooKeeperOptions
from rainer.zk.requests import MultiRead, PollHandler

log = logging.getLogger("rainer.zk")

REQUEST_BYTES_MAX: Final = 1_000_000
"""A request over jute.maxbuffer, 1,048,575 bytes, drops the connection; nothing near it is sent."""
_READ_BYTES_AIM: Final = 1_500_000
_READ_KEYS_MAX: Final = 1_000
_CALL_TIMEOUT_S: Final = 30.0
_PERMISSION: Final = {
    "r": Permissions.READ, "w": Permissions.WRITE, "c": Permissions.CREATE, "d": Permissions.DELETE,
    "a": Permissions.ADMIN,
}  # fmt: skip


class Stat(NamedTuple):
    """What ZooKeeper says of a node: its data's version, and the transaction that last changed it."""

    version: int
    mzxid: int


class Written(NamedTuple):
    """What came of one operation of a multi; `stat` only where a node was set."""

    path: str
    stat: Stat | None


class ZooKeeper:
    """Thread-safe. Every call raises UnavailableError when no server answers (a write: OutcomeUnknown), and otherwise

    NotFoundError, ConflictError (a version or existence that is not as expected), DeniedError or InvalidError.
    Callbacks run on kazoo's threads, must not block and must not call the waiting methods.
    """

    def __init__(self, options: ZooKeeperOptions) -> None:
        self.options = options
        retry = KazooRetry(max_tries=-1, delay=0.02, backoff=2, max_delay=0.5, max_jitter=0.1)
        self._client: Any = KazooClient(
            hosts=options.hosts,
            timeout=options.timeout_s,
            handler=PollHandler(),
            connection_retry=retry,
            command_retry=KazooRetry(max_tries=0),
            auth_data=[("digest", f"{options.user}:{options.password}")] if options.user else None,
            sasl_options=dict(options.sasl) if options.sasl else None,
            use_ssl=options.uses_tls,
            ca=options.ca,
            certfile=options.certificate,
            keyfile=options.key,
            check_hostname=options.uses_tls,
            logger=_kazoo_log,
        )
        retry.sleep_func = self._client.handler.sleep_func
        self.acl = _acl_of(options)
        self._has_multi_read = True

    # Life

    def start(self, timeout_s: float = 10.0) -> None:
        """Connect; UnavailableError if that takes longer. The connection then goes on being tried for until `close`."""
        connected = self.start_later()
        if not connected.wait(timeout_s):
            raise UnavailableError(
                f"no ZooKeeper answers at {self.options.hosts} within {timeout_s:g} s", hint="is it running?"
            )

    def start_later(self) -> threading.Event:
        """Begin to connect, for as long as it takes; the event tells when it is done."""
        with translated():
            event: threading.Event = self._client.start_async()
        return event

    def close(self) -> None:
        """End the session; waiting calls fail. May be called twice."""
        self._client.stop()
        self._client.close()

    @property
    def is_connected(self) -> bool:
        return bool(self._client.connected)

    @property
    def session_id(self) -> int:
        """The number of the session, 0 when there is none: ephemeral nodes of another one are not ours."""
        found = self._client.client_id
        return int(found[0]) if found else 0

    def on_connection(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with "connected", "suspended" (perhaps soon back) or "lost" (watches, ephemeral nodes gone).

        Watches do not survive a suspension: look again at whatever was watched.
        """
        names = {KazooState.CONNECTED: "connected", KazooState.SUSPENDED: "suspended", KazooState.LOST: "lost"}
        self._client.add_listener(lambda state: listener(names[state]))

    # Reading

    def get(self, path: str) -> tuple[bytes, Stat] | None:
        """A node's data and stat, None where there is none."""
        found = self._wait(self._client.get_async(path), path)
        return None if found is None else (found[0] or b"", _stat(found[1]))

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
        found = self._wait(self._client.exists_async(path), path)
        return None if found is None else _stat(found)

    def watch_created(
        self, path: str, created: Callable[[], None], armed: Callable[[bool, RainerError | None], None]
    ) -> None:
        """Call `created` once when the node comes to be; `armed(exists already, error)` once the watch stands.

        One round trip, no waiting. A suspension forgets the watch without a word.
        """

        def fired(event: Any) -> None:
            if event.type == EventType.CREATED:
                created()

        def done(result: Any) -> None:
            error = result.exception
            armed(error is None and result.value is not None, None if error is None else translate(error, path))

        self._client.exists_async(path, watch=fired).rawlink(done)

    def watch_data(self, path: str, changed: Callable[[], None]) -> tuple[bytes, Stat] | None:
        """A node's data and stat, and one call of `changed` when it changes, goes or comes to be."""

        def fired(event: Any) -> None:
            if event.type != EventType.NONE:
                changed()

        found = self._wait(self._client.get_async(path, watch=fired), path)
        if found is None and self._wait(self._client.exists_async(path, watch=fired), path) is not None:
            changed()
        return None if found is None else (found[0] or b"", _stat(found[1]))

    def children(self, path: str, changed: Callable[[], None] | None = None) -> list[str] | None:
        """The names of a node's children, None where there is no node; `changed` is called once when they change."""

        def fired(event: Any) -> None:
            if changed is not None and event.type != EventType.NONE:
                changed()

        watch = fired if changed is not None else None
        found = self._wait(self._client.get_children_async(path, watch=watch), path)
        return None if found is None else list(found)

    def get_many(self, paths: Sequence[str]) -> list[tuple[bytes, Stat] | None]:
        """Many nodes' data and stats in their order, None for those that are not there; four requests in flight.

        On servers before 3.6, which know no multi-read, one request a node.
        """
        found: list[tuple[bytes, Stat] | None] = []
        waiting: list[tuple[Sequence[str], Any]] = []
        at, portion = 0, 100
        while at < len(paths) or waiting:
            while at < len(paths) and len(waiting) < 4:
                some = paths[at : at + portion]
                at += portion
                waiting.append((some, self._read_later(some)))
            some, result = waiting.pop(0)
            values = self._read_portion(some, result)
            found += values
            size = sum(len(v[0]) for v in values if v is not None)
            portion = max(1, min(_READ_KEYS_MAX, _READ_BYTES_AIM * len(some) // max(size, 1)))
        return found

    def _read_later(self, paths: Sequence[str]) -> Any:
        if not self._has_multi_read:
            return [self._client.get_async(path) for path in paths]
        result = self._client.handler.async_result()
        with translated():
            self._client._call(MultiRead([self._client.chroot + path for path in paths]), result)
        return result

    def _read_portion(self, paths: Sequence[str], result: Any) -> list[tuple[bytes, Stat] | None]:
        if isinstance(result, list):
            values = [self._wait(one, path) for one, path in zip(result, paths, strict=True)]
            return [None if v is None else (v[0] or b"", _stat(v[1])) for v in values]
        values = self._wait(result, paths[0])
        return [_read_value(value, path) for value, path in zip(values, paths, strict=True)]

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
                found = result.get(timeout=_CALL_TIMEOUT_S)
            return _outcome(operations, found)

        return wait

    def _add(self, transaction: Any, operation: Operation) -> None:
        match operation:
            case Create(path, data, ephemeral):
                transaction.create(path, data, acl=self.acl, ephemeral=ephemeral)
            case Set(path, data, version):
                transaction.set_data(path, data, version=version)
            case Delete(path, version):
                transaction.delete(path, version=version)
            case Check(path, version):
                transaction.check(path, version=version)

    def create_sequence(self, prefix: str, data: bytes) -> str:
        """Make an ephemeral node of this name and the next number; its path."""
        result = self._client.create_async(prefix, data, acl=self.acl, ephemeral=True, sequence=True)
        with translated(prefix, writing=True):
            return str(result.get(timeout=_CALL_TIMEOUT_S))

    def ensure(self, path: str) -> None:
        """Make a node and all above it, where they are missing."""
        if self.exists(path) is not None:
            return
        with translated(path):
            self._client.ensure_path(path, acl=self.acl)

    def delete_tree(self, path: str) -> None:
        """Delete a node and all below it, if it is there."""
        with translated(path):
            self._client.delete(path, recursive=True)

    def sync(self, path: str) -> None:
        """Let this server catch up with the leader, so that what is read next is not older."""
        self._wait(self._client.sync_async(path), path)

    def _wait(self, result: Any, path: str) -> Any:
        try:
            return result.get(timeout=_CALL_TIMEOUT_S)
        except NoNodeError:
            return None
        except Exception as e:
            raise translate(e, path) from e


def _only_to_debug(_record: logging.LogRecord) -> bool:
    return log.isEnabledFor(logging.DEBUG)


# What matters of kazoo's lines Rainer says itself: a cut connection is nothing that a person must read about twice.
_kazoo_log = logging.getLogger("rainer.zk.kazoo")
_kazoo_log.addFilter(_only_to_debug)


def _stat(stat: Any) -> Stat:
    return Stat(stat.version, stat.mzxid)


def _read_value(value: Any, path: str) -> tuple[bytes, Stat] | None:
    if isinstance(value, NoNodeError):
        return None
    if isinstance(value, Exception):
        raise translate(value, path)
    return value[0], _stat(value[1])


def _check_size(operations: Sequence[Operation]) -> None:
    size = sum(len(o.path.encode()) + len(getattr(o, "data", b"")) + 60 for o in operations)
    if size > REQUEST_BYTES_MAX:
        raise TooLargeError(
            f"{len(operations)} operations of {size} bytes are over ZooKeeper's request of {REQUEST_BYTES_MAX}",
            limit=REQUEST_BYTES_MAX,
        )


def _outcome(operations: Sequence[Operation], found: Sequence[Any]) -> list[Written]:
    """kazoo returns the errors of a multi among its results: one is the reason, the others only say that it was."""
    for operation, result in zip(operations, found, strict=False):
        if isinstance(result, Exception) and not isinstance(result, RolledBackError | RuntimeInconsistency):
            raise translate(result, operation.path, writing=isinstance(result, LOST))
    if len(found) != len(operations) or any(isinstance(result, Exception) for result in found):
        raise translate(RuntimeInconsistency(), operations[0].path)
    return [
        Written(operation.path, _stat(result) if isinstance(operation, Set) else None)
        for operation, result in zip(operations, found, strict=True)
    ]


def _acl_of(options: ZooKeeperOptions) -> list[Any]:
    if options.acl:
        return [_one_acl(text) for text in options.acl]
    if options.user or options.sasl:
        return [*CREATOR_ALL_ACL, *READ_ACL_UNSAFE]
    return list(OPEN_ACL_UNSAFE)


def _one_acl(text: str) -> Any:
    scheme, _, rest = text.partition(":")
    name, _, permissions = rest.rpartition(":")
    number = 0
    for letter in permissions:
        if letter not in _PERMISSION:
            raise InvalidError(f"ACL {text!r}: {letter!r} is not one of {''.join(_PERMISSION)}")
        number |= _PERMISSION[letter]
    return ACL(number, Id(scheme, name))
