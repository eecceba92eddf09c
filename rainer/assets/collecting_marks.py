"""Marks that a collection leaves in the store while it deletes, so that publishers look again after their commits.

A mark is an object below `.rainer/collecting/` which lists what may be deleted in its lifetime. Who
collects writes the mark *before* it reads the newest history; who publishes looks for marks *after* its commit. So one
of the two sees the other, whatever the schedule (DESIGN.md has the argument).
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Final

from rainer.errors import DeniedError, InvalidError, ObjectNotFound
from rainer.store.reading import read_bytes
from rainer.store.store import Store

PREFIX: Final = ".rainer/collecting/"
DELETE_S: Final = 30.0
"""How long after it began a mark allows deletions to begin."""
LEASE_S: Final = 120.0
"""How long publishers wait for one that stays: what began under it, however slow, is over by then."""
_PAUSE_S: Final = 0.1


class Mark:
    """A mark of ours, from before it is written until it is taken away."""

    def __init__(self, store: Store, uris: Iterable[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._uri = store.uri(f"{PREFIX}{uuid.uuid4().hex}.json")
        self._clock = clock
        self._begun = clock()
        body = {"host": socket.gethostname(), "pid": os.getpid(), "uris": sorted(uris)}
        store.put(self._uri, json.dumps(body).encode())

    def mtime(self) -> datetime | None:
        """When the mark was written, by the store's own clock: the one that the age of objects is judged by."""
        return self._store.head(self._uri).mtime

    @property
    def counts(self) -> bool:
        """Whether a deletion may still begin under it."""
        return self._clock() - self._begun < DELETE_S

    def take_away(self) -> None:
        self._store.delete(self._uri)


def marked(store: Store, uris: Collection[str]) -> dict[str, list[str]]:
    """The marks in the store that name any of the URIs, each with those that it names.

    A store that cannot be listed, or not by us, has none that we could see: then only a second look at the object
    itself protects a publish.
    """
    wanted, found = set(uris), {}
    try:
        marks = [info.uri for info in store.list(PREFIX)]
    except (InvalidError, DeniedError):
        return {}
    for uri in marks:
        named = wanted.intersection(_named(store, uri))
        if named:
            found[uri] = sorted(named)
    return found


def wait_until_unmarked(
    store: Store,
    uris: Collection[str],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return as soon as no mark names any of the URIs, or those that do have been seen for all of their lifetime.

    A collection that died leaves its mark behind; the next one takes it away. No clocks are compared: a lifetime is
    counted from when a mark was first seen here.
    """
    first_seen: dict[str, float] = {}
    while True:
        now = clock()
        for mark in (marks := marked(store, uris)):
            first_seen.setdefault(mark, now)
        if all(now - first_seen[mark] >= LEASE_S for mark in marks):
            return
        sleep(_PAUSE_S)


def take_away_dead(store: Store, now: datetime) -> None:
    """Remove the marks of collections that died: those that stopped counting an hour ago."""
    for info in list(store.list(PREFIX)):
        if info.mtime is not None and (now - info.mtime).total_seconds() > LEASE_S + 3600:
            store.delete(info.uri)


def _named(store: Store, mark: str) -> list[str]:
    try:
        reading = store.open(mark)
        body = json.loads(read_bytes(reading)) if reading is not None else {}
        return [str(uri) for uri in body["uris"]]
    except ObjectNotFound:
        return []  # taken away between the list and now
    except (ValueError, KeyError, TypeError):
        return []  # not ours
