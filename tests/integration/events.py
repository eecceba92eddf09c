"""Server-sent events, read from a connection as they come."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Self

from tests.integration.wire import Answer, Wire, request


@dataclass(frozen=True, slots=True)
class Event:
    """An event, or, with the kind `comment`, a line that only shows that the stream is alive."""

    kind: str
    id: int | None
    data: Any


class EventStream(Wire):
    """A stream of `/-/changes`; the server's answer to its opening is in `opened`."""

    def __init__(
        self, url: str, query: str = "", *, last_event_id: int | None = None, path: str = "", timeout_s: float = 20
    ) -> None:
        super().__init__(url, timeout_s)
        headers = {"Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = str(last_event_id)
        self._rest = b""
        try:
            self.send(request("GET", f"{path}/-/changes?{query}", headers))
            self.opened = self._read_opening()
        except BaseException:
            self.close()
            raise

    def _read_opening(self) -> Answer:
        status = int(self.line().split(b" ")[1])
        headers = []
        while (line := self.line()) != b"\r\n":
            name, _, value = line.decode("latin-1").removesuffix("\r\n").partition(": ")
            headers.append((name, value))
        known = {name.lower(): value for name, value in headers}
        body = self._file.read(int(known["content-length"])) if "content-length" in known else b""
        return Answer(status, tuple(headers), body)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        """The next event; the end of the iteration is the end of the stream, properly said."""
        while b"\n\n" not in self._rest:
            size = int(self.line(), 16)
            chunk = self._file.read(size)
            self.line()
            if size == 0:
                assert not self._rest, f"the stream ended within an event: {self._rest!r}"
                raise StopIteration
            self._rest += chunk
        text, _, self._rest = self._rest.partition(b"\n\n")
        return _event(text.decode())

    def next_of(self, kind: str) -> Event:
        """The next event of a kind, whatever else comes before."""
        return next(event for event in self if event.kind == kind)


def _event(text: str) -> Event:
    kind, number, data = "message", None, ""
    for line in text.split("\n"):
        name, _, value = line.partition(": ")
        match name:
            case "":
                return Event("comment", None, value)
            case "event":
                kind = value
            case "id":
                number = int(value)
            case "data":
                data += value
    return Event(kind, number, json.loads(data))
