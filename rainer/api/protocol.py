"""uvicorn's HTTP protocol, less patient with slow clients, deaf to upgrades, and with half the system calls."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import httptools
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rainer import limits
from rainer.access.credentials import CERTIFICATE, name_of
from rainer.api.problems import problem
from rainer.api.signs import INTERIM, STILL_THERE
from rainer.errors import InvalidError, OverloadedError

_CORK_BYTES_MAX: Final = 64 * 1024
_LINGER_S: Final = 2.0


class CorkedTransport:
    """A transport that gathers what is written in one turn of the loop and sends it at once.

    uvicorn writes headers and body apart, a system call each; together they are a third of a head read's cost.
    """

    __slots__ = ("_is_lingering", "_loop", "_parts", "_protocol", "_size", "_transport")

    def __init__(self, transport: asyncio.Transport, protocol: PatientProtocol) -> None:
        self._transport, self._protocol, self._loop = transport, protocol, protocol.loop
        self._parts: list[bytes] = []
        self._size = 0
        self._is_lingering = False

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

    def is_closing(self) -> bool:
        return self._is_lingering or self._transport.is_closing()

    def close(self) -> None:
        """Close once all is sent; while the client is still sending a body, not before it had time to read why.

        A socket that is closed with bytes unread resets the connection, and the reset may overtake the answer.
        """
        self.flush()
        if self.is_closing():
            return
        if not self._protocol.is_receiving_body:
            self._transport.close()
            return
        self._is_lingering = True
        if self._transport.can_write_eof():  # with TLS there is no half of a connection to close
            self._transport.write_eof()
        self._protocol.stop_listening()
        self._loop.call_later(_LINGER_S, self._transport.close)


class PatientProtocol(HttpToolsProtocol):
    """Requests come in time and with bounded headers, answers are read, or the connection ends; nothing is upgraded to.

    An upgrade may be ignored (RFC 9110), and must be: the parser takes a request that offers one, such as the first of
    every Java HttpClient, for the end of HTTP and drops its body. Such a request is read again without the offer.
    """

    def __init__(
        self, *arguments: Any, timeout_s: float = limits.BODY_TIMEOUT_S, connections_max: int = 0, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._timeout_s, self._connections_max = timeout_s, connections_max
        self._certified: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._in_message = self._in_headers = self._is_deaf = False
        self._header_bytes = 0

    @property
    def is_receiving_body(self) -> bool:
        return self._in_message and not self._in_headers

    def stop_listening(self) -> None:
        """Read on, and heed nothing of it."""
        self._is_deaf = True
        self.flow.resume_reading()

    def connection_made(self, transport: Any) -> None:
        self._certified = name_of(transport.get_extra_info("peercert"))
        super().connection_made(CorkedTransport(transport, self))  # type: ignore[arg-type]
        self._start_timer()
        if 0 < self._connections_max < len(self.connections):
            self._refuse_crowd()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as e:
            self._read_without_upgrade(data[e.args[0] :])
        except httptools.HttpParserError as e:
            self.send_400_response(str(e.__context__ or e))
        if self._in_message:
            self._watch(len(data))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._certified is not None:
            self.scope[CERTIFICATE] = self._certified  # type: ignore[typeddict-unknown-key]
        self._in_message = self._in_headers = True
        self._header_bytes = 0

    def on_headers_complete(self) -> None:
        self._in_headers = False
        if not self._offers_upgrade():
            if self.parser.get_method() == b"PUT" and self.parser.get_http_version() == "1.1":
                self.scope["extensions"] = {STILL_THERE: self._say_still_there}  # type: ignore[dict-item]
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_message = False
        self._stop_timer()
        if not self._offers_upgrade():
            super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_write_timer()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP; answers to requests before it go first, and are then the last."""
        self.logger.warning("a client sent what is not HTTP: %s", msg)
        earlier: Any = self.cycle
        if earlier is not None and not earlier.response_complete and not self.is_receiving_body:
            earlier.keep_alive = False
            self.stop_listening()
            return
        if not self.pipeline:
            refusal = problem(InvalidError(f"the request is not HTTP/1.1: {msg}", hint="the connection is closed"))
            self.transport.write(_closing(refusal, b"400 Bad Request"))
        self._is_deaf = True
        self.transport.close()

    def _refuse_crowd(self) -> None:
        """One connection too many: told so, not left to wait where there is no file for it, nor for anything else."""
        full = OverloadedError(f"{self._connections_max} connections are open, and no more are taken", hint="try again")
        self.transport.write(_closing(problem(full), b"503 Service Unavailable"))
        self._is_deaf = True
        self.transport.close()

    def _say_still_there(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(INTERIM)

    def _offers_upgrade(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _read_without_upgrade(self, rest: bytes) -> None:
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (method, self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                value = b", ".join(t for t in value.split(b",") if t.strip().lower() in (b"close", b"keep-alive"))
            if name not in (b"upgrade", b"http2-settings"):
                lines.append(name + b": " + value)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"\r\n".join([*lines, b"", b""]) + rest)

    def _watch(self, size: int) -> None:
        """A request is under way and not whole."""
        if self._timer is None:
            self._start_timer()
        if self._in_headers:
            self._header_bytes += size
            if self._header_bytes > limits.HEADER_BYTES_MAX:
                self.send_400_response(f"its headers are over {limits.HEADER_BYTES_MAX} bytes")

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self._timeout_s, self._give_up)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _stop_write_timer(self) -> None:
        timer, self._write_timer = self._write_timer, None
        if timer is not None:
            timer.cancel()

    def _give_up(self) -> None:
        self._timer = None
        if self.is_receiving_body and not self.cycle.response_complete:
            self._start_timer()  # whoever reads this body has a patience of its own, and an answer
        elif not self.transport.is_closing():
            self.transport.close()


def _closing(refusal: Response, status: bytes) -> bytes:
    """A whole answer to what is no request of any app, and the last one."""
    head = [b"HTTP/1.1 " + status, *(n + b": " + v for n, v in refusal.raw_headers), b"connection: close"]
    return b"\r\n".join([*head, b"", bytes(refusal.body)])
