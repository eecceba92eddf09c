"""One HTTP/1.1 connection: requests out, answers in, bodies straight into the caller's buffer.

Written out here because reading an answer through the usual libraries costs more time than a small object takes to
travel; what is read is HTTP/1.1 as servers of objects speak it, and anything else is an error, never a guess.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from rainer.errors import InvalidUri

_BUFFER_BYTES: Final = 64 * 1024
"""Also the longest head of an answer. A small object comes with its head in one piece."""
_UNFIT: Final = re.compile(r"[^\x21-\x7e]")

Body: TypeAlias = bytes | Callable[[], Iterable[bytes]] | None
"""What is sent: nothing, bytes, or a function that begins the pieces anew for each try (with Content-Length given)."""


class WireError(Exception):
    """The connection failed, or what came over it is not HTTP/1.1.

    `stalled` if nothing came for too long, `unreached` if no connection came about.
    """

    def __init__(self, message: str, *, stalled: bool = False, unreached: bool = False) -> None:
        super().__init__(message)
        self.stalled = stalled
        self.unreached = unreached


class Head(NamedTuple):
    """The first part of an answer; header names in lower case, repeated ones joined by a comma."""

    status: int
    headers: dict[str, str]
    is_last: bool


class Connection:
    """A socket and what was read from it ahead; for one thread at a time."""

    def __init__(self, sock: socket.socket, timeout_s: float) -> None:
        self.sock = sock
        self.answers = 0
        self.heard = False
        self._timeout_s = timeout_s
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._begin = self._end = 0

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.close()

    def send(self, head: bytes, body: Body) -> None:
        """Send a request. A server may answer and close before it has read all: then what it said is there to read."""
        self.heard = False
        try:
            if isinstance(body, bytes):
                self.sock.sendall(head + body if len(body) < _BUFFER_BYTES else head)
                if len(body) >= _BUFFER_BYTES:
                    self.sock.sendall(body)
                return
            self.sock.sendall(head)
            for piece in body() if body is not None else ():
                self.sock.sendall(piece)
        except (TimeoutError, BlockingIOError) as e:
            raise WireError(f"nothing more was taken for {self._timeout_s:g} s", stalled=True) from e
        except (BrokenPipeError, ConnectionResetError):
            if body is None:
                raise

    def read_head(self) -> Head:
        """The next answer's head, without interim ones; all of it within the time that one wait may take.

        An interim one is a sign that the server works on it, and begins that time anew.
        """
        while True:
            head = _parse(self._take_head(time.monotonic() + self._timeout_s))
            if head.status >= 200:
                self.answers += 1
                return head

    def recv_into(self, target: memoryview) -> int:
        """Fill the beginning of a (non-empty) buffer with whatever comes next; 0 when the other end closed."""
        held = self._end - self._begin
        if held:
            count = min(held, len(target))
            target[:count] = self._view[self._begin : self._begin + count]
            self._begin += count
            return count
        return self._receive(target)

    def read_line(self) -> bytes:
        """A line (of chunked encoding) without its end."""
        return self._take(b"\r\n", time.monotonic() + self._timeout_s)

    def _take_head(self, deadline: float) -> bytes:
        return self._take(b"\r\n\r\n", deadline)

    def _take(self, mark: bytes, deadline: float) -> bytes:
        searched = self._begin
        while (at := self._buffer.find(mark, searched, self._end)) < 0:
            searched = max(self._begin, self._end - len(mark) + 1)
            if self._end == _BUFFER_BYTES:
                searched -= self._begin
                self._make_room()
            count = self._receive(self._view[self._end :])
            if not count:
                raise WireError("the connection was closed before a whole answer came")
            self._end += count
            if time.monotonic() > deadline:
                raise WireError(f"no whole answer within {self._timeout_s:g} s", stalled=True)
        taken = bytes(self._view[self._begin : at])
        self._begin = at + len(mark)
        if self._begin == self._end:
            self._begin = self._end = 0
        return taken

    def _make_room(self) -> None:
        held = self._end - self._begin
        if held == _BUFFER_BYTES:
            raise WireError(f"an answer's head of more than {_BUFFER_BYTES} bytes")
        self._buffer[:held] = self._buffer[self._begin : self._end]
        self._begin, self._end = 0, held

    def _receive(self, target: memoryview) -> int:
        try:
            count = self.sock.recv_into(target)
        except (TimeoutError, BlockingIOError) as e:  # the latter where the system does the timing
            raise WireError(f"no byte came for {self._timeout_s:g} s", stalled=True) from e
        except OSError as e:
            raise WireError(f"the connection broke: {e.strerror or e}") from e
        self.heard = self.heard or bool(count)
        return count


def request_head(method: str, target: str, host: str, headers: Mapping[str, str]) -> bytes:
    """The bytes of a request up to its body. Raises InvalidUri for a target or header that would say something else."""
    if _UNFIT.search(target):
        raise InvalidUri(f"{target!r} is no URL", hint="percent-encode spaces and whatever is not ASCII")
    lines = [f"{method} {target} HTTP/1.1\r\nHost: {host}"]
    for name, value in headers.items():
        if "\r" in value or "\n" in value:
            raise InvalidUri(f"the header {name} may not hold a line's end")
        lines.append(f"{name}: {value}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _parse(raw: bytes) -> Head:
    first, *lines = raw.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
        raise WireError(f"an answer that is not HTTP/1.1: {first[:80]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise WireError(f"a header without a colon: {line[:80]!r}")
        name = name.lower()
        headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
    connection = headers.get("connection", "").lower()
    is_last = "close" in connection or (version == "HTTP/1.0" and "keep-alive" not in connection)
    return Head(int(rest[:3]), headers, is_last)
