"""Who may read the trees in ZooKeeper is what the policy says; everywhere else nothing changes."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import pytest

from rainer.errors import DeniedError, InvalidDocument
from rainer.journal import Journal
from rainer.mirror import Mirror
from rainer.mirror.reports import Reporter
from rainer.model.position import Position
from rainer.publish import Publisher
from rainer.service.tree_reports import TreeReports
from rainer.zk import Create, Delete, Tree, ZooKeeper, ZooKeeperOptions
from tests.services.waiting import wait_until

ROOT: Final = "/rainer"
PUBLISHER: Final = {"user": "publisher", "password": "p"}
READER: Final = {"user": "app", "password": "a"}
STRANGER: Final = {"user": "other", "password": "o"}


def digest_of(user: str, password: str) -> str:
    """What ZooKeeper keeps of a user."""
    return f"digest:{user}:{base64.b64encode(hashlib.sha1(f'{user}:{password}'.encode()).digest()).decode()}"


@pytest.fixture
def journal() -> Iterator[Journal]:
    with Journal("memory:") as journal:
        journal.create_namespace("rainer", format="yaml")
        journal.create_namespace("prod")
        for namespace in ("prod", "diary"):
            journal.append("k", b"1", version=1, author="me", namespace=namespace)
        journal.append("large", b"x" * 950_000, version=1, author="me", namespace="prod")
        yield journal


def enact(journal: Journal, zookeeper: dict[str, list[str]]) -> None:
    version = len(journal.log("policy", namespace="rainer")) + 1 if "policy" in keys(journal) else 1
    text = json.dumps({"grants": [], "zookeeper": zookeeper}).encode()
    journal.append("policy", text, version=version, author="me", namespace="rainer")


def keys(journal: Journal) -> set[str]:
    return {commit.key for commit in journal.heads("rainer")}


class Seen:
    """A tree as somebody sees it."""

    def __init__(self, hosts: str, who: dict[str, str]) -> None:
        self.zk = ZooKeeper(ZooKeeperOptions(hosts, **who))
        self.zk.start()

    def nodes(self, namespace: str) -> list[str]:
        """The nodes that may be read, by their paths below the tree's root; those that may not are left out."""
        found = []
        waiting = [f"{ROOT}/{namespace}"]
        while waiting:
            path = waiting.pop()
            with contextlib.suppress(DeniedError):
                self.zk.get(path)
                found.append(path.removeprefix(f"{ROOT}/{namespace}"))
            with contextlib.suppress(DeniedError):
                waiting += [f"{path}/{name}" for name in self.zk.children(path) or ()]
        return sorted(found)


@pytest.fixture
def seen(zookeeper_hosts: str) -> Iterator[dict[str, Seen]]:
    found = {
        name: Seen(zookeeper_hosts, who)
        for name, who in (("publisher", PUBLISHER), ("reader", READER), ("stranger", STRANGER), ("nobody", {}))
    }
    yield found
    for one in found.values():
        one.zk.close()


def level(publisher: Publisher) -> bool:
    return bool(publisher.status()) and all(one["state"] == "publishing" for one in publisher.status())


def test_a_tree_is_for_its_readers_alone(journal: Journal, zookeeper_hosts: str, seen: dict[str, Seen]) -> None:
    options = ZooKeeperOptions(zookeeper_hosts, **PUBLISHER)
    with Publisher(journal, options, ROOT) as publisher:
        wait_until(lambda: level(publisher), 20, "all is published")
        open_nodes = seen["nobody"].nodes("prod")
        assert "/data/k" in open_nodes
        diary = seen["nobody"].nodes("diary")
        enact(journal, {"prod": [digest_of(**READER)]})
        wait_until(lambda: seen["nobody"].nodes("prod") == [], 20, "strangers read nothing of what was there")
        assert seen["stranger"].nodes("prod") == []
        readable = seen["reader"].nodes("prod")
        assert set(open_nodes) - set(readable) == {one for one in open_nodes if one.startswith("/election/")} - {
            one for one in readable if one.startswith("/election/")
        }
        assert seen["nobody"].nodes("diary") == diary
        # What is made from now on, and what a mirror does
        with Mirror.zookeeper(zookeeper_hosts, f"{ROOT}/prod", **READER) as mirror:
            journal.append("k", b"2", version=2, author="me", namespace="prod")
            journal.append("new", b"1", version=1, author="me", namespace="prod")
            journal.append("large", b"y" * 960_000, version=2, author="me", namespace="prod")
            mirror.wait_for("new", 1, timeout_s=10)
            mirror.wait_for("large", 2, timeout_s=10)
            wait_until(lambda: seen["publisher"].zk.children(f"{ROOT}/prod/mirrors"), 10, "the mirror reports")
        assert [one for one in seen["nobody"].nodes("prod") if not one.startswith("/mirrors/")] == []
        with pytest.raises(DeniedError):
            seen["reader"].zk.write([Delete(f"{ROOT}/prod/data/k")])
    # Another publisher, and then for all again
    with Publisher(journal, options, ROOT) as publisher:
        wait_until(lambda: level(publisher), 20, "all is published")
        assert "/data/k" not in seen["nobody"].nodes("prod")
        enact(journal, {})
        wait_until(lambda: "/data/k" in seen["nobody"].nodes("prod"), 20, "everybody reads it again")
        wait_until(lambda: seen["publisher"].zk.get(f"{ROOT}/prod")[0] == b"", 10, "and that is noted")  # type: ignore[index]


def test_a_new_tree_is_never_open(journal: Journal, zookeeper_hosts: str, seen: dict[str, Seen]) -> None:
    enact(journal, {"prod": [digest_of(**READER)]})
    with Publisher(journal, ZooKeeperOptions(zookeeper_hosts, **PUBLISHER), ROOT) as publisher:
        wait_until(lambda: level(publisher), 20, "all is published")
        assert seen["nobody"].nodes("prod") == []
        assert "/data/k" in seen["reader"].nodes("prod")
        assert "/data/k" in seen["nobody"].nodes("diary")
        assert seen["nobody"].zk.children(ROOT) is not None


def test_whoever_may_read_a_tree_may_say_what_he_holds_of_it(
    journal: Journal, zookeeper_hosts: str, seen: dict[str, Seen]
) -> None:
    folder = f"{ROOT}/prod/mirrors"
    journal.append("mirrors", b"1", version=1, author="me", namespace="prod")
    options = ZooKeeperOptions(zookeeper_hosts, **PUBLISHER)
    with Publisher(journal, options, ROOT) as publisher, closing(TreeReports(options, ROOT)) as reports:
        wait_until(lambda: level(publisher), 20, "all is published")
        with (
            Mirror.zookeeper(zookeeper_hosts, f"{ROOT}/prod") as nobody,
            Mirror.zookeeper(zookeeper_hosts, f"{ROOT}/prod", **STRANGER) as stranger,
        ):
            wait_until(lambda: len(seen["nobody"].zk.children(folder) or ()) == 2, 20, "both mirrors report")
            journal.append("k", b"2", version=2, author="me", namespace="prod")
            for mirror in (nobody, stranger):
                mirror.wait_for("k", 2, timeout_s=10)
            wanted = {journal.position().revision}
            wait_until(lambda: {one.revision for one in reports.read(["prod"])} == wanted, 20, "both have said so")
            others = [f"{folder}/{name}" for name in seen["nobody"].zk.children(folder) or ()]
            for who, path in itertools.product(("nobody", "stranger"), others):
                with pytest.raises(DeniedError):  # not even one's own kind, for he may not take away
                    seen[who].zk.write([Delete(path)])
            for path in ("data/more", "data/mirrors/more", "log/more", "election/more"):
                with pytest.raises(DeniedError):
                    seen["nobody"].zk.write([Create(f"{ROOT}/prod/{path}", b"")])
            hidden = ZooKeeper(ZooKeeperOptions(zookeeper_hosts, **STRANGER, acl=(f"{digest_of(**STRANGER)}:cdrwa",)))
            with closing(hidden), closing(TreeReports(options, ROOT)) as again:
                hidden.start()
                hidden.write([Create(f"{folder}/hidden", b"{}", ephemeral=True)])
                assert len(again.read(["prod"])) == 2, "what the server may not read is passed over"


def test_a_mirror_that_may_only_add_goes_on_in_its_next_session(
    journal: Journal, zookeeper_hosts: str, seen: dict[str, Seen]
) -> None:
    tree = Tree(f"{ROOT}/prod")
    with Publisher(journal, ZooKeeperOptions(zookeeper_hosts, **PUBLISHER), ROOT) as publisher:
        wait_until(lambda: level(publisher), 20, "all is published")

        class Held:
            position, rejected = Position("x", 1, bytes(32)), {}

        reporter = Reporter(seen["nobody"].zk, tree, Held())  # type: ignore[arg-type]
        reporter.turn("")
        (first,) = seen["publisher"].zk.children(tree.mirrors) or ()
        reporter._zk, reporter._next_at = seen["stranger"].zk, 0.0
        reporter.turn("")
        names = seen["publisher"].zk.children(tree.mirrors) or ()
        assert len(names) == 2, "that of the session before is there until it ends"
        assert first in names
        assert not reporter._is_denied


def test_who_is_nobody_to_zookeeper_keeps_nobody_out(
    journal: Journal, zookeeper_hosts: str, seen: dict[str, Seen]
) -> None:
    enact(journal, {"prod": [digest_of(**READER)]})
    with Publisher(journal, ZooKeeperOptions(zookeeper_hosts), ROOT) as publisher:
        wait_until(lambda: level(publisher), 20, "all is published")
        (told,) = (one for one in publisher.status() if one["namespace"] == "prod")
        assert "nobody knows who we are" in told["error"]
        assert "--zookeeper-user" in told["error"]


def test_a_server_that_would_keep_itself_out_takes_no_such_policy(journal: Journal) -> None:
    import asyncio

    from rainer.model.commit import draft
    from rainer.service import PublishOptions, Service, ServiceOptions
    from rainer.service.refusals import RefusedDraft

    service = Service(journal, ServiceOptions(publishing=PublishOptions(ZooKeeperOptions("127.0.0.1:1"))))
    payload = json.dumps({"zookeeper": {"prod": ["world:anyone"]}}).encode()

    async def check() -> Any:
        await service.governing.check(draft("policy", payload, version=1, author="me", namespace="rainer"))

    with pytest.raises((InvalidDocument, RefusedDraft), match="as nobody"):
        asyncio.run(check())


def test_a_policy_that_cannot_be_read_opens_no_tree(
    journal: Journal, zookeeper_hosts: str, seen: dict[str, Seen]
) -> None:
    """Such as one that a newer server took, before it was put back: who starts then does not know who may read."""
    options = ZooKeeperOptions(zookeeper_hosts, **PUBLISHER)
    enact(journal, {"prod": [digest_of("app", "a")]})
    with Publisher(journal, options) as publisher:
        wait_until(lambda: level(publisher), 20, "published")
    kept = seen["reader"].nodes("prod")
    assert seen["stranger"].nodes("prod") == []
    journal.append("policy", b"grants: []\nnewer: yes\n", version=2, author="me", namespace="rainer")
    journal.append("k", b"2", version=2, author="me", namespace="prod")
    with Publisher(journal, options) as publisher:
        wait_until(lambda: "policy" in publisher.error, 20, "that it says why it publishes nothing")
        assert seen["stranger"].nodes("prod") == []
        assert set(kept) <= set(seen["reader"].nodes("prod"))
        enact(journal, {"prod": [digest_of("app", "a")]})
        wait_until(lambda: level(publisher), 20, "published again")
        assert seen["stranger"].nodes("prod") == []
