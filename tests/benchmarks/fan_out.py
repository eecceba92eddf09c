"""Many mirrors on one server: how far apart the first and the last of them see a commit."""

from __future__ import annotations

import asyncio
import json
import resource
import time
import urllib.request
from collections.abc import Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit

from tests.benchmarks.load import Pace, WrongMeasure
from tests.benchmarks.peers import Rainer
from tests.benchmarks.report import Results

_PATIENCE_S: Final = 60.0
_AT_ONCE: Final = 100
_SPARE_FILES: Final = 200


def on_one_server(pace: Pace, results: Results) -> None:
    """As many readers of the feed as there would be mirrors, each on a connection of its own."""
    with _files_for(pace.http_mirrors), Rainer() as server:
        spreads, firsts, lasts = asyncio.run(_measure(server, pace.http_mirrors, pace.rounds))
    note = (
        f"{pace.http_mirrors:,} readers of one feed in one process; the first saw a commit within {max(firsts):.0f} ms"
        f" of its answer, the last within {max(lasts):.0f} ms"
    )
    results.record("mirrors/http/spread", spreads, note=note)


@contextmanager
def _files_for(count: int) -> Any:
    """Let this process and the server that it starts have so many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard not in (resource.RLIM_INFINITY,) and hard < wanted:
            raise WrongMeasure(f"{count} connections need {wanted} files, and {hard} are allowed (ulimit -Hn)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _measure(server: Rainer, count: int, rounds: int) -> tuple[list[float], list[float], list[float]]:
    _commit(server, 1)
    async with AsyncExitStack() as stack:
        readers: list[_Reader] = []
        while len(readers) < count:
            some = [_Reader(server.url) for _ in range(min(_AT_ONCE, count - len(readers)))]
            for reader in some:
                stack.push_async_callback(reader.close)
            await asyncio.gather(*(reader.open() for reader in some))
            readers += some
        spreads, firsts, lasts = [], [], []
        for version in range(2, rounds + 2):
            waiting = [asyncio.create_task(reader.seen(version)) for reader in readers]
            answered = await asyncio.to_thread(_commit, server, version)
            seen = await _all(waiting)
            spreads.append((max(seen) - min(seen)) * 1000)
            firsts.append((min(seen) - answered) * 1000)
            lasts.append((max(seen) - answered) * 1000)
        return spreads, firsts, lasts


async def _all(waiting: Sequence[asyncio.Task[float]]) -> list[float]:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await asyncio.gather(*waiting)
    except TimeoutError:
        raise WrongMeasure(f"not every reader of the feed saw a commit within {_PATIENCE_S:g} s") from None


def _commit(server: Rainer, version: int) -> float:
    """Commit a version of the one key; when the answer came."""
    request = urllib.request.Request(
        f"{server.url}/diary/key/{version}", b"x" * 200, {"X-Rainer-Author": "bench"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
    return time.perf_counter()


class _Reader:
    """One connection that reads server-sent events."""

    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]

    def __init__(self, url: str) -> None:
        self._at = urlsplit(url)

    async def open(self) -> None:
        """Ask for the feed from now on; returns when its first event has come: the server knows it then."""
        self._streams = await asyncio.open_connection(self._at.hostname, self._at.port)
        path = "/-/changes?since=0&namespace=diary&payload_utf8=yes"
        request = f"GET {path} HTTP/1.1\r\nHost: {self._at.netloc}\r\nAccept: text/event-stream\r\n\r\n"
        self._streams[1].write(request.encode())
        await self.seen(1)

    async def seen(self, version: int) -> float:
        """When the event with this version of the key was there."""
        while True:
            line = await self._streams[0].readline()
            if not line:
                raise WrongMeasure("the server ended a feed")
            if line.startswith(b"data:"):
                now = time.perf_counter()
                changes = json.loads(line[5:]).get("changes", ())
                if any(change["version"] == version for change in changes):
                    return now

    async def close(self) -> None:
        with suppress(AttributeError, OSError):
            self._streams[1].close()
            await self._streams[1].wait_closed()
