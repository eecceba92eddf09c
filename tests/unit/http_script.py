"""A real HTTP server on a loopback port whose every answer a test writes down, broken ones included."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

BREAK = "close the connection without an answer"
RESET = "reset the connection without an answer"

Step = bytes | str | Callable[["Received"], bytes | str]


@dataclass(frozen=True)
class Received:
    """A request as it came in: header names in lower case, values as bytes; `connection` counts from 0."""

    method: str
    target: str
    headers: Mapping[str, bytes]
    body: bytes
    connection: int
    header_lines: tuple[bytes, ...] = field(repr=False)


def answer(
    status: int = 200,
    body: bytes | str = b"",
    headers: Mapping[str, str | bytes] | None = None,
    *,
    close: bool = True,
) -> bytes:
    """The bytes of an answer; `close` says so to the client, for most tests are easier with a connection a request."""
    raw = body.encode() if isinstance(body, str) else body
    lines = [b"HTTP/1.1 %d Scripted" % status, b"Content-Length: %d" % len(raw)]
    for name, value in (headers or {}).items():
        lines.append(name.encode() + b": " + (value.encode("latin-1") if isinstance(value, str) else value))
    if close:
        lines.append(b"Connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n" + raw


def json_answer(body: Any, status: int = 200, headers: Mapping[str, str | bytes] | None = None) -> bytes:
    return answer(status, json.dumps(body), {"Content-Type": "application/json"} | dict(headers or {}))


def problem(status: int, code: str, detail: str = "because", **members: Any) -> bytes:
    """A refusal as a Rainer server words it."""
    body = {"type": "about:blank", "title": "t", "status": status, "code": code, "detail": detail} | members
    return answer(status, json.dumps(body), {"Content-Type": "application/problem+json"})


def held_until(event: threading.Event) -> Step:
    """Silence until the event, and then still no answer."""

    def hold(_received: Received) -> str:
        event.wait(30)
        return BREAK

    return hold


class ScriptedServer:
    """Answers each request with the next step of its script; the last step repeats.

    A step is an answer's bytes, BREAK, RESET, or a function of the request that gives one of these. Context manager.
    """

    def __init__(self, *script: Step) -> None:
        self.script = list(script)
        self.received: list[Received] = []
        self.connections = 0
        self._closing = False
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/diary"

    def targets(self) -> list[str]:
        return [f"{received.method} {received.target}" for received in self.received]

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_listening()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def stop_listening(self) -> None:
        """Refuse new connections; those that are open go on."""
        if self._closing:
            return
        # A connection of our own ends the accept(): closing the listener under it would not, on every system.
        self._closing = True
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._threads[0].join(10)

    def _spawn(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with self._listener:
            while True:
                connection, _ = self._listener.accept()
                if self._closing:
                    connection.close()
                    return
                with self._lock:
                    self._open.add(connection)
                    number = self.connections
                    self.connections += 1
                self._spawn(self._serve, connection, number)

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while received := _read(stream, number):
                    if not self._answer(connection, received):
                        return
        except OSError:
            pass  # the client went away, which is some tests' point
        finally:
            with self._lock:
                self._open.discard(connection)

    def _answer(self, connection: socket.socket, received: Received) -> bool:
        with self._lock:
            step = self.script[min(len(self.received), len(self.script) - 1)]
            self.received.append(received)
        if callable(step):
            step = step(received)
        if step == RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if isinstance(step, str):
            connection.close()
            return False
        connection.sendall(step)
        return b"\r\nConnection: close\r\n" not in step


def _read(stream: Any, number: int) -> Received | None:
    first = stream.readline()
    if not first:
        return None
    method, target, _ = first.decode("latin-1").split(" ")
    lines = []
    while (line := stream.readline()) not in (b"\r\n", b""):
        lines.append(line.rstrip(b"\r\n"))
    headers = {
        name.decode("latin-1").lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)
    }
    body = stream.read(int(headers.get("content-length", b"0")))
    return Received(method, target, headers, body, number, tuple(lines))
