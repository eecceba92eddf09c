"""Journal, publisher and mirror together: at every revision that the mirror shows it is the journal as of then."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import pytest

from rainer.journal import Journal
from rainer.mirror.mirror import Mirror
from rainer.model.commit import draft
from rainer.zk import Create, Set
from tests.integration.publish_view import ROOT, connect, publishing
from tests.integration.tree_writer import record
from tests.services.proxy import Proxy
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper as Server

PATH = f"{ROOT}/diary"


@pytest.fixture
def journal() -> Iterator[Journal]:
    with Journal("memory:") as journal:
        yield journal


class Author:
    """Commits at random, and remembers the heads as of each changeset's end."""

    def __init__(self, journal: Journal, seed: int) -> None:
        self.journal = journal
        self.rng = random.Random(seed)
        self.versions: dict[str, int] = {}
        self.heads: dict[str, int] = {}
        self.states: dict[int, dict[str, int]] = {}

    def commit(self, keys: int | None = None, payload: bytes | None = None) -> int:
        """One changeset; the revision after it."""
        rng, drafts = self.rng, []
        names = rng.sample(range(60), rng.choice((1, 1, 3, 20))) if keys is None else list(range(keys))
        for number in names:
            key = f"k{number}"
            self.versions[key] = self.versions.get(key, 0) + 1
            empty = payload is None and rng.random() < 0.2
            data = None if empty else payload or rng.randbytes(rng.choice((0, 10, 300)))
            drafts.append(draft(key, data, version=self.versions[key], author="me"))
            self.heads.pop(key, None)
            if not empty:
                self.heads[key] = self.versions[key]
        self.journal.append_many(drafts)
        revision = self.journal.position().revision
        self.states[revision] = dict(self.heads)
        return revision


class Watcher:
    """Looks at a mirror all the time; every look must be one of the author's states, and none older than the last."""

    def __init__(self, mirror: Mirror, author: Author) -> None:
        self.mirror, self.author = mirror, author
        self.faults: list[str] = []
        self.seen: set[int] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        assert self.faults == []

    def _run(self) -> None:
        last: dict[str, int] = {}
        while not self._end.wait(0.0005):
            versions = {key: commit.version for key, commit in self.mirror.snapshot().items()}
            known = [r for r, state in list(self.author.states.items()) if state == versions]
            if versions and not known and not self._may_come(versions):
                self.faults.append(f"half a changeset: {sorted(set(versions.items()) ^ set(last.items()))[:10]}")
            if any(versions.get(key, version) < version for key, version in last.items()):
                self.faults.append("it went back")
            self.seen.update(known)
            last = versions

    def _may_come(self, versions: dict[str, int]) -> bool:
        """A mirror may show a changeset before the author has written down that it is committed."""
        try:
            wait_until(lambda: versions in list(self.author.states.values()), 5, "the author's word")
        except TimeoutError:
            return False
        return True


def wait_for(mirror: Mirror, journal: Journal, timeout_s: float = 10) -> None:
    """Wait until the mirror holds just what the journal does."""
    expected = {c.key: c for c in journal.heads()}
    wait_until(lambda: mirror.position == journal.position(), timeout_s, lambda: f"{journal.position()}: {mirror!r}")
    found = mirror.snapshot()
    assert {k: (c.version, c.payload) for k, c in found.items()} == {
        k: (c.version, c.payload) for k, c in expected.items()
    }


def test_every_look_at_a_mirror_is_a_moment_of_the_journal(zookeeper_hosts: str, journal: Journal, seed: int) -> None:
    author = Author(journal, seed)
    author.commit()
    with publishing(journal, zookeeper_hosts), Mirror.zookeeper(zookeeper_hosts, PATH) as mirror:
        with Watcher(mirror, author) as watcher:
            for turn in range(200):
                revision = author.commit()
                if turn % 10 == 0:
                    wait_until(lambda: revision in watcher.seen, 10, "a look at it")  # noqa: B023 - called right here
            wait_for(mirror, journal)
        assert len(watcher.seen) > 5


def test_a_changeset_larger_than_many_znodes_is_seen_whole(zookeeper_hosts: str, journal: Journal, seed: int) -> None:
    author = Author(journal, seed)
    author.commit()
    with publishing(journal, zookeeper_hosts), Mirror.zookeeper(zookeeper_hosts, PATH) as mirror:
        with Watcher(mirror, author):
            for _ in range(3):
                author.commit(keys=5_000, payload=author.rng.randbytes(400))
                author.commit()
            wait_for(mirror, journal, 30)
        with Mirror.zookeeper(zookeeper_hosts, PATH) as cold:
            wait_for(cold, journal)


def test_payloads_larger_than_a_znode_come_and_go(zookeeper_hosts: str, journal: Journal, seed: int) -> None:
    journal.create_namespace("big", payload_bytes_max=4_000_000)
    rng = random.Random(seed)
    with publishing(journal, zookeeper_hosts), Mirror.zookeeper(zookeeper_hosts, f"{ROOT}/big") as mirror:
        for version, size in enumerate((10, 3_000_000, 2_000_000, 10, 1_500_000), 1):
            payload = rng.randbytes(size)
            journal.append("k", payload, version=version, author="me", namespace="big")
            found = mirror.wait_for("k", version, 20)
            assert found is not None
            assert found.payload == payload
            with Mirror.zookeeper(zookeeper_hosts, f"{ROOT}/big") as cold:
                assert cold["k"].payload == payload
        journal.append("k", None, version=6, author="me", namespace="big")
        assert mirror.wait_for("k", 6, 20) is None
        assert mirror.rejected == {}


def test_a_bad_network_changes_nothing_but_the_age(own_zookeeper: Server, journal: Journal, seed: int) -> None:
    author = Author(journal, seed)
    author.commit()
    with (
        Proxy(own_zookeeper.port) as proxy,
        publishing(journal, own_zookeeper.hosts),
        Mirror.zookeeper(proxy.hosts, PATH) as mirror,
        Watcher(mirror, author),
    ):
        for turn in range(12):
            (proxy.drop, proxy.cut, proxy.hang, proxy.heal)[turn % 4]()
            for _ in range(20):
                author.commit()
        proxy.heal()
        wait_for(mirror, journal, 5)


def test_a_hand_written_version_is_repaired_and_followed(zookeeper_hosts: str, journal: Journal, seed: int) -> None:
    author = Author(journal, seed)
    author.commit(keys=3, payload=b"1")
    with (
        publishing(journal, zookeeper_hosts),
        connect(zookeeper_hosts) as zk,
        Mirror.zookeeper(zookeeper_hosts, PATH) as mirror,
    ):
        wait_for(mirror, journal)
        zk.write([Set(f"{PATH}/data/k1", record("k1", 99, b"by hand", 0).data)])
        zk.write([Create(f"{PATH}/data/invented", record("invented", 7, b"by hand", 0).data)])
        with Mirror.zookeeper(zookeeper_hosts, PATH) as late:
            wait_until(lambda: "invented" not in late and late["k1"].version == 1, 30, "the repair")
            author.commit(keys=3, payload=b"2")
            wait_for(late, journal)
        wait_for(mirror, journal)
