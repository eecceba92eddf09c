"""What kazoo alone does: set → watch → get of one node, and its TreeCache over many."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

from kazoo.client import KazooClient
from kazoo.recipe.cache import TreeCache, TreeEvent

from tests.benchmarks.load import WrongMeasure

_PATIENCE_S = 120.0


@contextmanager
def connected(hosts: str) -> Any:
    """A kazoo client as anybody makes one."""
    client = KazooClient(hosts=hosts)
    client.start(timeout=10)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def set_watch_get_ms(hosts: str, path: str, payload: bytes, count: int, every_s: float) -> list[float]:
    """From before a set until another connection, which watched the node, has got what was set."""
    with connected(hosts) as writer, connected(hosts) as reader:
        writer.create(path, b"0")
        watcher = _Watcher(reader, path)
        found = []
        begun = time.perf_counter()
        for number in range(1, count + 1):
            pace_until(begun + number * every_s)
            data = f"{number} ".encode() + payload
            sent = time.perf_counter()
            writer.set(path, data)
            found.append((watcher.seen(data) - sent) * 1000)
        writer.delete(path)
        return found


def pace_until(until: float) -> None:
    """Wait for a moment of `time.perf_counter`, so that load comes at a rate."""
    left = until - time.perf_counter()
    if left > 0:
        time.sleep(left)


class _Watcher:
    """Gets a node again whenever it changes, and watches it again with the same request."""

    def __init__(self, client: Any, path: str) -> None:
        self._client, self._path = client, path
        self._changed = threading.Condition()
        self._found: tuple[bytes, float] = b"", 0.0
        self._ask(None)

    def _ask(self, _event: Any) -> None:
        self._client.get_async(self._path, watch=self._ask).rawlink(self._answered)

    def _answered(self, result: Any) -> None:
        if result.successful():
            with self._changed:
                self._found = result.value[0], time.perf_counter()
                self._changed.notify_all()

    def seen(self, data: bytes) -> float:
        with self._changed:
            if not self._changed.wait_for(lambda: self._found[0] == data, _PATIENCE_S):
                raise WrongMeasure("kazoo's watch never told of a change")
            return self._found[1]


def tree_cache_s(hosts: str, path: str, keys: Sequence[str]) -> float:
    """How long kazoo's TreeCache takes until it holds these children, with their data."""
    begun = time.perf_counter()
    with connected(hosts) as client:
        ready = threading.Event()
        cache = TreeCache(client, path)
        cache.listen(lambda event: ready.set() if event.event_type == TreeEvent.INITIALIZED else None)
        cache.start()
        try:
            if not ready.wait(_PATIENCE_S):
                raise WrongMeasure(f"kazoo's TreeCache was not ready within {_PATIENCE_S:g} s")
            took = time.perf_counter() - begun
            held = sum(cache.get_data(f"{path}/{key}") is not None for key in keys)
            if held != len(keys):
                raise WrongMeasure(f"kazoo's TreeCache holds {held} of {len(keys)} keys")
        finally:
            cache.close()
        return took
