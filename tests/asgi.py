"""Calling an app as a server calls it, from a test's own thread and without sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

_TIMEOUT_S = 30


@dataclass(frozen=True)
class Answered:
    """An answer: `headers` by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of the problem that it is."""
        return str(self.json()["code"])


class Caller:
    """Calls an app on an event loop of its own; thread-safe. Made by `calling`."""

    def __init__(self, app: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.app, self._loop = app, loop

    def run(self, work: Any) -> Any:
        """What a coroutine comes to, on the app's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_TIMEOUT_S)

    def ask(self, method: str, path: str, token: str | None = None, body: bytes = b"", **headers: str) -> Answered:
        """The answer to a call. Headers are written with _ for -."""
        return self.begin(method, path, token, body, **headers).result(_TIMEOUT_S)

    def begin(
        self, method: str, path: str, token: str | None = None, body: bytes = b"", **headers: str
    ) -> Future[Answered]:
        """The same, not waited for."""
        return asyncio.run_coroutine_threadsafe(self._ask(method, path, token, body, headers), self._loop)

    def stream(self, path: str, token: str | None, until: Callable[[bytes], bool]) -> Answered:
        """An event stream, read until what came of it is enough, or to its end."""
        work = self._ask("GET", path, token, b"", {"accept": "text/event-stream"}, until)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_TIMEOUT_S)

    async def _ask(
        self, method: str, path: str, token: str | None, body: bytes, headers: Mapping[str, str],
        until: Callable[[bytes], bool] = lambda _: False,
    ) -> Answered:  # fmt: skip
        named = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()]
        if token is not None:
            named.append((b"authorization", f"Bearer {token}".encode()))
        raw, _, query = path.partition("?")
        scope = {
            "type": "http", "method": method, "path": unquote(raw), "raw_path": raw.encode(), "root_path": "",
            "query_string": query.encode(), "headers": named, "scheme": "http", "http_version": "1.1",
            "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
        }  # fmt: skip
        sent, parts, enough = [body], [], asyncio.Event()
        started: dict[str, Any] = {}

        async def receive() -> Any:
            if sent:
                return {"type": "http.request", "body": sent.pop(), "more_body": False}
            await enough.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                started.update(message)
            else:
                parts.append(message.get("body", b""))
                if until(b"".join(parts)):
                    enough.set()

        await self.app(scope, receive, send)
        told = {name.decode().lower(): value.decode("latin-1") for name, value in started["headers"]}
        return Answered(started["status"], told, b"".join(parts))


@contextlib.contextmanager
def calling(make: Callable[[], Any]) -> Iterator[Caller]:
    """Make an app on a loop in a thread of its own, start its service, and end both."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="test-asgi")
    thread.start()

    async def begin() -> Caller:
        app = make()
        await app.service.start()
        return Caller(app, loop)

    async def end() -> None:
        caller.app.service.begin_shutdown()
        await caller.app.service.close()

    try:
        caller = asyncio.run_coroutine_threadsafe(begin(), loop).result(_TIMEOUT_S)
        try:
            yield caller
        finally:
            caller.run(end())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
