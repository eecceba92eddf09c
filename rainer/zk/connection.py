"""Making kazoo clients: how quickly they come back, as whom they speak, and what they log."""

from __future__ import annotations

import atexit
import contextlib
import logging
import socket
import threading
import time
from typing import Any, Final

from kazoo.client import KazooClient
from kazoo.exceptions import NodeExistsError
from kazoo.protocol.serialization import Create
from kazoo.protocol.states import KazooState
from kazoo.retry import KazooRetry
from kazoo.security import ACL, CREATOR_ALL_ACL, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, Id, Permissions

from rainer.errors import InvalidError
from rainer.zk.answers import CALL_TIMEOUT_S
from rainer.zk.handler import PollHandler, tls_context
from rainer.zk.options import ZooKeeperOptions

log = logging.getLogger("rainer.zk")

_FORGET_AFTER_S: Final = 2.0
_GOODBYE_S: Final = 1.0
_WELCOME_S: Final = 1.5
_PERMISSION: Final = {
    "r": Permissions.READ, "w": Permissions.WRITE, "c": Permissions.CREATE, "d": Permissions.DELETE,
    "a": Permissions.ADMIN,
}  # fmt: skip


def make_client(options: ZooKeeperOptions) -> Any:
    """A kazoo client that is back within a second of its server, not started yet."""
    retry = KazooRetry(max_tries=-1, delay=0.02, backoff=2, max_delay=0.5, max_jitter=0.1)
    client: Any = KazooClient(
        hosts=options.hosts,
        timeout=options.timeout_s,
        handler=PollHandler(tls_context(options)),
        connection_retry=retry,
        command_retry=KazooRetry(max_tries=0),
        auth_data=[("digest", f"{options.user}:{options.password}")] if options.user else None,
        sasl_options=dict(options.sasl) if options.sasl else None,
        use_ssl=options.uses_tls,
        logger=_kazoo_log,
    )
    _Forgetting(client)
    _Welcome(client)
    return client


class _Welcome:
    """Bounds how long a server may take to welcome a new connection.

    One that is just starting may take a connection and never answer it; kazoo waits for a session's time, in which no
    other attempt is made. A slow server is given twice as long with each attempt, up to that time.
    """

    def __init__(self, client: Any) -> None:
        self._patience_s = _WELCOME_S
        self._invoke = client._connection._invoke
        self._too_late = client.handler.timeout_exception
        client._connection._invoke = self._ask

    def _ask(self, timeout_s: float, request: Any, xid: int | None = None) -> Any:
        try:
            answer = self._invoke(min(timeout_s, self._patience_s), request, xid)
        except self._too_late:
            self._patience_s *= 2
            raise
        self._patience_s = _WELCOME_S
        return answer


class _Forgetting:
    """Lets a client talk to servers that lost their data.

    A server refuses whoever has seen a later transaction than its own last one: good for a moment, until a follower has
    caught up, and for ever where the data was wiped. After two seconds without a connection the client no longer says
    what it has seen; who reads must bear an older state anyway, as any new session may.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._alone_since: float | None = None
        client.add_listener(self._changed)
        client._connection.retry_sleeper.sleep_func = self._pause

    def _changed(self, state: str) -> None:
        self._alone_since = None if state == KazooState.CONNECTED else time.monotonic()

    def _pause(self, seconds: float) -> None:
        if self._alone_since is not None and time.monotonic() - self._alone_since > _FORGET_AFTER_S:
            self._client.last_zxid = 0
        time.sleep(seconds)


def end(client: Any) -> None:
    """Stop a client for good. A server that does not answer is given a second, not kazoo's ten."""
    impatience = threading.Timer(_GOODBYE_S, drop, [client])
    impatience.daemon = True
    impatience.start()
    try:
        client.stop()
        client.close()
    finally:
        impatience.cancel()
        impatience.join()


def drop(client: Any) -> None:
    """Cut the connection from our end: kazoo notices at once, and makes another one unless it is stopped."""
    connection = client._connection._socket
    if connection is not None:
        # Past TLS, which would begin a conversation with somebody who does not answer.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


def make_chroot(client: Any, acl: list[Any]) -> None:
    """Make the path that the hosts string ends in, which kazoo takes for granted."""
    names = client.chroot.split("/")[1:]
    for depth in range(1, len(names) + 1):
        result = client.handler.async_result()
        client._call(Create("/" + "/".join(names[:depth]), b"", acl, 0), result)
        with contextlib.suppress(NodeExistsError):
            result.get(timeout=CALL_TIMEOUT_S)


def abandon(client: Any) -> None:
    """Close the file descriptors that a forked child inherited; kazoo's threads and locks are the parent's."""
    atexit.unregister(client.handler.stop)
    connection = client._connection
    for inherited in (connection._socket, connection._read_sock, connection._write_sock):
        if inherited is not None:
            with contextlib.suppress(OSError):
                inherited.close()


def _only_to_debug(_record: logging.LogRecord) -> bool:
    return log.isEnabledFor(logging.DEBUG)


# What matters of kazoo's lines Rainer says itself: a cut connection is nothing that a person must read about twice.
_kazoo_log = logging.getLogger("rainer.zk.kazoo")
_kazoo_log.addFilter(_only_to_debug)


def acl_of(options: ZooKeeperOptions) -> list[Any]:
    """What the nodes that we create are allowed to whom, as kazoo has it."""
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
