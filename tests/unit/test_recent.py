"""What a mirror server remembers of changes: where readers go on, and when they must not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rainer.errors import PositionGone, UnavailableError
from rainer.model.commit import Commit
from rainer.model.packed import Kind, PackedHead
from rainer.model.position import Position
from rainer.model.serialization import to_bytes
from rainer.model.times import from_ms
from rainer.service import recent as module
from rainer.service.pins import Pins
from rainer.service.recent import Recent
from rainer.service.tap import TappedSource


def at(revision: int, lineage: str = "one") -> Position:
    return Position(lineage, revision, revision.to_bytes(32, "big"))


def head(key: str, version: int = 1, payload: bytes = b"x") -> PackedHead:
    commit = Commit(key, version, payload, "me", "", from_ms(0))
    return PackedHead(key, version, version, Kind.HEAD, to_bytes(commit))


def begun(revision: int = 5, bytes_max: int = 10_000_000) -> Recent:
    recent = Recent(bytes_max=bytes_max)
    recent.begin(at(revision))
    return recent


def test_steps_are_read_from_where_a_reader_stands_and_never_split() -> None:
    recent = begun()
    recent.step(at(6), [head("a")])
    recent.step(at(8), [head("b"), head("c")])
    recent.step(at(9), [])
    page = recent.read(recent.find(5, "one", at(5).chain), 2)
    assert [[h.key for h in step.heads] for step in page.steps] == [["a"]]
    assert (page.position, page.more) == (at(6), True)
    page = recent.read(page.next, 1)
    assert [h.key for step in page.steps for h in step.heads] == ["b", "c"]
    page = recent.read(page.next, 1)
    assert (page.has_changes, page.position, page.more) == (False, at(9), False)
    assert recent.read(recent.find(9, None, None), 1).steps == []
    assert len(recent.read(recent.find(7, None, None), 9).steps) == 2, "between two steps: the later one, whole"


@pytest.mark.parametrize(
    ("since", "lineage", "chain"),
    [(4, None, None), (5, "two", None), (5, "one", at(6).chain), (6, "one", at(5).chain), (7, "one", at(7).chain)],
)
def test_a_position_that_is_not_held_is_gone(since: int, lineage: str | None, chain: bytes | None) -> None:
    recent = begun()
    recent.step(at(6), [head("a")])
    recent.step(at(8), [head("b")])
    with pytest.raises(PositionGone):
        recent.find(since, lineage, chain)


def test_a_reader_that_is_ahead_waits() -> None:
    with pytest.raises(UnavailableError, match="not yet at 6"):
        begun().find(6, None, None)
    with pytest.raises(UnavailableError):
        Recent().find(0, None, None)


def test_it_is_bounded_and_slow_readers_load_anew() -> None:
    recent = begun(0, bytes_max=5_000)
    place = recent.find(0, None, None)
    for revision in range(1, 100):
        recent.step(at(revision), [head("k", revision)])
    with pytest.raises(PositionGone):
        recent.read(place, 10)
    with pytest.raises(PositionGone):
        recent.find(0, None, None)
    assert recent.read(recent.find(98, None, None), 10).steps[0].upto == at(99)


def test_loading_anew_ends_a_run_and_the_same_position_does_not() -> None:
    recent = begun()
    place = recent.find(5, None, None)
    recent.begin(at(5))
    assert recent.read(place, 1).steps == []
    recent.begin(at(7))
    with pytest.raises(PositionGone):
        recent.read(place, 1)
    recent.step(at(8, "two"), [head("a")])
    assert recent.position == at(8, "two")
    with pytest.raises(PositionGone):
        recent.find(7, "one", None)


class Heads(dict[str, Commit]):
    """A mirror, as far as these parts look at one."""

    namespace = "diary"
    rejected: Mapping[str, str] = {}

    def __init__(self) -> None:
        super().__init__()
        self.position = at(5)

    def snapshot(self) -> dict[str, Commit]:
        return dict(self)

    def replace(self, heads: object, position: Position) -> bool:
        self.position = position
        return True

    def apply(self, records: list[PackedHead], position: Position, *, repair: bool = False) -> bool:
        for record in records:
            self[record.key] = Commit(record.key, record.version, b"", "me", "", from_ms(0))
        self.position = max(self.position, position, key=lambda p: p.revision)
        return True


class Source:
    """A source that does what the test says."""

    def start(self, sink: object) -> None:
        self.sink = sink


def test_a_repair_that_changes_something_sends_readers_back(monkeypatch: pytest.MonkeyPatch) -> None:
    heads, source, recent = Heads(), Source(), Recent()
    tapped = TappedSource(source, recent, heads)  # type: ignore[arg-type]
    tapped.start(heads)  # type: ignore[arg-type]
    sink = source.sink
    assert sink.apply([head("a")], at(6))  # type: ignore[attr-defined]
    assert sink.apply([head("a")], at(6))  # type: ignore[attr-defined]
    place = recent.find(5, None, None)
    assert len(recent.read(place, 10).steps) == 1, "what came twice is told once"
    pins = Pins(heads, recent)
    assert pins.now() is pins.now()
    before = pins.now()
    assert sink.apply([head("a")], at(6), repair=True)  # type: ignore[attr-defined]
    assert recent.read(place, 10).steps, "nothing was wrong"
    assert sink.apply([head("a", 2)], at(6), repair=True)  # type: ignore[attr-defined]
    with pytest.raises(PositionGone):
        recent.read(place, 10)
    with pytest.raises(PositionGone, match="repaired"):
        recent.find(6, None, None)
    assert pins.now().commits[0].version == 2
    assert before.commits[0].version == 1
    monkeypatch.setattr(module, "_DISRUPTION_S", 0.0)
    assert recent.read(recent.find(6, None, None), 1).steps == []
