"""Fetch before switch: the next set is seen when all of it is here, and what goes wrong leaves the one before."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import rainer
from rainer.assets import AssetSnapshot
from rainer.assets.resolver_view import View
from rainer.errors import InvalidError, InvalidManifest, NotFoundError, StoreUnavailable, UnavailableError
from rainer.model.manifest import Entry
from rainer.store.store import Store
from tests.asset_places import Heard, Journal, SlowStore, journal_of, mirrored, new_store, put, sweep
from tests.services.waiting import wait_until


@pytest.fixture
def store() -> SlowStore:
    return new_store()


@pytest.fixture
def journal(store: SlowStore) -> Journal:
    return journal_of(store, {"/a": b"a1", "/b": b"b1"})


@pytest.fixture
def assets(journal: Journal, store: SlowStore, tmp_path: Path) -> Iterator[rainer.Assets]:
    with mirrored(journal, store, tmp_path) as made:
        yield made


def second(journal: Journal, store: SlowStore) -> int:
    return journal.change({"/a": put(store, "/a", "2.0.0", b"a2"), "/b": put(store, "/b", "2.0.0", b"b2")})


def test_a_set_is_seen_when_all_of_it_is_here(assets: rainer.Assets, journal: Journal, store: SlowStore) -> None:
    heard = Heard()
    assets.on_ready(heard)
    assert assets.wait_until_ready(10).revision == 1
    wait_until(lambda: heard.sets, 10, "the callback was called")
    gate = store.hold_back("b.2.0.0")
    revision = second(journal, store)
    assert store.reached.wait(10)
    wait_until(lambda: assets.status == "fetching", 10, "it said that it fetches")
    assert (assets("/a").read_bytes(), assets("/b").read_bytes()) == (b"a1", b"b1")
    assert (assets.revision, len(heard.sets)) == (1, 1)
    gate.set()
    snapshot = assets.wait_until_ready(10, revision=revision)
    assert (snapshot("/a").read_bytes(), assets("/b").read_bytes()) == (b"a2", b"b2")
    wait_until(lambda: len(heard.sets) == 2, 10, "the callback was called again")
    assert heard.sets == [{"/a": b"a1", "/b": b"b1"}, {"/a": b"a2", "/b": b"b2"}]
    assert assets.status == "ready"


def test_whoever_holds_a_snapshot_keeps_its_files(assets: rainer.Assets, journal: Journal, store: SlowStore) -> None:
    assets.on_ready(lambda snapshot: None)
    old = assets.wait_until_ready(10)
    for n in range(2, 5):
        revision = journal.change({"/a": put(store, "/a", f"{n}.0.0", b"a%d" % n)})
        assets.wait_until_ready(10, revision=revision).close()
    cache = assets._fetcher.cache
    first, live = (entries["/a"].sha256 or "" for entries in (old.manifest, assets.manifest))
    sweep(cache)
    assert old("/a").read_bytes() == b"a1"
    previous = next(digests for label, digests in cache.pins().items() if label.endswith("previous"))
    assert previous != {first, *previous}
    old.close()
    sweep(cache)
    assert cache.peek(first) is None
    assert cache.peek(live) is not None
    assert all(cache.peek(digest) for digest in previous)


def test_what_cannot_be_fetched_leaves_the_old_set_and_is_tried_again(
    assets: rainer.Assets, journal: Journal, store: SlowStore, caplog: pytest.LogCaptureFixture
) -> None:
    assets.on_ready(lambda snapshot: None)
    assets.wait_until_ready(10)
    store.refused[store.uri("b.2.0.0")] = StoreUnavailable("the store is away")
    revision = second(journal, store)
    wait_until(lambda: assets.status == "failed", 10, "it said that it failed")
    assert isinstance(assets.error, UnavailableError)
    assert "what was ready goes on" in caplog.text
    assert (assets("/a").read_bytes(), assets("/b").read_bytes()) == (b"a1", b"b1")
    with pytest.raises(TimeoutError, match=r"not ready within 0 s: .*the store is away"):
        assets.wait_until_ready(0, revision=revision)
    store.refused.clear()
    assert assets.wait_until_ready(10, revision=revision)("/b").read_bytes() == b"b2"
    wait_until(lambda: (assets.status, assets.error) == ("ready", None), 10, "it calmed down")


def test_a_newer_manifest_supersedes_one_that_is_being_fetched(
    assets: rainer.Assets, journal: Journal, store: SlowStore
) -> None:
    heard = Heard()
    assets.on_ready(heard)
    assets.wait_until_ready(10)
    gate = store.hold_back("b.2.0.0")
    second(journal, store)
    assert store.reached.wait(10)
    revision = journal.change({"/b": put(store, "/b", "3.0.0", b"b3")})
    assert assets.wait_until_ready(10, revision=revision)("/b").read_bytes() == b"b3"
    gate.set()
    wait_until(lambda: len(heard.sets) == 2, 10, "the callback was called")
    assert heard.sets[-1] == {"/a": b"a2", "/b": b"b3"}


@pytest.mark.parametrize(
    "payload", [b"{", b'{"/a": "no version"}', b'{"/a": {"version": "1.0.0", "sha256": "%s", "size": 2}}' % (b"0" * 64)]
)
def test_a_manifest_that_is_wrong_changes_nothing(
    assets: rainer.Assets, journal: Journal, store: SlowStore, payload: bytes
) -> None:
    assets.on_ready(lambda snapshot: None)
    assets.wait_until_ready(10)
    journal.commit({"prod": payload})
    wait_until(lambda: assets.status == "failed", 10, "it was told")
    assert (assets("/a").read_bytes(), assets("/b").read_bytes()) == (b"a1", b"b1")
    journal.payloads["prod"] = b"{}"
    revision = journal.change({"/a": put(store, "/a", "3.0.0", b"a3")})
    assert assets.wait_until_ready(10, revision=revision)("/a").read_bytes() == b"a3"


def test_a_removed_manifest_leaves_what_was_ready(assets: rainer.Assets, journal: Journal) -> None:
    assets.on_ready(lambda snapshot: None)
    assets.wait_until_ready(10)
    journal.commit({"prod": None})
    wait_until(lambda: isinstance(assets.error, NotFoundError), 10, "it was told")
    assert assets("/a").read_bytes() == b"a1"


def test_only_chosen_paths_are_made_ready_and_others_still_resolve(
    assets: rainer.Assets, journal: Journal, store: SlowStore
) -> None:
    journal.change({"/models/x": put(store, "/models/x", "1.0.0", b"x")})
    assets.on_ready(lambda snapshot: None, ["/models/*"])
    assets.wait_until_ready(10)
    assert store.opened == [store.uri("models/x.1.0.0")]
    assert assets("/a").read_bytes() == b"a1"
    with pytest.raises(InvalidError, match="other paths already"):
        assets.on_ready(lambda snapshot: None, ["/a"])


def test_a_callback_that_fails_harms_nobody_and_one_that_ends_is_called_no_more(
    assets: rainer.Assets, journal: Journal, store: SlowStore, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_snapshot: AssetSnapshot) -> None:
        raise ValueError("mine")

    heard, ended = Heard(), Heard()
    assets.on_ready(fail)
    end = assets.on_ready(ended)
    assets.on_ready(heard)
    wait_until(lambda: heard.sets, 10, "the last was called")
    assert "a callback failed" in caplog.text
    end()
    second(journal, store)
    wait_until(lambda: len(heard.sets) == 2, 10, "the last was called again")
    assert len(ended.sets) == 1


def test_a_callback_may_close_the_assets(assets: rainer.Assets) -> None:
    closed = threading.Event()

    def close(_snapshot: AssetSnapshot) -> None:
        assets.close()
        closed.set()

    assets.on_ready(close)
    assert closed.wait(10)
    assert assets.status == "closed"


def test_files_without_digest_are_made_ready_too(assets: rainer.Assets, journal: Journal, store: SlowStore) -> None:
    journal.change({"/short": put(store, "/short", "1.0.0", b"short", digest=False)})
    assets.on_ready(lambda snapshot: None)
    snapshot = assets.wait_until_ready(10)
    store.refused[store.uri("short.1.0.0")] = StoreUnavailable("away")
    assert snapshot("/short").read_bytes() == b"short"
    sweep(assets._fetcher.cache)
    assert snapshot("/short").read_bytes() == b"short"


def test_waiting_for_what_nobody_makes_ready_is_refused(assets: rainer.Assets) -> None:
    with pytest.raises(InvalidError, match="nothing is being made ready"):
        assets.wait_until_ready(1)


def test_a_forked_child_keeps_the_set_that_was_ready(
    assets: rainer.Assets, journal: Journal, store: SlowStore
) -> None:  # fmt: skip
    assets.on_ready(lambda snapshot: None)
    assets.wait_until_ready(10)
    child = os.fork()
    if not child:
        right = assets("/a").read_bytes() == b"a1" and assets.status == "inherited"
        with assets.snapshot() as snapshot:
            right = right and snapshot("/b").read_bytes() == b"b1"
        assets.close()
        os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    revision = second(journal, store)
    assert assets.wait_until_ready(10, revision=revision)("/a").read_bytes() == b"a2"


def test_a_manifest_file_is_followed_too(store: SlowStore, tmp_path: Path) -> None:
    file = tmp_path / "assets.json"
    put(store, "/a", "1.0.0", b"a1")
    put(store, "/a", "2.0.0", b"a2")
    file.write_text('{"/a": "1.0.0"}')
    heard = Heard()
    with rainer.Assets.from_file(file, store=store, cache=tmp_path / "cache") as assets:
        assets.on_ready(heard)
        assert assets.wait_until_ready(10)("/a").read_bytes() == b"a1"
        file.write_text('{"/a": "2.0.0"}')
        wait_until(lambda: heard.sets == [{"/a": b"a1"}, {"/a": b"a2"}], 10, "the new file's set was ready")


def test_an_entry_that_is_wrong_stops_a_set_before_anything_is_fetched(
    assets: rainer.Assets, journal: Journal, store: SlowStore
) -> None:  # fmt: skip
    assets.on_ready(lambda snapshot: None)
    assets.wait_until_ready(10)
    put(store, "/c", "1.0.0", b"c1")
    journal.commit({"prod": b'{"/c": "1.0.0", "/d": {"version": "1.0.0", "sha256": "short"}}'})
    wait_until(lambda: isinstance(assets.error, InvalidManifest), 10, "it was told")
    assert store.uri("c.1.0.0") not in store.opened


def test_views_of_one_state_find_the_same(journal: Journal, store: SlowStore, assets: rainer.Assets) -> None:
    some: Store = store
    view = View(assets._source.current(), some)
    assert view.find("a") is view.find("a")
    assert view.find("/a").sha256 == journal.stored().manifest["/a"].sha256
    assert isinstance(view.state.manifest["/a"], Entry)
