"""Programs that begin again: with the last set, if all of it is here, and never with less."""

from __future__ import annotations

from pathlib import Path

import pytest

import rainer
from rainer.errors import StoreUnavailable
from tests.asset_places import Heard, Journal, SlowStore, journal_of, new_store, put
from tests.mirrors import Absent, at, head, mirror_of
from tests.services.waiting import wait_until


@pytest.fixture
def store() -> SlowStore:
    return new_store()


@pytest.fixture
def journal(store: SlowStore) -> Journal:
    return journal_of(store, {"/a": b"a1", "/b": b"b1"})


def second(journal: Journal, store: SlowStore) -> int:
    return journal.change({"/a": put(store, "/a", "2.0.0", b"a2"), "/b": put(store, "/b", "2.0.0", b"b2")})


def test_a_program_begins_with_the_last_set_while_everything_is_down(
    journal: Journal, store: SlowStore, tmp_path: Path
) -> None:
    snapshot, cache = tmp_path / "mirror", tmp_path / "cache"
    with journal.mirror(snapshot) as mirror, rainer.Assets(mirror, store=store, cache=cache) as assets:
        assets.on_ready(lambda ready: None)
        assets.wait_until_ready(10)
        # The next set is in the mirror, and its snapshot, when the program ends, but only half of it was fetched.
        store.refused[store.uri("b.2.0.0")] = StoreUnavailable("away")
        second(journal, store)
        wait_until(lambda: assets.status == "failed", 10, "the second set failed")
    for uri in [store.uri(f"{n}.{v}.0.0") for n in "ab" for v in (1, 2)]:
        store.refused[uri] = StoreUnavailable("away")
    heard = Heard()
    with journal.mirror(snapshot) as mirror, rainer.Assets(mirror, store=store, cache=cache) as assets:
        assets.on_ready(heard)
        assert assets.wait_until_ready(10).revision == 1
        wait_until(lambda: assets.status == "failed", 10, "the second set failed again")
        assert (assets("/a").read_bytes(), assets("/b").read_bytes()) == (b"a1", b"b1")
        assert heard.sets == [{"/a": b"a1", "/b": b"b1"}]
        store.refused.clear()
        assert assets.wait_until_ready(10, revision=2)("/b").read_bytes() == b"b2"


def test_a_mirrors_older_snapshot_does_not_take_the_last_set_back(
    journal: Journal, store: SlowStore, tmp_path: Path
) -> None:
    snapshot, cache = tmp_path / "mirror", tmp_path / "cache"
    with journal.mirror(snapshot):
        pass  # killed before it saved more than this
    second(journal, store)
    with journal.mirror() as mirror, rainer.Assets(mirror, store=store, cache=cache) as assets:
        assets.on_ready(lambda ready: None)
        assets.wait_until_ready(10)
    away = Absent()
    heard = Heard()
    mirror = mirror_of(away, snapshot=snapshot)
    with mirror, rainer.Assets(mirror, store=store, cache=cache) as assets:
        assert (mirror["prod"].version, mirror.state) == (1, "stale")
        assets.on_ready(heard)
        assert assets.wait_until_ready(10)("/a").read_bytes() == b"a2"
        wait_until(lambda: assets.status == "ready", 10, "it came to rest")
        # Once the source is there, it is right, also if it went back.
        away.load([head("prod", 1, mirror["prod"].payload, 1)], at(1))
        wait_until(lambda: assets("/a").read_bytes() == b"a1", 10, "what the source has was seen")
        wait_until(lambda: len(heard.sets) == 2, 10, "the callback was called")
    assert [told["/a"] for told in heard.sets] == [b"a2", b"a1"]


def test_the_last_set_is_not_begun_with_if_a_file_is_gone(
    journal: Journal, store: SlowStore, tmp_path: Path
) -> None:  # fmt: skip
    with journal.mirror() as mirror, rainer.Assets(mirror, store=store, cache=tmp_path) as assets:
        assets.on_ready(lambda ready: None)
        gone = assets.wait_until_ready(10)("/a")
    gone.parent.chmod(0o755)
    gone.unlink()
    store.refused[store.uri("a.1.0.0")] = StoreUnavailable("away")
    with journal.mirror() as mirror, rainer.Assets(mirror, store=store, cache=tmp_path) as assets:
        assets.on_ready(lambda ready: None)
        wait_until(lambda: assets.status == "failed", 10, "it failed")
        with pytest.raises(TimeoutError, match="not ready within"):
            assets.wait_until_ready(0)
        store.refused.clear()
        assert assets.wait_until_ready(10)("/a").read_bytes() == b"a1"
