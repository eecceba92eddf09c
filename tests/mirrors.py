"""Mirrors fed by hand, and heads to feed them."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from rainer.errors import RainerError, UnavailableError
from rainer.mirror import Mirror
from rainer.mirror.heads import head_of
from rainer.mirror.source import Sink
from rainer.model import times
from rainer.model.commit import Commit
from rainer.model.packed import PackedHead
from rainer.model.position import Position
from rainer.model.serialization import to_bytes

LINEAGE = "11111111-1111-4111-8111-111111111111"
OTHER_LINEAGE = "22222222-2222-4222-8222-222222222222"
AWAY = UnavailableError("the source is away", hint="wait")


def at(revision: int, lineage: str = LINEAGE, mark: int = 0) -> Position:
    """A position; `mark` makes another history of the same lineage."""
    return Position(lineage, revision, revision.to_bytes(8, "big") + bytes([mark]) * 24)


def commit(key: str, version: int, payload: bytes | None = b"x", revision: int | None = None) -> Commit:
    return Commit(
        key, version, payload, "ann@example.com", f"the {version}.", times.from_ms(1_700_000_000_000 + version),
        payload is None, revision=revision,
    )  # fmt: skip


def head(key: str, version: int, payload: bytes | None = b"x", revision: int = 0) -> PackedHead:
    return head_of(key, to_bytes(commit(key, version, payload)), revision)


class ByHand:
    """A source that does only what a test says."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.sink: Sink
        self.fate = ""

    def start(self, sink: Sink) -> None:
        self.sink = sink
        self.started.set()

    def close(self) -> None:
        self.fate += "closed"

    def abandon(self) -> None:
        self.fate += "abandoned"

    def describe(self) -> str:
        return "a test"

    def load(self, heads: Iterable[PackedHead], position: Position | None) -> None:
        """A whole state, and that it is all there is."""
        assert self.sink.replace(list(heads), position)
        self.sink.confirm(None if position is None else position.revision)

    def away(self, error: RainerError | None = AWAY) -> None:
        self.sink.away(error)


class Loaded(ByHand):
    """A source that has everything at once."""

    def __init__(self, heads: Iterable[PackedHead] = (), position: Position | None = None) -> None:
        super().__init__()
        self.heads, self.position = list(heads), position or at(0)

    def start(self, sink: Sink) -> None:
        super().start(sink)
        self.load(self.heads, self.position)


class Absent(ByHand):
    """A source that is away from the beginning."""

    def start(self, sink: Sink) -> None:
        super().start(sink)
        self.away()


def mirror_of(source: ByHand, **options: object) -> Mirror:
    return Mirror(lambda: source, "diary", **options)  # type: ignore[arg-type]
