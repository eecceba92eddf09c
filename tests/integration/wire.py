"""HTTP spoken by hand over a socket: for what no well-behaved client would send, and to see what really comes back."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it came; header names in the letter case of the wire, values read as Latin-1."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header that may come once only."""
        found = [value for known, value in self.headers if known.lower() == name.lower()]
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0] if found else None

    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self, status: int, code: str, *words: str) -> dict[str, Any]:
        """Hold the answer to the form of our errors, its status, its code and the words that a person needs."""
        assert self.status == status, self
        assert self.header("Content-Type") == PROBLEM, self
        found: dict[str, Any] = self.json()
        assert (found["type"], found["status"], found["code"]) == ("about:blank", status, code), found
        assert isinstance(found["retryable"], bool), found
        assert found["title"], found
        text = f"{found['detail']} ({found.get('hint', '')})"
        assert "Traceback" not in text, text
        assert len(text) < 400, text
        missing = [word for word in words if word not in text]
        assert not missing, f"{missing} not in {text!r}"
        return found

    def refusal(self, status: int, sentence: str) -> None:
        """Hold the answer to one of the ancestor's sentences."""
        assert (self.status, self.body.decode()) == (status, sentence), self
        assert (self.header("Content-Type") or "").startswith("text/plain"), self


class Wire:
    """One connection to a server; requests may be sent without waiting for their answers."""

    def __init__(self, url: str, timeout_s: float = 20) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout_s)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Send one request and read its answer."""
        self.send(request(method, path, headers, body))
        return self.answer(method)

    def answer(self, method: str = "GET") -> Answer:
        """Read one response; the method decides whether a body follows."""
        line = self._file.readline()
        if not line:
            raise ConnectionError("the server closed the connection without an answer")
        status = int(line.split(b" ")[1])
        headers = tuple(self._headers())
        if status == 100:
            return Answer(100, headers, b"")
        return Answer(status, headers, b"" if method == "HEAD" or status in (204, 304) else self._body(headers))

    def line(self) -> bytes:
        """The next line, for answers that come bit by bit; empty at the end."""
        return self._file.readline()

    def is_at_end(self) -> bool:
        """Whether the server has closed the connection, having sent nothing more; waits for one or the other."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    def _headers(self) -> list[tuple[str, str]]:
        found = []
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").removesuffix("\r\n").partition(": ")
            found.append((name, value))
        return found

    def _body(self, headers: tuple[tuple[str, str], ...]) -> bytes:
        known = {name.lower(): value for name, value in headers}
        if known.get("transfer-encoding") == "chunked":
            return b"".join(self._chunks())
        return self._file.read(int(known["content-length"]))

    def _chunks(self) -> list[bytes]:
        chunks = []
        while True:
            size = int(self._file.readline(), 16)
            chunks.append(self._file.read(size))
            self._file.readline()
            if size == 0:
                return chunks


def request(method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> bytes:
    """The bytes of a request; nothing in it is checked or encoded beyond Latin-1."""
    given = {"Host": "test"} | dict(headers or {})
    chunked = any(name.lower() == "transfer-encoding" for name in given)
    if not chunked and not any(name.lower() == "content-length" for name in given) and (body or method == "POST"):
        given["Content-Length"] = str(len(body or b""))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


def ask(
    url: str, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Answer:
    """One request on a connection of its own."""
    with Wire(url) as wire:
        return wire.ask(method, path, headers, body)


def commit(url: str, key: str, version: int, body: bytes = b"x", **headers: str) -> Answer:
    """Post one commit to the namespace diary; header names are written with underscores."""
    given = {"X-Rainer-Author": "test"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(url, "POST", f"/diary/{key}/{version}", given, body)
