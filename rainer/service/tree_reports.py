"""The reports that mirrors keep in ZooKeeper, below `<path>/<namespace>/mirrors`."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from rainer.errors import DeniedError, RainerError, UnavailableError
from rainer.model.mirror_report import report_of, unfolded
from rainer.model.published import Report
from rainer.zk import Stat, Tree, ZooKeeper, ZooKeeperOptions

_KEPT_S: Final = 0.25
_FIRST_CONNECTION_S: Final = 2.0


class TreeReports:
    """Thread-safe. Connects when it is first asked, and from then on for as long as that takes.

    What was read is good for a quarter of a second, however many ask; who asks meanwhile waits for who was first.
    """

    def __init__(self, options: ZooKeeperOptions, path: str) -> None:
        self._options, self._path = options, path.rstrip("/")
        self._lock = threading.Lock()
        self._zookeeper: ZooKeeper | None = None
        self._closed = threading.Event()
        self._found: list[Report] = []
        self._read_at = 0.0

    def read(self, namespaces: Iterable[str]) -> list[Report]:
        """Every report, and those passed on with it; what cannot be read is passed over. UnavailableError."""
        with self._lock:
            if not self._read_at or time.monotonic() - self._read_at > _KEPT_S:
                self._found = self._read(self._connected(), namespaces)
                self._read_at = time.monotonic()
            return list(self._found)

    def close(self) -> None:
        """End the connection, whoever waits on it."""
        self._closed.set()
        zookeeper = self._zookeeper
        if zookeeper is not None:
            zookeeper.close()

    def _read(self, zookeeper: ZooKeeper, namespaces: Iterable[str]) -> list[Report]:
        found: list[Report] = []
        for namespace in namespaces:
            folder = Tree(f"{self._path}/{namespace}").mirrors
            paths = [f"{folder}/{name}" for name in zookeeper.children(folder) or []]
            for node in _readable(zookeeper, paths):
                found += [] if node is None else _reports(node[0], namespace)
        return found

    def _connected(self) -> ZooKeeper:
        if self._closed.is_set():
            raise UnavailableError("the server is shutting down", hint="try another server")
        if self._zookeeper is None:
            self._zookeeper = ZooKeeper(self._options)
            self._zookeeper.start_later().wait(_FIRST_CONNECTION_S)
            if self._closed.is_set():
                self._zookeeper.close()
        if not self._zookeeper.is_connected:
            raise UnavailableError(f"ZooKeeper at {self._options.hosts} cannot be reached", hint="is it running?")
        return self._zookeeper


def _readable(zookeeper: ZooKeeper, paths: list[str]) -> Iterator[tuple[bytes, Stat] | None]:
    """Those nodes that may be read: anybody may put one here that nobody else may."""
    try:
        yield from zookeeper.get_many(paths)
        return
    except DeniedError:
        pass
    for path in paths:
        with contextlib.suppress(DeniedError):
            yield zookeeper.get(path)


def _reports(data: bytes, namespace: str) -> list[Report]:
    """What one node tells; nothing where it is not a report."""
    try:
        members = json.loads(data)
        return list(unfolded(replace(report_of(members), namespace=namespace)))
    except (ValueError, AttributeError, RainerError):
        return []
