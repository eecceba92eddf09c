"""kazoo's threads and sockets, quicker and with less left behind."""

from __future__ import annotations

import select
import socket
import ssl
from typing import Any, Final

from kazoo.handlers.threading import SequentialThreadingHandler

from rainer.errors import InvalidError
from rainer.zk.options import ZooKeeperOptions

_CONNECT_S: Final = 3.0


class PollHandler(SequentialThreadingHandler):  # type: ignore[misc]
    """kazoo's threads, with connections of our own making and poll(2) instead of an epoll object for each call.

    `failure` is why the last connection came to nothing, which kazoo keeps to itself.
    """

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__()
        self.failure = ""
        self._context = context

    def create_connection(
        self, address: tuple[str, int], hostname: str | None = None, timeout: float | None = None, **_of_kazoo: Any
    ) -> socket.socket:
        # kazoo allows a whole session's time, in which the other servers are not tried.
        try:
            made = socket.create_connection(address, min(timeout or _CONNECT_S, _CONNECT_S))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                made = self._secured(made, hostname)
        except OSError as e:
            self.failure = str(e)
            raise
        self.failure = ""
        return made

    def _secured(self, made: socket.socket, hostname: str | None) -> socket.socket:
        assert self._context is not None
        try:
            return self._context.wrap_socket(made, server_hostname=hostname)
        except BaseException:
            made.close()
            raise

    def select(self, readers: Any, writers: Any, _errors: Any, timeout: float | None = None) -> Any:
        poll = select.poll()
        files: dict[int, Any] = {}
        wanted: dict[int, int] = {}
        for some, event in ((readers, select.POLLIN), (writers, select.POLLOUT)):
            for file in some:
                number = file if isinstance(file, int) else file.fileno()
                if number < 0:
                    raise ValueError("a closed file cannot be waited for")
                files[number] = file
                wanted[number] = wanted.get(number, 0) | event
        for number, events in wanted.items():
            poll.register(number, events)
        found = poll.poll(None if timeout is None else max(0.0, timeout * 1000))
        readable = [files[n] for n, events in found if events & ~select.POLLOUT and wanted[n] & select.POLLIN]
        writable = [files[n] for n, events in found if events & ~select.POLLIN and wanted[n] & select.POLLOUT]
        return readable, writable, []


def tls_context(options: ZooKeeperOptions) -> ssl.SSLContext | None:
    """What the options' files say of TLS; servers must be who they say they are. InvalidError for files that are none.

    With `ca`, only servers that it vouches for are talked to, whoever else the machine trusts.
    """
    if not options.uses_tls:
        return None
    try:
        context = ssl.create_default_context(cafile=options.ca)
        if options.certificate is not None:
            context.load_cert_chain(options.certificate, options.key)
    except OSError as e:
        files = [name for name in (options.ca, options.certificate, options.key) if name]
        raise InvalidError(f"TLS with {', '.join(files)} is not possible: {e}", hint="PEM files are expected") from None
    return context
