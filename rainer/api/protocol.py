"""uvicorn's HTTP protocol, less patient with slow clients and with half the system calls."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEADER_BYTES_MAX: Final = 256 * 1024
_HEADER_TIMEOUT_S: Final = 30
_CORK_BYTES_MAX: Final = 64 * 1024


class CorkedTransport:
    """A transport that gathers what is written in one turn of the loop and sends it at once.

    uvicorn writes headers and body apart, a system call each; together they are a third of a head read's cost.
    """

    __slots__ = ("_loop", "_parts", "_size", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._parts: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(data)
        self._size += len(data)
        if self._size > _CORK_BYTES_MAX:  # let the transport push back on a stream
            self.flush()

    def flush(self) -> None:
        """Hand over what was gathered."""
        if self._parts:
            parts, self._parts, self._size = self._parts, [], 0
            if not self._transport.is_closing():
                self._transport.write(b"".join(parts))

    def close(self) -> None:
        self.flush()
        self._transport.close()


class PatientProtocol(HttpToolsProtocol):
    """Headers must come whole, in time and within bounds; responses leave in one piece."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(CorkedTransport(transport, self.loop))  # type: ignore[arg-type]
        self._header_bytes = 0
        self._header_timer: asyncio.TimerHandle | None = self.loop.call_later(_HEADER_TIMEOUT_S, self._give_up)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._header_bytes = 0
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(_HEADER_TIMEOUT_S, self._give_up)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._header_timer is not None:  # the headers are not complete yet
            self._header_bytes += len(data)
            if self._header_bytes > _HEADER_BYTES_MAX:
                self._give_up()

    def on_headers_complete(self) -> None:
        self._stop_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def _stop_timer(self) -> None:
        timer, self._header_timer = self._header_timer, None
        if timer is not None:
            timer.cancel()

    def _give_up(self) -> None:
        self._header_timer = None
        if not self.transport.is_closing():
            self.transport.close()
