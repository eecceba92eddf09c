"""Collecting unreferenced objects: what it finds, what it never touches, and publishers who come in between."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import rainer.testing
from rainer.assets import collecting, collecting_marks
from rainer.assets.collecting import collect, unreferenced
from rainer.assets.collecting_marks import LEASE_S, PREFIX, Mark, marked, wait_until_unmarked
from rainer.assets.published import Published
from rainer.errors import InvalidError, StoreUnavailable
from rainer.model.manifest import Entry, Manifest
from rainer.store.memory import MemoryStore
from rainer.store.store import ObjectInfo
from tests.publishing import DrivenStore, Room, room
from tests.services.waiting import wait_until

pytestmark = pytest.mark.faults
PATH = "/foo/bar.csv"
_PATIENCE_S = 30.0
STRAY = "foo/bar.1.1.0.csv"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Room]:
    """A path at 1.0.0, and an object for its 1.1.0 that an interrupted publish has left.

    On a server of its own: what any manifest on it names is kept, whichever test committed it.
    """
    with rainer.testing.server() as server:
        made = room(server.url, tmp_path)
        with made.client:
            made.publisher().add(PATH, made.file("1"))
            made.store.put(made.store.uri(STRAY), b"stray")
            yield made


class Older(DrivenStore):
    """A store whose listing tells of the test's objects that they are so many seconds older."""

    def __init__(self, inner: MemoryStore, ages_s: dict[str, float | None]) -> None:
        super().__init__(inner)
        self.ages_s = ages_s

    def _aged(self, info: ObjectInfo) -> ObjectInfo:
        age_s = self.ages_s.get(self.name(info.uri), 0.0)
        mtime = None if age_s is None or info.mtime is None else info.mtime - timedelta(seconds=age_s)
        return ObjectInfo(info.uri, info.size, info.etag, info.sha256, mtime)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        return iter([self._aged(info) for info in self.inner.list(prefix)])

    def head(self, uri: str) -> ObjectInfo:
        return self._aged(self.inner.head(uri))


def test_a_dry_run_lists_and_a_real_one_removes(here: Room) -> None:
    dry, heard = here.collect(dry_run=True)
    assert (dry.listed, dry.found, dry.found_bytes, dry.removed, dry.is_dry_run) == (2, 1, 5, 0, True)
    assert [(one.path, one.version, one.size, one.is_known) for one in heard] == [(PATH, "1.1.0", 5, True)]
    assert next(iter(unreferenced(here.client, here.store, grace_s=0))).uri == heard[0].uri
    assert here.objects() == ["foo/bar.1.0.0.csv", STRAY]
    real, heard = here.collect()
    assert (real.found, real.removed, real.removed_bytes, len(heard)) == (1, 1, 5, 1)
    assert here.objects() == ["foo/bar.1.0.0.csv"]
    assert here.collect()[0].found == 0


def test_what_any_version_of_any_manifest_names_stays(here: Room) -> None:
    """Old versions, removed paths and keys, other namespaces, parts, overrides by URL, closed history: all of it."""
    publisher = here.publisher("other")
    publisher.add_many({f"/x/{n}": here.file(str(n)) for n in range(3)})
    publisher.update("/x/0", here.file("new"))
    publisher.remove("/x/1")
    here.client.commit("other", None, version=4)
    elsewhere = here.client.in_namespace(here.client.namespace_name + "-2")
    elsewhere.create_namespace(elsewhere.namespace_name, format="json")
    large = Manifest({f"/large/{n}": Entry("1.0.0", "a" * 64, 1) for n in range(4_200)})
    elsewhere.commit("big", b"{}", version=1, author="me")
    for n in range(20):
        here.store.put(here.store.uri(f"large/{n}.1.0.0"), b"x")
    from rainer.assets.committing import KeptManifest

    kept = KeptManifest(elsewhere, "big", author="me", short=False, patience_s=10)
    kept.change(lambda _: dict(large), None)
    kept.change(lambda stored: dict.fromkeys(stored.manifest), None)
    here.store.put(here.store.uri("by/url.1.0.0"), b"x")
    here.publisher().override("/elsewhere", here.store.uri("by/url.1.0.0"))
    here.publisher().remove("/elsewhere")
    before = here.objects()
    found, heard = here.collect(foreign=True)
    assert [one.version for one in heard] == ["1.1.0"]
    assert found.removed == 1
    assert set(before) - set(here.objects()) == {STRAY}


def test_nothing_younger_than_the_grace_age_or_ageless(here: Room) -> None:
    day = 86_400.0
    store = Older(MemoryStore(here.store.url), {STRAY: 6.9 * day, "foo/bar.1.2.0.csv": 7.1 * day})
    for version in ("1.2.0", "1.3.0"):
        store.put(store.uri(f"foo/bar.{version}.csv"), b"x")
    store.ages_s["foo/bar.1.3.0.csv"] = None
    found = collect(here.client, store)
    assert (found.removed, found.young) == (1, 3)
    assert here.objects() == ["foo/bar.1.0.0.csv", STRAY, "foo/bar.1.3.0.csv"]
    with pytest.raises(InvalidError):
        collect(here.client, store, grace_s=-1)


def test_the_stores_clock_decides_not_ours(here: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(days=30)

    monkeypatch.setattr(collecting, "datetime", Ahead)
    assert here.collect(grace_s=86_400.0)[0].removed == 0
    assert STRAY in here.objects()


def test_nothing_whose_name_is_not_of_our_form(here: Room) -> None:
    for name in ("readme.txt", "foo/bar.csv", "foo/bar.1.1.csv", "foo/bar.01.1.0.csv", "foo/bar.1.1.0.csv/x"):
        here.store.put(here.store.uri(name), b"x")
    here.collect(foreign=True)
    assert len(here.objects()) == 6


def test_paths_that_no_manifest_knows_stay_unless_asked_for(here: Room) -> None:
    """Whoever names the wrong server, or shares a bucket with another, loses nothing."""
    here.store.put(here.store.uri("their/model.1.0.0.bin"), b"x")
    found, heard = here.collect()
    assert (found.found, found.foreign, found.removed) == (2, 1, 1)
    assert {(one.path, one.is_known) for one in heard} == {(PATH, True), ("/their/model.bin", False)}
    assert here.collect(foreign=True)[0].removed == 1
    assert here.objects() == ["foo/bar.1.0.0.csv"]


def test_other_servers_and_checked_in_files_count(here: Room) -> None:
    lock = here.folder / "lock.json"
    lock.write_text(json.dumps({"manifest": "prod", "entries": {PATH: {"version": "1.1.0"}}}))
    assert here.collect(also=[lock])[0].removed == 0
    with rainer.testing.server() as other:
        theirs = room(other.url, here.folder, here.store)
        with theirs.client:
            theirs.publisher().add(PATH, theirs.file("stray"), "1.1.0")
            assert here.collect(also=[theirs.client])[0].removed == 0
    assert here.collect()[0].removed == 1


def test_a_prefix(here: Room) -> None:
    assert here.collect(prefix="/other")[0].listed == 0
    assert here.collect(prefix="/foo")[0].removed == 1


def test_more_than_a_batch(here: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "BATCH", 7)
    for n in range(50):
        here.store.put(here.store.uri(f"foo/bar.2.0.{n}.csv"), b"x")
    found, heard = here.collect()
    assert (found.removed, len(heard), len({one.uri for one in heard})) == (51, 51, 51)
    assert here.objects() == ["foo/bar.1.0.0.csv"]


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
