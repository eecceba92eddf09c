"""What a mirror takes from its source and what it refuses: never back, never half, never the loss of a good value."""

from __future__ import annotations

import logging

import pytest

from rainer.mirror import feed as feed_module
from rainer.model.packed import Kind, PackedHead
from tests.mirrors import LINEAGE, OTHER_LINEAGE, ByHand, Loaded, at, commit, head, mirror_of

GARBAGE = b"12\nno json here\n\n"


def bad(key: str, version: int = 0) -> PackedHead:
    return PackedHead(key, version, 0, Kind.HEAD, GARBAGE)


@pytest.fixture
def source() -> Loaded:
    return Loaded([head("a", 1), head("b", 1)], at(2))


def test_nothing_is_applied_before_a_load_nor_of_another_lineage(source: Loaded) -> None:
    unloaded = ByHand()
    mirror = mirror_of(unloaded)
    source_of_nothing = unloaded
    source_of_nothing.start(mirror._feed)
    assert not unloaded.sink.apply([head("a", 1)], at(1))
    mirror.close()
    with mirror_of(source) as mirror:
        assert not source.sink.apply([head("a", 2)], at(3, OTHER_LINEAGE))
        assert not source.sink.apply([head("a", 2)], None)
        assert mirror.position == at(2)
        assert mirror["a"].version == 1


def test_what_is_older_is_ignored_and_repairs_are_taken(source: Loaded) -> None:
    with mirror_of(source) as mirror:
        assert source.sink.apply([head("a", 2), head("a", 3, b"3")], at(4))
        assert source.sink.apply([head("a", 2, b"again")], at(3))
        assert source.sink.apply([head("a", 3, b"other"), head("b", 1, b"other")], at(5))
        assert (mirror["a"], mirror["b"], mirror.position) == (commit("a", 3, b"3"), commit("b", 1), at(5))
        assert source.sink.apply([head("a", 2, b"repaired"), head("b", 1, None)], at(5), repair=True)
        assert (dict(mirror), mirror.position) == ({"a": commit("a", 2, b"repaired")}, at(5))
        assert source.sink.apply([head("a", 1, b"older repair")], at(3), repair=True)
        assert (mirror["a"].payload, mirror.position) == (b"older repair", at(5))


def test_a_repair_of_a_version_made_by_hand_lets_the_next_ones_through(source: Loaded) -> None:
    with mirror_of(source) as mirror:
        source.load([head("a", 99, b"by hand"), head("b", 1)], at(2))
        assert mirror["a"].version == 99
        source.sink.apply([head("a", 5)], at(2), repair=True)
        source.sink.apply([head("a", 6)], at(3))
        source.sink.apply([head("a", 7)], at(4))
        assert mirror["a"].version == 7


def test_a_removed_key_does_not_come_back_with_an_older_version(source: Loaded) -> None:
    with mirror_of(source) as mirror:
        source.sink.apply([head("a", 2, None)], at(3))
        source.sink.apply([head("a", 1), head("c", 1)], at(4))
        assert set(mirror) == {"b", "c"}
        source.load([head("b", 1), head("c", 1)], at(5))
        source.sink.apply([head("a", 2)], at(6))
        assert "a" not in mirror
        source.sink.apply([head("a", 3)], at(7))
        assert mirror["a"].version == 3


def test_an_older_state_of_the_lineage_is_refused(source: Loaded) -> None:
    with mirror_of(source) as mirror:
        assert not source.sink.replace([head("a", 1)], at(1))
        assert (len(mirror), mirror.position) == (2, at(2))
        assert source.sink.replace([head("a", 2)], at(2, mark=9))
        assert (set(mirror), mirror.position) == ({"a"}, at(2, mark=9))


def test_another_lineage_is_loaded_and_said(source: Loaded, caplog: pytest.LogCaptureFixture) -> None:
    with mirror_of(source) as mirror:
        source.sink.apply([head("a", 9)], at(9))
        source.load([head("a", 1, b"other")], at(1, OTHER_LINEAGE))
        assert dict(mirror) == {"a": commit("a", 1, b"other")}
        assert mirror.revision == 1
        assert source.sink.apply([head("a", 2)], at(2, OTHER_LINEAGE))
    assert f"{OTHER_LINEAGE} after {LINEAGE}" in caplog.text


def test_bytes_that_do_not_parse_leave_the_last_good_value(source: Loaded, caplog: pytest.LogCaptureFixture) -> None:
    with mirror_of(source) as mirror:
        assert source.sink.apply([bad("a", 2), head("b", 2), bad("new", 1)], at(3))
        assert dict(mirror) == {"a": commit("a", 1), "b": commit("b", 2)}
        assert set(mirror.rejected) == {"a", "new"}
        assert "header" in mirror.rejected["a"]
        assert source.sink.replace([bad("a"), head("b", 2), head("c", 1)], at(4))
        assert {c.key: c.version for c in mirror.values()} == {"a": 1, "b": 2, "c": 1}
        assert set(mirror.rejected) == {"a"}
        source.sink.reject("b", "its parts are missing")
        assert mirror.rejected["b"] == "its parts are missing"
        source.sink.apply([head("a", 3), head("b", 3)], at(5))
        assert (mirror["a"].version, mirror.rejected) == (3, {})
    assert "its last good value is kept" in caplog.text
    assert "there was no good one before" in caplog.text


def test_without_positions_no_key_goes_back(source: Loaded) -> None:
    old = Loaded([head("a", 5), head("b", 1)])
    old.position = None  # type: ignore[assignment]
    with mirror_of(old) as mirror:
        assert (mirror.position, mirror.revision, mirror.state) == (None, None, "current")
        old.load([head("a", 4), head("c", 1)], None)
        assert {c.key: c.version for c in mirror.values()} == {"a": 5, "c": 1}
        assert "version 4 came after version 5" in mirror.rejected["a"]
        old.load([head("a", 6), head("b", 1)], None)  # an ancestor lets a removed key return as it was
        assert {c.key: c.version for c in mirror.values()} == {"a": 6, "b": 1}
        assert mirror.rejected == {}
        assert old.sink.apply([head("a", 7)], None)
        assert mirror["a"].version == 7


def test_a_key_that_an_ancestor_forgot_does_not_block_its_return() -> None:
    old = Loaded([head("a", 5)])
    old.position = None  # type: ignore[assignment]
    with mirror_of(old) as mirror:
        old.load([], None)
        old.load([head("a", 5)], None)
        assert mirror["a"].version == 5


def test_a_closed_mirror_takes_nothing(source: Loaded) -> None:
    with mirror_of(source) as mirror:
        pass
    assert not source.sink.apply([head("a", 2)], at(3))
    assert not source.sink.replace([], at(3))
    source.sink.confirm(2)
    assert (mirror["a"].version, mirror.state) == (1, "closed")


def test_a_snapshot_from_the_future_is_dropped_when_the_source_insists(
    source: Loaded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(feed_module, "_FUTURE_S", 0.0)
    mirror = mirror_of(source)
    mirror._feed.restore([head("a", 9)], at(9), 0)
    assert mirror["a"].version == 9
    mirror.start()
    assert (dict(mirror), mirror.revision, mirror.state) == ({"a": commit("a", 1), "b": commit("b", 1)}, 2, "current")
    assert "from the future, revision 9" in caplog.text
    mirror.close()


def test_a_snapshot_that_a_lagging_server_does_not_know_yet_is_kept(source: Loaded) -> None:
    mirror = mirror_of(source)
    mirror._feed.restore([head("a", 9)], at(9), 0)
    mirror._standing.is_started = True
    assert not mirror._feed.replace([head("a", 1)], at(2))
    assert mirror._feed.replace([head("a", 10)], at(10))
    assert not mirror._feed.replace([head("a", 9)], at(9))
    mirror.close()


def test_rejections_are_said_once(source: Loaded, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with mirror_of(source):
        for revision in range(3, 9):
            source.sink.apply([bad("a", 2)], at(revision))
    assert len(caplog.records) == 1
