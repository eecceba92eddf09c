"""A bad network before any server: connections cut, hung or slowed, and healed, while both ends live on.

The proxy runs an event loop on a thread of its own. Every method returns when what it does has come about.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Self, TypeVar

from tests.services.machine import free_port

T = TypeVar("T")

_HOST = "127.0.0.1"
_CHUNK_BYTES = 65536
_CHUNKS_ON_THE_WAY = 256
_PATIENCE_S = 10.0
_RETRY_S = 0.02


class _Weather:
    """What every byte goes through now: a gate for each direction, and a delay."""

    def __init__(self) -> None:
        self.requests = asyncio.Event()
        self.answers = asyncio.Event()
        self._delay_s = 0.0
        self._changed = asyncio.Event()
        self.become()

    def become(self, *, requests: bool = True, answers: bool = True, delay_s: float = 0.0) -> None:
        for gate, is_open in ((self.requests, requests), (self.answers, answers)):
            (gate.set if is_open else gate.clear)()
        self._delay_s = delay_s
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_until_due(self, arrived: float) -> None:
        """Hold back what arrived then; whoever waits when the delay changes waits by the new one."""
        while (left := arrived + self._delay_s - asyncio.get_running_loop().time()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()


class Proxy:
    """Passes TCP connections from `port` on to a server's port. A context manager.

    `cut`, `hang` and `delay` each replace what was before; `heal` ends them. The port stays the same throughout. A
    proxy cannot refuse what its server refuses: it closes it, at once or after trying for `patience_s`.
    """

    _loop: asyncio.AbstractEventLoop
    _thread: threading.Thread

    def __init__(self, server_port: int, *, patience_s: float = 0.0) -> None:
        self.port = free_port()
        self._server_port = server_port
        self._patience_s = patience_s
        self._weather = _Weather()
        self._listener: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self.accepted = 0

    @property
    def hosts(self) -> str:
        """`127.0.0.1:PORT`, as ZooKeeper's clients and others take it."""
        return f"{_HOST}:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections it holds now."""
        return len(self._links)

    def cut(self) -> None:
        """Close every connection, at both ends, and refuse new ones."""
        self._do(self._cut())

    def drop(self) -> None:
        """Close every connection, at both ends, once: new ones pass as before."""
        self._do(self._end_links())

    def hang(self, *, requests: bool = True, answers: bool = True) -> None:
        """Accept, and pass nothing: not even that one end closed. With `requests=False` only the answers hang."""
        self._do(self._become(requests=not requests, answers=not answers))

    def delay(self, seconds: float) -> None:
        """Let everything arrive this much later, in each direction; nothing is reordered."""
        self._do(self._become(delay_s=seconds))

    def heal(self) -> None:
        """Pass everything again, also what connections that hung have held back."""
        self._do(self._become())

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self._server_port}", daemon=True)
        self._thread.start()
        self.heal()

    def close(self) -> None:
        """Cut everything and end the thread."""
        self.cut()
        self.drop()  # what had been accepted, and was no link yet
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE_S)
        self._loop.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # On the proxy's thread.

    def _do(self, work: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE_S)

    async def _become(self, *, requests: bool = True, answers: bool = True, delay_s: float = 0.0) -> None:
        self._weather.become(requests=requests, answers=answers, delay_s=delay_s)
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, _HOST, self.port)

    async def _cut(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._end_links()

    async def _end_links(self) -> None:
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        link = self._loop.create_task(self._link(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)
        # One that is cut before its first step would never come to close what it was given.
        link.add_done_callback(lambda _: writer.transport.abort())

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection and its own to the server, until both directions have ended or one has failed."""
        ends = [writer]
        try:
            await self._weather.requests.wait()
            server_reader, server_writer = await self._reach_server()
            ends.append(server_writer)
            for end in ends:
                end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_on(reader, server_writer, self._weather.requests))
                both.create_task(self._pass_on(server_reader, writer, self._weather.answers))
        except* OSError:
            pass  # one end failed, or no server listens; closing the other end tells it
        finally:
            await _abort(ends)

    async def _reach_server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        deadline = self._loop.time() + self._patience_s
        while True:
            try:
                return await asyncio.open_connection(_HOST, self._server_port)
            except ConnectionRefusedError:
                if self._loop.time() >= deadline:
                    raise
            await asyncio.sleep(_RETRY_S)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event) -> None:
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS_ON_THE_WAY)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._take(reader, on_the_way, gate))
            both.create_task(self._deliver(on_the_way, writer, gate))

    async def _take(
        self, reader: asyncio.StreamReader, on_the_way: asyncio.Queue[tuple[float, bytes]], gate: asyncio.Event
    ) -> None:
        data = b"-"
        while data:
            await gate.wait()  # the sender of much must feel that nobody reads
            try:
                data = await reader.read(_CHUNK_BYTES)
            except ConnectionError:
                await gate.wait()  # nor is a reset passed on while everything hangs
                raise
            await on_the_way.put((self._loop.time(), data))

    async def _deliver(
        self, on_the_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, gate: asyncio.Event
    ) -> None:
        data = b"-"
        while data:
            arrived, data = await on_the_way.get()
            await self._weather.wait_until_due(arrived)
            await gate.wait()
            if data:
                writer.write(data)
                await writer.drain()
            else:
                writer.write_eof()


async def _abort(ends: list[asyncio.StreamWriter]) -> None:
    for end in ends:
        end.transport.abort()
    for end in ends:
        with contextlib.suppress(OSError):
            await end.wait_closed()
