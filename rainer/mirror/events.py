"""Server-sent events, taken out of the pieces in which they arrive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """An event and its data; a comment, such as a beat, is an event of the kind ""."""

    kind: str
    data: bytes


def events(pieces: Iterable[bytes]) -> Iterator[Event]:
    """Events as soon as they are whole; one that is cut off at the end is not one."""
    kind, data = "message", list[bytes]()
    for line in _lines(pieces):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if data:
                yield Event(kind, b"\n".join(data))
            kind, data = "message", []
        elif not name:
            yield Event("", value)
        elif name == b"event":
            kind = value.decode(errors="replace")
        elif name == b"data":
            data.append(value)


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    # A page of changes is one line of megabytes: its pieces are joined once, when its end is there.
    begun: list[bytes] = []
    for piece in pieces:
        *whole, rest = piece.split(b"\n")
        for line in whole:
            yield b"".join([*begun, line]).removesuffix(b"\r")
            begun = []
        if rest:
            begun.append(rest)
