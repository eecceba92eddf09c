"""Listens in on what a source tells its mirror, for those who follow the mirror."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rainer.errors import RainerError
from rainer.mirror.source import Sink, Source
from rainer.model.commit import Commit
from rainer.model.packed import PackedHead
from rainer.model.position import Position
from rainer.service.recent import Recent

_NONE: Final[Mapping[str, Commit]] = {}


class TappedSource:
    """A source whose words also go to a memory of recent changes, once the mirror has taken them."""

    def __init__(self, source: Source, recent: Recent, heads: Mapping[str, Commit] = _NONE) -> None:
        self._source, self._recent, self._heads = source, recent, heads

    def start(self, sink: Sink) -> None:
        self._recent.begin(sink.position)
        self._source.start(_TappedSink(sink, self._recent, self._heads))

    def close(self) -> None:
        self._source.close()

    def abandon(self) -> None:
        self._source.abandon()

    def describe(self) -> str:
        return self._source.describe()


class _TappedSink:
    """The mirror, and the memory beside it."""

    def __init__(self, sink: Sink, recent: Recent, heads: Mapping[str, Commit]) -> None:
        self._sink, self._recent, self._heads = sink, recent, heads

    @property
    def namespace(self) -> str:
        return self._sink.namespace

    @property
    def position(self) -> Position | None:
        return self._sink.position

    @property
    def rejected(self) -> Mapping[str, str]:
        return self._sink.rejected

    def replace(self, heads: Iterable[PackedHead], position: Position | None) -> bool:
        taken = self._sink.replace(heads, position)
        if taken:
            self._recent.begin(self._sink.position)
        return taken

    def apply(self, records: Sequence[PackedHead], position: Position | None, *, repair: bool = False) -> bool:
        began = self._sink.position
        before = {head.key: self._heads.get(head.key) for head in records} if repair else {}
        taken = self._sink.apply(records, position, repair=repair)
        now = self._sink.position
        if not taken or now is None:
            return taken
        if any(self._heads.get(key) != old for key, old in before.items()):
            self._recent.disrupt(now)
        elif now != began:
            self._recent.step(now, [] if repair else records)
        return taken

    def reject(self, key: str, why: str) -> None:
        self._sink.reject(key, why)

    def confirm(self, revision: int | None, at_ms: int | None = None) -> None:
        self._sink.confirm(revision, at_ms)
        self._recent.confirm()

    def away(self, error: RainerError | None) -> None:
        self._sink.away(error)
