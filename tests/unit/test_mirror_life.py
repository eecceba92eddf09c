"""A mirror's life: how it starts, how it says that it stands, who hears of changes, and how it ends."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rainer.errors import InvalidError, UnavailableError
from rainer.mirror import Change, Mirror, NotYet, backlog, standing
from rainer.model import times
from rainer.model.commit import Commit
from tests.mirrors import AWAY, Absent, ByHand, Loaded, at, commit, head, mirror_of
from tests.services.waiting import wait_until

PATIENCE_S = 10.0


@pytest.fixture
def source() -> Loaded:
    return Loaded([head("a", 1, b"1"), head("b", 1, b"2")], at(2))


# Start and standing


def test_it_is_new_starting_current_stale_and_closed() -> None:
    source = ByHand()
    mirror = mirror_of(source)
    assert (mirror.state, mirror.age_s, mirror.revision, len(mirror)) == ("new", math.inf, None, 0)
    starting = threading.Thread(target=mirror.start)
    starting.start()
    assert source.started.wait(PATIENCE_S)
    assert (mirror.state, mirror.age_s) == ("starting", math.inf)
    source.sink.confirm(7)  # of what is not there yet
    assert (mirror.state, mirror.age_s) == ("starting", math.inf)
    assert source.sink.replace([head("a", 1)], at(3))
    assert (mirror.state, mirror.age_s) == ("stale", math.inf)
    source.sink.confirm(4)  # it is behind, and knows it
    assert (mirror.state, mirror.age_s) == ("stale", math.inf)
    source.sink.confirm(3)
    starting.join()
    assert mirror.state == "current"
    assert mirror.age_s < PATIENCE_S
    source.away()
    assert (mirror.state, mirror.error) == ("stale", AWAY)
    source.away(None)
    assert (mirror.state, str(mirror.error)) == ("stale", "the source cannot be reached")
    source.sink.confirm(3)
    assert (mirror.state, mirror.error) == ("current", None)
    mirror.close()
    assert (mirror.state, mirror["a"], source.fate) == ("closed", commit("a", 1), "closed")
    mirror.close()
    assert source.fate == "closed"


def test_its_age_counts_from_the_moment_that_is_confirmed(source: Loaded) -> None:
    with mirror_of(source) as mirror:
        assert mirror.age_s < PATIENCE_S
        source.sink.confirm(2, times.now_ms() - 60_000)  # told late: it is known already that it was current later
        assert mirror.age_s < PATIENCE_S
    late = Loaded([head("a", 1)], at(1))
    late.load = lambda heads, position: (  # type: ignore[method-assign]
        late.sink.replace(heads, position), late.sink.confirm(1, times.now_ms() - 60_000),
    )  # fmt: skip
    with mirror_of(late) as mirror:
        assert 60 <= mirror.age_s < 60 + PATIENCE_S
        assert mirror.age_s > standing.STALE_AFTER_S
        assert mirror.state == "stale"
        late.sink.confirm(1, times.now_ms() + 60_000)  # a clock that runs ahead is not believed
        assert 0 <= mirror.age_s < PATIENCE_S


def test_a_start_that_brings_nothing_says_why_and_leaves_nothing() -> None:
    source = Absent()
    with pytest.raises(UnavailableError, match=r"from a test within 0\.1 s: the source is away") as caught:
        mirror_of(source).start(timeout_s=0.1)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.hint == "wait"
    assert source.fate == "closed"


def test_a_mirror_is_started_once(source: Loaded) -> None:
    with mirror_of(source) as mirror, pytest.raises(InvalidError, match="started once"):
        mirror.start()
    with pytest.raises(InvalidError, match="started once"):
        mirror.start()


def test_a_close_ends_a_start() -> None:
    source = ByHand()
    mirror = mirror_of(source)
    caught: list[Exception] = []
    starting = threading.Thread(target=lambda: caught.append(_error(mirror.start)))
    starting.start()
    assert source.started.wait(PATIENCE_S)
    mirror.close()
    starting.join()
    assert isinstance(caught[0], NotYet)


def test_a_source_that_cannot_be_made_is_an_error() -> None:
    def refuse() -> ByHand:
        raise InvalidError("no such thing")

    mirror = Mirror(refuse, "diary")
    with pytest.raises(InvalidError, match="no such thing"):
        mirror.start()
    assert mirror.state == "closed"


def test_a_name_or_an_address_that_cannot_be_is_refused_at_once() -> None:
    with pytest.raises(InvalidError):
        Mirror(ByHand, "No Namespace")
    with pytest.raises(InvalidError):
        Mirror.http("nonsense")
    with pytest.raises(InvalidError):
        Mirror.http("http://localhost/diary", poll_s=0)


# Waiting


def test_waiting_ends_with_the_version_its_removal_or_a_later_one(source: Loaded) -> None:
    with mirror_of(source) as mirror:
        assert mirror.wait_for("a", 1) == commit("a", 1, b"1")
        waited: list[Commit | None] = []
        waiting = threading.Thread(target=lambda: waited.append(mirror.wait_for("a", 2, timeout_s=PATIENCE_S)))
        waiting.start()
        source.sink.apply([head("a", 3)], at(3))
        waiting.join()
        assert waited == [commit("a", 3)]
        source.sink.apply([head("a", 4, None)], at(4))
        assert mirror.wait_for("a", 4) is None
        mirror.wait_for_revision(4)
        with pytest.raises(TimeoutError, match=r"had not version 5 of key 'a' within 0\.01 s"):
            mirror.wait_for("a", 5, timeout_s=0.01)
        with pytest.raises(NotYet, match="revision 5"):
            mirror.wait_for_revision(5, 0.01)
        with pytest.raises(InvalidError):
            mirror.wait_for("a", 0)


def test_a_close_wakes_who_waits(source: Loaded) -> None:
    mirror = mirror_of(source)
    mirror.start()
    caught: list[Exception] = []
    waiting = threading.Thread(target=lambda: caught.append(_error(lambda: mirror.wait_for("a", 2))))
    waiting.start()
    mirror.close()
    waiting.join()
    assert "was closed before it had version 2" in str(caught[0])


# Callbacks


def test_callbacks_hear_of_every_change_in_order(source: Loaded) -> None:
    heard: list[tuple[str, Commit | None, Commit | None]] = []
    mirror = mirror_of(source)
    mirror.on_change(lambda *change: heard.append(change))
    with mirror:
        source.sink.apply([head("a", 2), head("a", 3, None), head("a", 4)], at(5))
        source.load([head("a", 4)], at(6))
        expected = [
            ("a", None, commit("a", 1, b"1")), ("b", None, commit("b", 1, b"2")),
            ("a", commit("a", 1, b"1"), commit("a", 2)), ("a", commit("a", 2), None), ("a", None, commit("a", 4)),
            ("b", commit("b", 1, b"2"), None),
        ]  # fmt: skip
        wait_until(lambda: len(heard) >= len(expected), PATIENCE_S, lambda: str(heard))
        assert heard == expected


def test_a_callback_may_read_wait_add_others_and_close(source: Loaded) -> None:
    mirror = mirror_of(source)
    did: list[Any] = []

    def callback(key: str, _old: Commit | None, new: Commit | None) -> None:
        if new is None or new.version != 2:
            return
        did.append(mirror[key].version)
        threading.Thread(target=lambda: source.sink.apply([head("b", 2)], at(4))).start()
        did.append(mirror.wait_for("b", 2, timeout_s=PATIENCE_S))
        mirror.on_change(lambda *_: None)()
        mirror.close()
        did.append(mirror.state)

    with mirror:
        mirror.on_change(callback)
        source.sink.apply([head("a", 2)], at(3))
        wait_until(lambda: len(did) == 3, PATIENCE_S, lambda: str(did))
    assert did == [2, commit("b", 2), "closed"]


def test_a_callback_that_fails_is_said_and_harms_nobody(source: Loaded, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []
    with mirror_of(source) as mirror:
        mirror.on_change(lambda *_: 1 / 0)
        leave = mirror.on_change(lambda key, *_: heard.append(key))
        source.sink.apply([head("a", 2), head("b", 2)], at(4))
        wait_until(lambda: heard == ["a", "b"], PATIENCE_S, lambda: str(heard))
        leave()
        leave()
        later: list[str] = []
        mirror.on_change(lambda key, *_: later.append(key))
        source.sink.apply([head("a", 3)], at(5))
        wait_until(lambda: later == ["a"], PATIENCE_S, lambda: str(later))
        assert heard == ["a", "b"]
    assert caplog.text.count("ZeroDivisionError: division by zero") == 3


def test_a_callback_that_blocks_does_not_hold_up_the_mirror(source: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "CHANGES_MAX", 10)
    gate, heard = threading.Event(), list[tuple[str, int | None, int | None]]()

    def callback(key: str, old: Commit | None, new: Commit | None) -> None:
        gate.wait(PATIENCE_S)
        heard.append((key, old and old.version, new and new.version))

    with mirror_of(source) as mirror:
        mirror.on_change(callback)
        for version in range(2, 100):
            source.sink.apply([head("a", version)], at(1 + version))
        source.sink.apply([head("b", 2, None)], at(101))
        assert mirror["a"].version == 99
        gate.set()
        wait_until(lambda: heard and heard[-1][0] == "b", PATIENCE_S, lambda: str(heard))
    assert len(heard) < 30
    assert heard[-1] == ("b", 1, None)
    assert [old for _, old, _ in heard[:-1]] == [1, *[new for _, _, new in heard[:-2]]]
    assert heard[-2][2] == 99


# asyncio


def test_changes_are_iterated_until_the_mirror_closes(source: Loaded) -> None:
    async def read(mirror: Mirror, came: list[Change]) -> None:
        async for change in mirror.changes():
            came.append(change)
            if len(came) == 1:
                await asyncio.to_thread(source.sink.apply, [head("b", 2)], at(4))
            if len(came) == 2:
                await asyncio.to_thread(mirror.close)

    async def main() -> list[Change]:
        came: list[Change] = []
        with mirror_of(source) as mirror:
            reading = asyncio.create_task(read(mirror, came))
            await asyncio.sleep(0)
            await asyncio.to_thread(source.sink.apply, [head("a", 2)], at(3))
            await asyncio.wait_for(reading, PATIENCE_S)
        return came

    assert asyncio.run(main()) == [
        Change("a", commit("a", 1, b"1"), commit("a", 2)), Change("b", commit("b", 1, b"2"), commit("b", 2)),
    ]  # fmt: skip


def test_a_reader_gets_what_came_before_it_began_to_read_and_may_leave(source: Loaded) -> None:
    async def main(mirror: Mirror) -> list[str]:
        early, left = mirror.changes(), mirror.changes()
        await left.aclose()
        source.sink.apply([head("a", 2)], at(3))
        async with early:
            found = [(await anext(early)).key]
        source.sink.apply([head("a", 3)], at(4))
        return found + [change.key async for change in early] + [change.key async for change in left]

    with mirror_of(source) as mirror:
        assert asyncio.run(main(mirror)) == ["a"]
        assert mirror._listeners._readers == ()
        forgotten = mirror.changes()
        source.sink.apply([head("a", 4)], at(5))
    assert asyncio.run(_all(forgotten)) == ["a"]
    assert asyncio.run(_all(mirror.changes())) == []


async def _all(changes: Any) -> list[str]:
    return [change.key async for change in changes]


def test_a_loop_that_ended_with_a_reader_open_harms_nobody(source: Loaded) -> None:
    async def peek(mirror: Mirror) -> Any:
        changes = mirror.changes()
        source.sink.apply([head("a", 2)], at(3))
        await anext(changes)
        return changes

    with mirror_of(source) as mirror:
        asyncio.run(peek(mirror))
        assert source.sink.apply([head("a", 3)], at(4))


# Typed values


def test_values_keep_the_last_that_parses() -> None:
    source = Loaded([head("good", 1, b"1"), head("bad", 1, b"{"), head("late", 1, b"[]")], at(3))
    with mirror_of(source) as mirror:
        values = mirror.values(json.loads)
        assert dict(values) == {"good": 1, "late": []}
        assert (len(values), "bad" in values, values.get("bad"), "nowhere" in values) == (2, False, None, False)
        assert set(values.errors) == {"bad"}
        assert "JSONDecodeError" in values.errors["bad"]
        source.sink.apply([head("good", 2, b"{"), head("bad", 2, b"2"), head("late", 2, None)], at(6))
        assert dict(values) == {"good": 1, "bad": 2}
        assert set(values.errors) == {"good"}
        source.sink.apply([head("good", 3, b"3"), head("late", 3, b"}")], at(8))
        assert dict(values) == {"good": 3, "bad": 2}
        assert set(values.errors) == {"late"}


@pytest.mark.parametrize("bad_ones", [1, 3])
def test_the_last_good_value_is_found_even_where_nobody_had_read_it(bad_ones: int) -> None:
    source = Loaded([head("a", 1, b"1")], at(1))
    with mirror_of(source) as mirror:
        values = mirror.values(json.loads)
        for version in range(2, 2 + bad_ones):
            source.sink.apply([head("a", version, b"{")], at(version))
        assert values["a"] == 1
        assert mirror["a"].version == 1 + bad_ones
        wait_until(lambda: values._before == {}, PATIENCE_S, "what is known to be bad to be forgotten")


def test_a_bad_value_is_known_without_being_read_and_each_is_parsed_once(source: Loaded) -> None:
    parsed: list[bytes] = []

    def parse(payload: bytes) -> Any:
        parsed.append(payload)
        return json.loads(payload)

    with mirror_of(source) as mirror:
        values = mirror.values(parse)
        source.sink.apply([head("a", 2, b"{")], at(3))
        wait_until(lambda: "a" in values._judged, PATIENCE_S, "the new payload to be parsed")
        for _ in range(3):
            assert (values["a"], set(values.errors)) == (1, {"a"})
        assert sorted(parsed) == [b"1", b"2", b"{"]


def test_values_that_nobody_holds_any_more_cost_nothing(source: Loaded) -> None:
    with mirror_of(source) as mirror:
        values = mirror.values(json.loads)
        assert values["a"] == 1
        del values
        assert not mirror._listeners.wants_steps


def _error(call: Callable[[], object]) -> Exception:
    try:
        call()
    except Exception as e:
        return e
    raise AssertionError("no error")


# At the end


def test_nothing_is_said_of_a_good_life(source: Loaded, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(2):
        with mirror_of(source, snapshot=tmp_path / "diary") as mirror:
            mirror.on_change(lambda *_: None)
            assert repr(mirror) == "<Mirror of diary: 2 heads, revision 2, current>"
    assert caplog.records == []
