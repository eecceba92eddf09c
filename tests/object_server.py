"""A small web server with objects and ETags that counts what it is asked, and can hold, refuse and drip its answers."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import unquote


class ObjectServer:
    """Objects below `url("")`. Every answer closes its connection, so that nothing is left at the end."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._answers: dict[str, list[int]] = defaultdict(list)
        self._mutex = threading.Lock()
        self._refused: int | None = None
        self.go_on = threading.Event()
        self.go_on.set()
        self.portion: int | None = None
        self.asked = threading.Event()
        self.sent = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.objects = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="objects")

    def __enter__(self) -> ObjectServer:
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{name}"

    def put(self, name: str, data: bytes) -> str:
        """Have an object; its URL."""
        self._objects[name] = data
        return self.url(name)

    def refuse(self, status: int | None) -> None:
        """Answer everything with this status from now on; None: no more."""
        self._refused = status

    def hold(self, after: int = 0) -> None:
        """Send so many bytes of each object and wait until `go_on` is set."""
        self.portion = after
        self.asked.clear()
        self.sent.clear()
        self.go_on.clear()

    def gets(self, name: str) -> int:
        """How often an object was asked for."""
        return len(self.answers(name))

    def answers(self, name: str) -> list[int]:
        """The statuses of the answers about an object."""
        with self._mutex:
            return list(self._answers[name])

    def _answer(self, name: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        data = self._objects.get(name)
        etag = f'"{hashlib.sha256(data or b"").hexdigest()[:32]}"'
        status = self._refused or (HTTPStatus.NOT_FOUND if data is None else HTTPStatus.OK)
        if status == HTTPStatus.OK and headers.get("If-None-Match") == etag:
            status = HTTPStatus.NOT_MODIFIED
        with self._mutex:
            self._answers[name].append(int(status))
        self.asked.set()
        body = data or b"" if status == HTTPStatus.OK else b""
        return int(status), {"ETag": etag, "Content-Length": str(len(body))}, body


class _Server(ThreadingHTTPServer):
    objects: ObjectServer
    daemon_threads = False
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """Who is killed or loses patience breaks off: nothing to be told."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        objects = self.server.objects
        status, headers, body = objects._answer(unquote(self.path[1:]), self.headers)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        first = len(body) if objects.portion is None else objects.portion
        self.wfile.write(body[:first])
        self.wfile.flush()
        objects.sent.set()
        objects.go_on.wait(60)
        self.wfile.write(body[first:])

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what was asked is counted."""
