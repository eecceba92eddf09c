"""The connections of one HTTP source: whole answers and streams, which another thread can end at any moment."""

from __future__ import annotations

import contextlib
import os
import socket
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from rainer.client.address import Address
from rainer.client.asking import unreachable
from rainer.client.transport import Answer, Request, Transport, UnansweredError, UnsentError, new_session, proof_of
from rainer.errors import UnavailableError

_PIECE_BYTES: Final = 1 << 16
_ANSWER_S: Final = 120.0
# The kernel notices a connection whose other end or whose way is gone, long before silence would tell.
_KEEPALIVE: Final = {
    "TCP_KEEPIDLE": 2,
    "TCP_KEEPALIVE": 2,
    "TCP_KEEPINTVL": 1,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 5000,
}


class Wire:
    """For one thread that asks and any that interrupts it. Every call raises UnavailableError where no answer came.

    A requests.Session of the caller's is used as it is, and cannot be interrupted: a call then ends with its time-out.
    """

    def __init__(
        self,
        address: Address,
        session: requests.Session | Callable[[], requests.Session] | None,
        connect_timeout_s: float,
    ) -> None:
        self._root, self._proof, self._connect_s = address.root, proof_of(address), connect_timeout_s
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._is_ours = not isinstance(session, requests.Session)
        self.is_ended = False
        if isinstance(session, requests.Session):
            self._session = session
        else:
            self._session = (session or new_session)()
            self._watch(self._session)
        self._transport = Transport(address, self._session)

    def get(self, path: str, headers: dict[str, str], read_s: float) -> Answer:
        """The whole answer to a GET, whatever its status; the server may be silent for `read_s` seconds at a time."""
        request = Request("GET", path, headers)
        try:
            return self._transport.attempt(
                request, connect_s=self._connect_s, read_s=read_s, deadline=time.monotonic() + _ANSWER_S
            )
        except (UnsentError, UnansweredError) as e:
            raise unreachable(self._root, e) from e

    @contextlib.contextmanager
    def stream(self, path: str, headers: dict[str, str], silence_s: float) -> Iterator[Stream]:
        """An answer that is read as it comes; a silence of `silence_s` seconds ends it with Silence."""
        url = self._root + path
        try:
            response = self._session.get(
                url, headers=headers, auth=self._proof, timeout=(self._connect_s, silence_s), stream=True,
                allow_redirects=False,
            )  # fmt: skip
        except requests.exceptions.ReadTimeout as e:
            raise Silence(f"{self._root} did not begin to answer within {silence_s:g} s") from e
        except requests.exceptions.RequestException as e:
            raise UnavailableError(f"{self._root} cannot be reached: {_reason(e)}") from e
        try:
            yield Stream(response, self._root, silence_s)
        finally:
            response.close()

    def interrupt(self) -> None:
        """End what is being asked, and whatever would be: from any thread."""
        self.is_ended = True
        for sock in list(self._sockets):
            _shut(sock)

    def close(self) -> None:
        """Close the connections."""
        if self._is_ours:
            self._session.close()

    def abandon(self) -> None:
        """In a forked child: let go of the connections without a word, for the parent speaks on them."""
        self.is_ended = True
        for sock in list(self._sockets):
            with contextlib.suppress(OSError, ValueError):
                os.close(sock.detach())

    def _watch(self, session: requests.Session) -> None:
        pools = _pools(self._note)
        for adapter in session.adapters.values():
            if isinstance(adapter, HTTPAdapter):
                adapter.poolmanager.pool_classes_by_scheme = pools

    def _note(self, sock: socket.socket) -> None:
        self._sockets.add(sock)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEPALIVE.items():
                if hasattr(socket, name):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        if self.is_ended:
            _shut(sock)


class Silence(UnavailableError):
    """The server, or something before it, said nothing for too long."""


class Stream:
    """An answer on its way: its status and headers, and its body as it comes."""

    def __init__(self, response: requests.Response, url: str, silence_s: float) -> None:
        self._response, self._url, self._silence_s = response, url, silence_s

    @property
    def status(self) -> int:
        return self._response.status_code

    @property
    def content_type(self) -> str:
        return self._response.headers.get("content-type", "").partition(";")[0].strip().lower()

    def whole(self) -> Answer:
        """The answer, read to its end; for refusals."""
        body = b"".join(self.pieces())
        return Answer(self.status, self._response.headers, body, self._url)

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes; ends with the answer. Raises Silence or UnavailableError."""
        raw: Any = self._response.raw
        try:
            while piece := raw.read1(_PIECE_BYTES, decode_content=True):
                yield piece
        except (urllib3.exceptions.ReadTimeoutError, TimeoutError) as e:
            raise Silence(f"{self._url} was silent for {self._silence_s:g} s") from e
        except (urllib3.exceptions.IncompleteRead, urllib3.exceptions.ProtocolError) as e:
            raise UnavailableError(f"{self._url} closed the connection in the middle of its answer") from e
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as e:
            raise UnavailableError(f"the answer of {self._url} broke off: {_reason(e)}") from e


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # The plain socket's: a TLS socket's own would take its state away from under the thread that reads.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _pools(note: Callable[[socket.socket], None]) -> dict[str, Any]:
    """Pools whose connections are noted as they come about."""

    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            note(self.sock)

    class Tls(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            note(self.sock)

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}


def _reason(e: BaseException) -> str:
    cause: BaseException | None = e
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return " ".join(str(e).split()) or type(e).__name__
