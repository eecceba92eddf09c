"""What is remembered beside the cache: after a full disk, in caches that are read-only or a group's, of an old set."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import rainer
from rainer.assets.following_kept import PIN_S
from rainer.assets.remembered import FOLDER, Remembered
from rainer.cache import AssetCache
from tests.asset_places import Journal, SlowStore, new_store, put, sweep
from tests.mirrors import commit
from tests.services.waiting import wait_until


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[AssetCache]:
    with AssetCache(tmp_path / "cache") as made:
        yield made


def test_it_is_remembered_again_once_that_can_be(cache: AssetCache, caplog: pytest.LogCaptureFixture) -> None:
    cache.directory.mkdir()
    (cache.directory / FOLDER).write_text("in the way")
    remembered = Remembered(cache, "diary", "a")
    remembered.save({"prod": commit("prod", 1, revision=1)})
    remembered.save({"prod": commit("prod", 2, revision=2)})
    assert caplog.text.count("cannot be remembered") == 1
    (cache.directory / FOLDER).unlink()
    remembered.save({"prod": commit("prod", 3, revision=3)})
    found = Remembered(cache, "diary", "a").load()
    assert found is not None
    assert found["prod"].version == 3


def test_nothing_is_written_beside_a_cache_that_is_read_only(cache: AssetCache) -> None:
    Remembered(cache, "diary", "a").save({"prod": commit("prod", 1, revision=1)})
    before = sorted(cache.directory.rglob("*"))
    with AssetCache(cache.directory, read_only=True) as reading:
        remembered = Remembered(reading, "diary", "a")
        found = remembered.load()
        assert found is not None
        assert found["prod"].version == 1
        remembered.save({"prod": commit("prod", 2, revision=2)})
        Remembered(reading, "diary", "b").save({"prod": commit("prod", 2, revision=2)})
    assert sorted(cache.directory.rglob("*")) == before


def test_in_a_cache_for_a_group_each_user_remembers(tmp_path: Path) -> None:
    with AssetCache(tmp_path / "cache", shared=True) as cache:
        Remembered(cache, "diary", "a").save({"prod": commit("prod", 1, revision=1)})
        folder = cache.directory / FOLDER
        assert stat.S_IMODE(folder.stat().st_mode) == 0o2775
        assert [file.suffix for file in folder.iterdir()] == [f".{os.getuid()}"]


@pytest.fixture
def store() -> SlowStore:
    return new_store()


def test_nothing_is_fetched_for_a_set_that_is_over(store: SlowStore, tmp_path: Path) -> None:
    journal = Journal()
    journal.change({"/a": put(store, "/a", "1.0.0", b"a1", digest=False)})
    with journal.mirror() as mirror, rainer.Assets(mirror, store=store, cache=tmp_path) as assets:
        assets.on_ready(lambda snapshot: None)
        gone = assets.wait_until_ready(10)("/a")
    gone.parent.chmod(0o755)
    gone.unlink()
    journal.change({"/a": put(store, "/a", "2.0.0", b"a2", digest=False)})
    store.opened.clear()
    heard: list[bytes] = []
    with journal.mirror() as mirror, rainer.Assets(mirror, store=store, cache=tmp_path) as assets:
        assets.on_ready(lambda snapshot: heard.append(snapshot("/a").read_bytes()))
        wait_until(lambda: heard, 10, "a set was ready")
    assert (heard, store.opened) == ([b"a2"], [store.uri("a.2.0.0")])


def test_an_old_set_that_cannot_be_read_is_gone_without(
    store: SlowStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal()
    journal.change({"/a": put(store, "/a", "1.0.0", b"a1")})
    monkeypatch.setattr(Remembered, "load", lambda _self: {"prod": None})
    with journal.mirror() as mirror, rainer.Assets(mirror, store=store, cache=tmp_path) as assets:
        assets.on_ready(lambda snapshot: None)
        assert assets.wait_until_ready(10)("/a").read_bytes() == b"a1"


def test_two_trees_of_one_name_are_two_manifests(store: SlowStore, tmp_path: Path) -> None:
    labels = set()
    for hosts in ("zk1:2181", "staging:2181"):
        mirror = rainer.Mirror.zookeeper(hosts, "/rainer/diary")
        with rainer.Assets(mirror, store=store, cache=tmp_path) as assets:
            assets.on_ready(lambda snapshot: None)
            assert assets._follower is not None
            labels.add(assets._follower._kept._label)
        mirror.close()
    assert len(labels) == 2


def test_the_pins_of_a_service_that_is_gone_end_and_those_of_one_that_lives_do_not(
    store: SlowStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, started = Journal(), time.time()
    journal.change({"/a": put(store, "/a", "1.0.0", b"a1")})
    with AssetCache(tmp_path) as cache, journal.mirror() as mirror:
        with rainer.Assets(mirror, store=store, cache=cache) as assets:
            assets.on_ready(lambda snapshot: None)
            file = assets.wait_until_ready(10)("/a")
            follower = assets._follower
            assert follower is not None
            monkeypatch.setattr("rainer.cache.claims.time.time", lambda: started + PIN_S - 60)
            follower._kept._renew_at = 0.0  # a day later
            follower._tell()
            wait_until(lambda: follower._kept._renew_at > 0, 10, "it was renewed")
        cache.pin("mine", [])
        monkeypatch.setattr("rainer.cache.claims.time.time", lambda: started + PIN_S + 60)
        assert len(cache.pins()) == 2
        sweep(cache)
        assert file.exists()
        monkeypatch.setattr("rainer.cache.claims.time.time", lambda: started + 2 * PIN_S)
        assert list(cache.pins()) == ["mine"]
        sweep(cache)
        assert not file.exists()
        assert len(list((cache.directory / "leases").glob("*.pins"))) == 1
