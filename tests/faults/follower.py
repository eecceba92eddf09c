"""A reader of the feed that goes on, after any fault, from where it last stood."""

from __future__ import annotations

import json
import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from tests.integration.events import EventStream
from tests.integration.wire import Wire, request

Told = tuple[int, str, int]
_TIMEOUT_S = 8.0
_REST_S = 0.05
_FAULTS = (OSError, ValueError, AssertionError, IndexError, KeyError)


class Follower(threading.Thread):
    """Notes every change it is told of, as (revision, key, version)."""

    def __init__(self, name: str, server: str) -> None:
        super().__init__(name=name)
        self.told: list[Told] = []
        self.position = 0
        self.faults = 0
        self.surprises: list[str] = []
        self._server = server
        self._ended = threading.Event()

    def end(self) -> None:
        """Ask no more; an open stream is read until its server ends it."""
        self._ended.set()

    def run(self) -> None:
        while not self._ended.is_set():
            with suppress(*_FAULTS):
                for page in self._pages():
                    self._note(page)
                    if self._ended.is_set():
                        return
            self.faults += 1
            self._ended.wait(_REST_S)

    @abstractmethod
    def _pages(self) -> Iterator[dict[str, Any]]:
        """Pages of the feed from `position` on, for as long as nothing fails."""

    def _note(self, page: dict[str, Any]) -> None:
        self.told += [(c["revision"], c["key"], c["version"]) for c in page["changes"]]
        self.position = page["revision"]


class PollFollower(Follower):
    """By long polls, saying the lineage and chain it stands at."""

    def _pages(self) -> Iterator[dict[str, Any]]:
        known = ""
        with Wire(self._server, _TIMEOUT_S) as wire:
            while True:
                wire.send(request("GET", f"/-/changes?since={self.position}&wait=2&limit=17{known}"))
                answer = wire.answer()
                page = answer.json()
                if answer.status != 200:
                    if answer.status != 503:
                        self.surprises.append(f"{answer.status} to a long poll: {page}")
                    return
                known = f"&lineage={page['lineage']}&chain={page['chain']}"
                yield page


class StreamFollower(Follower):
    """By server-sent events."""

    def _pages(self) -> Iterator[dict[str, Any]]:
        with EventStream(self._server, "limit=17", last_event_id=self.position, timeout_s=_TIMEOUT_S) as stream:
            if stream.opened.status != 200:
                if stream.opened.status != 503:
                    self.surprises.append(f"{stream.opened.status} to a stream: {json.loads(stream.opened.body)}")
                return
            for event in stream:
                if event.kind == "gone":
                    self.surprises.append(f"gone: {event.data}")
                if event.kind == "changes":
                    yield event.data
