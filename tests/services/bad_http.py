"""A web server of objects that behaves badly on request: cuts, stalls, redirects, throttles, changes and corrupts."""

from __future__ import annotations

import hashlib
import http.server
import re
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_PIECE_BYTES = 65_536


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer; all of it that is given, in this order.

    `status` (with `body` and `headers`) stands for the object. `flip_at` alters that byte of what is sent. After
    `cut_after` bytes of the body the connection is reset, or closed well if `gently`; after `stall_after` nothing more
    comes until the server is closed. `then` is called before either, or at the end.
    """

    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    flip_at: int | None = None
    cut_after: int | None = None
    stall_after: int | None = None
    gently: bool = False
    then: Callable[[], None] | None = None


SLOW_DOWN = Fault(503, b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>")


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]


class BadHttp:
    """Serves `objects` (percent-decoded path to bytes) with ETags, ranges and conditions, well or by the next of
    `faults`; `None` among them is an answer without fault. A context manager.

    Without `etags` or `ranges` it knows none, as simple servers do.
    """

    def __init__(self, *, etags: bool = True, ranges: bool = True, tls: ssl.SSLContext | None = None) -> None:
        self.objects: dict[str, bytes] = {}
        self.faults: deque[Fault | None] = deque()
        self.asked: list[Asked] = []
        self.etags, self.ranges = etags, ranges
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self._server = _Server(self, tls)
        self._scheme = "http" if tls is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def next_fault(self) -> Fault | None:
        with self.lock:
            return self.faults.popleft() if self.faults else None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join(10)


def etag_of(data: bytes) -> str:
    """The ETag under which this server offers these bytes."""
    return f'"{hashlib.md5(data).hexdigest()}"'


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def __init__(self, owner: BadHttp, tls: ssl.SSLContext | None) -> None:
        self.owner = owner
        self._tls = tls
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self.owner.lock:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        assert isinstance(request, socket.socket)
        with self.owner.lock:
            self._connections.discard(request)
        request.close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what these tests are about."""

    def end_connections(self) -> None:
        with self.owner.lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        owner = self.server.owner
        path = unquote(urlsplit(self.path).path)
        with owner.lock:
            owner.asked.append(Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
        fault = owner.next_fault() or Fault()
        if fault.status is not None:
            self._send(fault.status, fault.body, dict(fault.headers), fault)
            return
        data = owner.objects.get(path)
        if data is None:
            self._send(404, b"<Error><Code>NoSuchKey</Code></Error>", {}, fault)
            return
        self._send_object(data, fault)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def _send_object(self, data: bytes, fault: Fault) -> None:
        owner = self.server.owner
        headers = {"Last-Modified": "Sat, 01 Nov 2025 10:00:00 GMT"}
        if owner.etags:
            headers["ETag"] = etag_of(data)
            if self.headers.get("If-Match", etag_of(data)) != etag_of(data):
                self._send(412, b"", headers, fault)
                return
            if self.headers.get("If-None-Match") == etag_of(data):
                self._send(304, b"", headers, fault)
                return
        wanted = _RANGE.fullmatch(self.headers.get("Range", "")) if owner.ranges else None
        if wanted is None:
            self._send(200, data, headers, fault)
            return
        start, end = int(wanted[1]), int(wanted[2]) + 1 if wanted[2] else len(data)
        if start >= len(data):
            self._send(416, b"", headers | {"Content-Range": f"bytes */{len(data)}"}, fault)
            return
        end = min(end, len(data))
        self._send(206, data[start:end], headers | {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}, fault)

    def _send(self, status: int, body: bytes, headers: dict[str, str], fault: Fault) -> None:
        if fault.flip_at is not None:
            altered = bytearray(body)
            altered[fault.flip_at] ^= 1
            body = bytes(altered)
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD" or status == 304:
            return
        stops = [after for after in (fault.cut_after, fault.stall_after) if after is not None]
        self._write(body[: min(stops)] if stops else body)
        if fault.then is not None:
            fault.then()
        if stops:
            self._stop(fault)

    def _write(self, body: bytes) -> None:
        for at in range(0, len(body), _PIECE_BYTES):
            self.wfile.write(body[at : at + _PIECE_BYTES])

    def _stop(self, fault: Fault) -> None:
        if fault.stall_after is not None:
            self.server.owner.closing.wait(60)
        elif not fault.gently:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """The tests read `asked`."""
