"""What comes between: news while a set arrives, two who begin at once, closing, forking."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import rainer
from rainer.assets.following import ATTEMPTS_MAX
from rainer.errors import InvalidError, UnavailableError
from tests.asset_places import Journal, SlowStore, journal_of, mirrored, new_store, put
from tests.services.waiting import wait_until


@pytest.fixture
def store() -> SlowStore:
    return new_store()


@pytest.fixture
def journal(store: SlowStore) -> Journal:
    return journal_of(store, {"/a": b"a1"})


@pytest.fixture
def assets(journal: Journal, store: SlowStore, tmp_path: Path) -> Iterator[rainer.Assets]:
    with mirrored(journal, store, tmp_path) as made:
        yield made


def test_news_that_comes_as_a_set_arrives_is_not_lost(
    assets: rainer.Assets, journal: Journal, store: SlowStore
) -> None:
    assets.on_ready(lambda snapshot: None)
    assets.wait_until_ready(10)
    follower = assets._follower
    assert follower is not None
    gate = store.hold_back("a.2.0.0")
    journal.change({"/a": put(store, "/a", "2.0.0", b"a2")})
    assert store.reached.wait(10)
    wait_until(lambda: bool(follower._attempts and not follower._is_told), 10, "it waits for the set")
    with follower._changed:  # it cannot look before both have happened
        gate.set()
        wait_until(lambda: follower._attempts[-1].is_done, 10, "the set is here")
        done = threading.Thread(
            target=journal.change, args=({"/a": put(store, "/a", "3.0.0", b"a3")},), name="publisher"
        )
        done.start()
        wait_until(lambda: assets._source.current().version == 3, 10, "the mirror has moved on")
        follower._tell()  # what the mirror's thread is about to do as well, and maybe only later
    done.join(10)
    assert assets.wait_until_ready(10, revision=3)("/a").read_bytes() == b"a3"


def test_two_who_begin_at_once_follow_with_one_thread(
    assets: rainer.Assets, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    begun = threading.Barrier(4)
    follow = type(assets)._follow

    def slowly(self: rainer.Assets, *args: object) -> object:
        made = follow(self, *args)  # type: ignore[arg-type]
        threading.Event().wait(0.05)
        return made

    monkeypatch.setattr(type(assets), "_follow", slowly)

    def begin() -> None:
        begun.wait(10)
        assets.on_ready(lambda snapshot: None)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assets.wait_until_ready(10)
    assert sum(thread.name == "rainer-assets-prod" for thread in threading.enumerate()) == 1


def test_closed_assets_follow_nothing_more(assets: rainer.Assets) -> None:
    assets.close()
    with pytest.raises(InvalidError, match="closed"):
        assets.on_ready(lambda snapshot: None)


def test_assets_closed_while_they_follow_take_no_more_callbacks(assets: rainer.Assets) -> None:
    assets.on_ready(lambda snapshot: None)
    assets.wait_until_ready(10)
    assets.close()
    with pytest.raises(InvalidError, match="closed"):
        assets.on_ready(lambda snapshot: None)


def test_a_store_that_hangs_while_the_manifest_moves_costs_a_few_threads(
    assets: rainer.Assets, journal: Journal, store: SlowStore
) -> None:
    assets.on_ready(lambda snapshot: None)
    assets.wait_until_ready(10)
    gates = []
    for n in range(2, ATTEMPTS_MAX + 4):
        gates.append(store.hold_back(f"a.{n}.0.0"))
        revision = journal.change({"/a": put(store, "/a", f"{n}.0.0", b"a%d" % n)})
        reached = store.reached.wait(10 if n < ATTEMPTS_MAX + 2 else 0.3)  # time enough for one too many
        assert reached == (n < ATTEMPTS_MAX + 2)
    assert sum(thread.name.endswith("-fetching") for thread in threading.enumerate()) <= ATTEMPTS_MAX
    for gate in gates:
        gate.set()
    assert assets.wait_until_ready(10, revision=revision)("/a").read_bytes() == b"a%d" % n


def in_child(look: object) -> int:
    """What a forked child's function came to: 0 where it was true; killed when it does not end."""
    child = os.fork()
    if not child:
        try:
            right = look()  # type: ignore[operator]
        except BaseException:
            right = False
        os._exit(0 if right else 1)
    timer = threading.Timer(10, os.kill, (child, 9))
    timer.start()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    timer.cancel()
    timer.join()
    return status


def test_a_child_forked_while_locks_are_taken_reads_on(assets: rainer.Assets) -> None:
    assert assets("/a").read_bytes() == b"a1"
    source, fetcher, versions = assets._source, assets._fetcher, assets._versions
    with source._lock, fetcher._lock, versions._lock:  # type: ignore[attr-defined]

        def look() -> bool:
            source._generation = -1  # type: ignore[attr-defined]
            with assets.snapshot() as snapshot:
                return assets("/a", ">=1").read_bytes() == snapshot("/a").read_bytes() == b"a1"

        assert in_child(look) == 0


def test_a_child_forked_from_one_who_follows_does_not_wait_for_ever(
    assets: rainer.Assets, journal: Journal
) -> None:  # fmt: skip
    assets.on_ready(lambda snapshot: None)
    assets.wait_until_ready(10)
    follower = assets._follower
    assert follower is not None
    assert follower.ready is not None

    def look() -> bool:
        right = assets.wait_until_ready(1)("/a").read_bytes() == b"a1"
        with pytest.raises(UnavailableError, match="forked"):
            assets.wait_until_ready(revision=99)
        assets.on_ready(lambda snapshot: None)  # from now on with threads of its own
        right = right and assets.wait_until_ready(5).revision == 1
        assets.close()
        return right

    with follower._changed, follower.ready.fetcher._keeping:
        assert in_child(look) == 0
