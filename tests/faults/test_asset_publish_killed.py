"""Publishers that die at every step leave at worst an object that no manifest names; servers that die, nothing."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import rainer.testing
from rainer.client import Client
from rainer.errors import ConflictError, NoSpace, OutcomeUnknown, StoreUnavailable, UnavailableError
from rainer.store.file import FileStore
from rainer.store.memory import MemoryStore
from tests.faults.asset_publish_process import PublishProcess
from tests.publishing import DrivenStore, Room, room
from tests.services.proxy import Proxy
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

pytestmark = pytest.mark.faults
PATH = "/foo/bar.csv"
_PATIENCE_S = 30.0


@pytest.fixture(params=["folder", "server"])
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Room]:
    with RainerServer() as server:
        made = room(server.url, tmp_path)
        if request.param == "folder":
            made.store = FileStore((tmp_path / "objects").as_uri())
        else:
            made.store = made.publisher(store=f"{server.url}/-/store").store  # type: ignore[arg-type]
        with made.client:
            yield made
            made.store.close()
        server.stop()


def test_a_publisher_that_dies_at_every_step(here: Room, seed: int, thorough: bool) -> None:
    """One that dies, one that publishes the same files again: each version once, each named object there."""
    chance = random.Random(seed)
    paths = [PATH, "/two", "/three"] if thorough else [PATH]
    with PublishProcess(here.client.url, here.store.url) as mortal:
        files = {path: str(here.file(chance.randbytes(300_000))) for path in paths}
        steps = mortal.publish(files)["steps"]
        print(len(steps), "steps:", *steps, sep="\n  ")
        assert len(steps) >= 12
        every = range(1, len(steps) + 1)
        for round_, die_at in enumerate(every if thorough else sorted(chance.sample(every, 6)), 1):
            before = dict(here.publisher().manifest())
            files = {path: str(here.file(chance.randbytes(300_000))) for path in paths}
            assert mortal.publish(files, die_at=die_at)["died"], die_at
            after = dict(here.publisher().manifest())
            assert (after == before) or all(after[path] != before[path] for path in paths), die_at
            here.every_named_object_is_there()
            dry, heard = here.collect(dry_run=True)
            assert dry.found <= (len(paths) if after == before else 0), die_at
            assert all(one.path in paths for one in heard)
            here.publisher().add_or_update_many(files, "patch", only_changed=True)
            here.every_named_object_is_there()
            assert here.collect(dry_run=True)[0].found == 0, "what was left is adopted"
            wanted = here.publisher().manifest()
            assert all(wanted[path].version == f"1.0.{round_}" for path in paths), die_at
        assert here.collect()[0].removed == 0


def test_what_one_that_died_has_left_is_collected(here: Room) -> None:
    with PublishProcess(here.client.url, here.store.url) as mortal:
        steps = mortal.publish({PATH: str(here.file("first"))})["steps"]
        put = next(n for n, name in enumerate(steps, 1) if name.startswith("after put"))
        assert mortal.publish({PATH: str(here.file("second"))}, die_at=put)["died"]
    found, heard = here.collect(grace_s=3_600)
    assert (found.found, found.young) == (0, 2)
    found, heard = here.collect()
    assert (found.removed, [one.version for one in heard]) == (1, ["1.0.1"])
    here.every_named_object_is_there()


# Servers that die, stall or lose their answers.


@pytest.fixture(scope="module")
def server(_guardian: None) -> Iterator[RainerServer]:
    with RainerServer() as one:
        yield one
        one.stop()


@pytest.fixture
def far(server: RainerServer, tmp_path: Path) -> Iterator[tuple[Room, RainerServer, Proxy]]:
    """A server behind a bad network, asked by a client that loses patience soon."""
    with Proxy(server.port) as proxy:
        near = room(server.url, tmp_path)
        url = f"http://127.0.0.1:{proxy.port}/{near.client.namespace_name}"
        near.client.close()
        with Client(url, author="tester", timeout_s=2, read_timeout_s=0.3, retries=1) as client:
            yield Room(client, near.store, tmp_path), server, proxy


def at_the_commit(monkeypatch: pytest.MonkeyPatch, room: Room, happen: list[object]) -> None:
    """Have one thing after another happen just before each commit is sent."""
    passed = room.client.commit

    def commit(*arguments: object, **options: object) -> object:
        if happen:
            happen.pop(0)()  # type: ignore[operator]
        return passed(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(room.client, "commit", commit)


@pytest.mark.parametrize("times", [1, 2])
def test_a_commit_whose_answer_is_lost_is_not_made_twice(
    times: int, far: tuple[Room, RainerServer, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, _, proxy = far
    losses: list[object] = [lambda: proxy.hang(requests=False)] * times
    at_the_commit(monkeypatch, here, [*losses, proxy.heal])
    here.publisher().add(PATH, here.file("1"))
    assert here.publisher().update(PATH, here.file("2")).version == "1.1.0"
    assert [commit.version for commit in here.client.log("prod")] == [2, 1]
    here.every_named_object_is_there()


def test_patience_ends_with_an_outcome_unknown_and_nothing_is_published_twice(
    far: tuple[Room, RainerServer, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, _, proxy = far
    file = here.file("1")
    here.publisher().manifest()
    at_the_commit(monkeypatch, here, [lambda: proxy.hang(requests=False)])
    with pytest.raises(OutcomeUnknown):
        here.publisher(patience_s=0.5).add(PATH, file)
    proxy.heal()
    assert here.publisher().add_or_update(PATH, file, only_changed=True).version == "1.0.0"
    assert len(here.client.log("prod")) == 1


def test_a_server_that_is_gone_leaves_an_object_that_the_next_publish_adopts(
    far: tuple[Room, RainerServer, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, _, proxy = far
    file = here.file("1")
    at_the_commit(monkeypatch, here, [proxy.cut])
    with pytest.raises(UnavailableError):
        here.publisher().add(PATH, file)
    proxy.heal()
    assert here.objects() == ["foo/bar.1.0.0.csv"]
    assert here.publisher().add(PATH, file).version == "1.0.0"


def test_a_server_that_is_killed_and_comes_back(far: tuple[Room, RainerServer, Proxy]) -> None:
    here, server, _ = far
    here.publisher().add(PATH, here.file("1"))

    def restarted(call: str, _name: str) -> None:
        if call == "put":
            server.kill()
            back.start()

    back = threading.Thread(target=server.start)
    with Client(server.url + f"/{here.client.namespace_name}", author="tester", timeout_s=30, retries=50) as patient:
        other = Room(patient, here.store, here.folder)
        said = other.publisher(store=DrivenStore(here.store, after=restarted)).update(PATH, here.file("2"))
    back.join()
    assert (said.version, said.commit.version) == ("1.1.0", 2)


@pytest.mark.parametrize("error", [StoreUnavailable("503 SlowDown"), NoSpace("the disk is full")])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_store_that_fails_leaves_the_manifest_alone(error: Exception, when: str, tmp_path: Path) -> None:
    def fail(call: str, _name: str) -> None:
        if call == "put":
            raise error

    with rainer.testing.server() as server, (here := room(server.url, tmp_path)).client:
        failing = DrivenStore(here.store, **{when: fail})  # type: ignore[arg-type]
        with pytest.raises(type(error)):
            here.publisher(store=failing).add(PATH, here.file("same"))
        assert here.client.heads() == {}
        assert here.publisher().add(PATH, here.file("same")).version == "1.0.0"


def test_a_manifest_that_never_stands_still_is_given_up_with_its_name(tmp_path: Path) -> None:
    with rainer.testing.server() as server, (here := room(server.url, tmp_path)).client:
        here.client.commit("prod", b"{}", version=1)
        versions = iter(range(2, 1000))
        passed = here.client.commit

        def commit(key: str, payload: bytes, **options: object) -> object:
            passed(key, b'{"/other": "1.0.%d"}' % (version := next(versions)), version=version)
            return passed(key, payload, **options)  # type: ignore[arg-type]

        here.client.commit = commit  # type: ignore[method-assign, assignment]
        with pytest.raises(ConflictError, match=r"'prod' was changed by others \d+ times"):
            here.publisher(patience_s=0.3).add(PATH, here.file("1"))
        del here.client.commit
        assert here.publisher().add(PATH, here.file("1")).version == "1.0.0"


def test_one_name_taken_by_a_rival_who_commits_a_moment_later(tmp_path: Path) -> None:
    """The second waits for the first one's commit: no number is left out, and both stay in the history."""
    with rainer.testing.server() as server, (here := room(server.url, tmp_path)).client:
        here.publisher().add(PATH, here.file("1"))
        uploaded, second_saw_it = threading.Event(), threading.Event()

        def first(call: str, name: str) -> None:
            if call == "put":
                uploaded.set()
                assert second_saw_it.wait(_PATIENCE_S)

        def second(call: str, name: str) -> None:
            if call == "head":
                second_saw_it.set()

        rival = DrivenStore(MemoryStore(here.store.url), after=first)
        published: list[object] = []
        thread = threading.Thread(
            target=lambda: published.append(here.publisher(store=rival).update(PATH, here.file("a"), "patch").version)
        )
        thread.start()
        assert uploaded.wait(_PATIENCE_S)
        mine = here.publisher(store=DrivenStore(here.store, after=second)).update(PATH, here.file("b"), "patch")
        thread.join()
        wait_until(lambda: published, _PATIENCE_S, "the rival")
        assert (published, mine.version) == (["1.0.1"], "1.0.2")
