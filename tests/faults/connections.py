"""One writer's connections: kept open, and honest about whether a request can have reached the server."""

from __future__ import annotations

import http.client
from typing import NamedTuple
from urllib.parse import urlsplit


class NotSentError(Exception):
    """Nobody took the connection: the request never left."""


class NoAnswerError(Exception):
    """The request left, or may have; no answer came."""


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Connections:
    """A connection to each server, opened when it is first needed; use it from one thread."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._open: dict[str, http.client.HTTPConnection] = {}

    def ask(
        self, server: str, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """The server's answer, whatever its status; NotSentError or NoAnswerError."""
        connection = self._open.get(server) or self._connect(server)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException) as e:
            self._close(server)
            raise NoAnswerError(f"{type(e).__name__}: {e}") from e
        if response.will_close:
            self._close(server)
        return answer

    def close(self) -> None:
        for server in list(self._open):
            self._close(server)

    def _connect(self, server: str) -> http.client.HTTPConnection:
        parts = urlsplit(server)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=self._timeout_s)
        try:
            connection.connect()
        except OSError as e:
            connection.close()
            raise NotSentError(f"{type(e).__name__}: {e}") from e
        self._open[server] = connection
        return connection

    def _close(self, server: str) -> None:
        self._open.pop(server).close()
