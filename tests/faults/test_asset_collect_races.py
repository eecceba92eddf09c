"""Collections and publishers at once, in every schedule that could cost a publisher its object."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from rainer.assets import collecting_marks
from rainer.assets.collecting_marks import LEASE_S, PREFIX, Mark, marked, wait_until_unmarked
from rainer.assets.published import Published
from rainer.errors import StoreUnavailable
from rainer.store.memory import MemoryStore
from tests.publishing import DrivenStore, Older, Room, room_with_stray
from tests.services.waiting import wait_until

pytestmark = pytest.mark.faults
PATH = "/foo/bar.csv"
_PATIENCE_S = 30.0
STRAY = "foo/bar.1.1.0.csv"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Room]:
    with room_with_stray(tmp_path, PATH, STRAY) as made:
        yield made


# Publishers who come in between. "exact" versions make them adopt the stray object.


@pytest.fixture
def aside() -> Iterator[Callable[[Callable[[], Published]], Future[Published]]]:
    with ThreadPoolExecutor(4) as pool:
        yield pool.submit


def publish(here: Room, store: DrivenStore) -> Published:
    return here.publisher(store=store).update(PATH, here.file("stray"), version="1.1.0")


def test_one_who_adopts_before_the_collection_looks_is_spared(here: Room) -> None:
    published: list[Published] = []

    def before(call: str, name: str) -> None:
        if call == "put" and name.startswith(PREFIX) and not published:
            published.append(publish(here, DrivenStore(here.store)))

    found, _ = here.collect(store=DrivenStore(here.store, before=before))
    assert (len(published), found.removed) == (1, 0)
    here.every_named_object_is_there()


def test_one_who_comes_while_it_is_removed_waits_and_uploads_anew(
    here: Room, aside: Callable[..., Future[Published]]
) -> None:
    mine = DrivenStore(here.store)
    futures: list[Future[Published]] = []

    def before(call: str, name: str) -> None:
        if (call, name) == ("delete", STRAY):
            futures.append(aside(publish, here, mine))
            wait_until(lambda: mine.calls.count(("list", PREFIX)) > 1, _PATIENCE_S, "the publisher to wait")
            assert not futures[0].done()

    found, _ = here.collect(store=DrivenStore(here.store, before=before))
    assert (futures[0].result(_PATIENCE_S).version, found.removed) == ("1.1.0", 1)
    here.every_named_object_is_there()


def test_one_who_adopted_and_commits_while_it_is_removed_puts_it_back(
    here: Room, aside: Callable[..., Future[Published]]
) -> None:
    at_the_deletion, collected = threading.Event(), []

    def in_collection(call: str, name: str) -> None:
        if (call, name) == ("delete", STRAY):
            at_the_deletion.set()
            wait_until(lambda: here.client.get("prod").version == 2, _PATIENCE_S, "the publisher's commit")
            wait_until(lambda: ("list", PREFIX) in mine.calls, _PATIENCE_S, "the publisher's look for marks")

    def in_publish(call: str, name: str) -> None:
        if (call, name) == ("head", STRAY) and not collected:
            collected.append(aside(here.collect, store=DrivenStore(here.store, before=in_collection)))
            assert at_the_deletion.wait(_PATIENCE_S)
            mine.calls.clear()

    mine = DrivenStore(here.store, after=in_publish)
    assert publish(here, mine).version == "1.1.0"
    assert collected[0].result(_PATIENCE_S)[0].removed == 1  # type: ignore[attr-defined]
    assert mine.calls.count(("put", STRAY)) == 1  # the second one: the first was before the list was cleared
    here.every_named_object_is_there()


def test_one_who_adopted_and_commits_after_it_is_removed_puts_it_back(here: Room) -> None:
    removed: list[int] = []

    def in_publish(call: str, name: str) -> None:
        if (call, name) == ("head", STRAY) and not removed:
            removed.append(here.collect()[0].removed)

    assert publish(here, DrivenStore(here.store, after=in_publish)).version == "1.1.0"
    assert removed == [1]
    here.every_named_object_is_there()


def test_an_object_put_anew_since_it_was_listed_is_left_alone(here: Room) -> None:
    def before(call: str, name: str) -> None:
        if (call, name) == ("head", STRAY):
            here.store.put(here.store.uri(STRAY), b"another")

    found, _ = here.collect(store=DrivenStore(here.store, before=before))
    assert (found.removed, STRAY in here.objects()) == (0, True)


def test_what_cannot_be_put_back_is_said(here: Room) -> None:
    def in_publish(call: str, name: str) -> None:
        if (call, name) == ("put", "foo/bar.1.0.1.csv"):
            here.store.delete(here.store.uri(name))
            file.unlink(missing_ok=True)

    file = here.file("short-lived")
    with pytest.raises(StoreUnavailable, match="could not be put back") as caught:
        here.publisher(store=DrivenStore(here.store, after=in_publish)).update(PATH, file, "patch")
    assert "again" in str(caught.value.hint)


# Marks.


class Clock:
    def __init__(self) -> None:
        self.now, self.slept = 100.0, 0

    def __call__(self) -> float:
        return self.now

    def sleep(self, pause_s: float) -> None:
        self.now += pause_s
        self.slept += 1


def test_a_mark_is_waited_for_until_it_is_gone_or_dead(here: Room) -> None:
    uri = here.store.uri(STRAY)
    clock = Clock()
    mark = Mark(here.store, [uri])
    assert list(marked(here.store, [uri]).values()) == [[uri]]
    assert marked(here.store, [here.store.uri("other")]) == {}
    wait_until_unmarked(here.store, [here.store.uri("other")], clock, clock.sleep)
    assert clock.slept == 0
    wait_until_unmarked(here.store, [uri], clock, clock.sleep)
    assert clock.now - 100.0 >= LEASE_S
    mark.take_away()
    now = clock.now
    wait_until_unmarked(here.store, [uri], clock, clock.sleep)
    assert clock.now == now
    assert LEASE_S > 2 * collecting_marks.DELETE_S


def test_what_is_no_mark_is_ignored(here: Room) -> None:
    for n, body in enumerate((b"", b"{}", b"[]", b'{"uris": 3}')):
        here.store.put(here.store.uri(f"{PREFIX}{n}"), body)
    assert marked(here.store, [here.store.uri(STRAY)]) == {}


def test_a_collection_that_finds_no_time_to_delete_gives_up(here: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting_marks, "DELETE_S", -1.0)
    with pytest.raises(StoreUnavailable, match="so slow"):
        here.collect()
    assert here.objects() == ["foo/bar.1.0.0.csv", STRAY]


def test_marks_of_the_dead_are_taken_away(here: Room) -> None:
    Mark(here.store, [here.store.uri(STRAY)])
    (name,) = [one for one in here.objects() if one.startswith(PREFIX)]
    store = Older(MemoryStore(here.store.url), {name: LEASE_S + 3_700.0})
    assert here.collect(store=store)[0].removed == 1
    assert here.objects() == ["foo/bar.1.0.0.csv"]


def test_a_deletion_without_an_answer_leaves_its_mark(here: Room) -> None:
    def before(call: str, name: str) -> None:
        if call == "delete" and name == STRAY:
            raise StoreUnavailable("no answer")

    with pytest.raises(StoreUnavailable):
        here.collect(store=DrivenStore(here.store, before=before))
    assert marked(here.store, [here.store.uri(STRAY)])


def test_a_storm_of_publishers_and_collections(here: Room, seed: int, thorough: bool) -> None:
    """Few paths, few contents, no grace at all: uploads are removed before their commits all the time."""
    rounds = 60 if thorough else 6
    stop, removed = threading.Event(), []

    def publish_some(number: int) -> None:
        chance = random.Random(seed + number)
        publisher = here.publisher()
        for _ in range(rounds):
            publisher.add_or_update(f"/p{chance.randrange(2)}", here.file(f"{chance.randrange(3)}"), "patch")

    def collect_on() -> None:
        while not stop.is_set():
            removed.append(here.collect(foreign=True)[0].removed)

    with ThreadPoolExecutor(4) as pool:
        collecting_thread = pool.submit(collect_on)
        publishers = [pool.submit(publish_some, number) for number in range(3)]
        try:
            for one in publishers:
                one.result(120)
        finally:
            stop.set()
        collecting_thread.result(_PATIENCE_S)
    print(f"{sum(removed)} removed in {len(removed)} collections, {len(here.client.log('prod'))} commits")
    here.every_named_object_is_there()
