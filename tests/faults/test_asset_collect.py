"""Collecting unreferenced objects: what it finds, what it never touches, and publishers who come in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import rainer.testing
from rainer.assets import collecting
from rainer.assets.collecting import collect, unreferenced
from rainer.errors import InvalidError
from rainer.model.manifest import Entry, Manifest
from rainer.store.memory import MemoryStore
from tests.publishing import Older, Room, room, room_with_stray

pytestmark = pytest.mark.faults
PATH = "/foo/bar.csv"
_PATIENCE_S = 30.0
STRAY = "foo/bar.1.1.0.csv"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Room]:
    with room_with_stray(tmp_path, PATH, STRAY) as made:
        yield made


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


def test_where_nobody_can_tell_what_is_named_nothing_is_removed(here: Room) -> None:
    names = json.dumps({PATH: "1.1.0"})
    here.client.commit("deep", ("[" * 5_000 + names + "]" * 5_000).encode(), version=1, author="me")
    for dry_run in (True, False):
        with pytest.raises(InvalidError, match="nested too deeply") as caught:
            here.collect(dry_run=dry_run)
        assert "what version 1 of 'deep' in" in str(caught.value)
    assert here.objects() == ["foo/bar.1.0.0.csv", STRAY]


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
