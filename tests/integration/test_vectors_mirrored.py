"""The golden vectors of trees, in a real ZooKeeper: a mirror comes to hold, step by step, what they say."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from kazoo.client import KazooClient

from rainer import Mirror
from rainer.errors import UnavailableError
from rainer.model import times
from rainer.model.published import Beat, Head
from tests.services.waiting import wait_until
from tests.unit.vectors import load, raw

TREES = load("znodes")["trees"]
PATIENCE_S = 20.0


class Planted:
    """One tree of the vectors below a root of its own, and the mirror that follows it."""

    def __init__(self, client: KazooClient, hosts: str, number: int, tree: dict[str, Any]) -> None:
        self.tree, self.root = tree, f"/vectors-{number}/diary"
        self._client, self._hosts = client, hosts
        self._there: set[str] = set()
        self._head: Head | None = None
        self.mirror: Mirror | None = None
        client.ensure_path(self.root)

    def write(self, nodes: dict[str, Any]) -> None:
        """Write a step's nodes in one transaction, and a beat of now where there is a head."""
        data = {path: None if spelt is None else raw(spelt) for path, spelt in nodes.items()}
        head = data.get("head")
        self._head = self._head if head is None else Head.from_bytes(head)
        if self._head is not None:
            data["beat"] = Beat(times.now_ms(), self._head.revision, "vectors").to_bytes()
        transaction = self._client.transaction()
        for path, value in data.items():
            where = f"{self.root}/{path}"
            if value is None:
                transaction.delete(where)
                self._there.discard(path)
            elif path in self._there:
                transaction.set_data(where, value)
            else:
                transaction.create(where, value)
                self._there.add(path)
        answers = transaction.commit()
        assert not [answer for answer in answers if isinstance(answer, Exception)], (self.tree["name"], answers)

    def check(self, name: str, told: dict[str, Any] | None, ends: contextlib.ExitStack) -> None:
        """Wait until the mirror holds what the step says; the mirror is started when there is something to read."""
        if told is None:
            mirror = Mirror.zookeeper(self._hosts, self.root, reports=False)
            with pytest.raises(UnavailableError):
                mirror.start(timeout_s=0.2)
            return
        if self.mirror is None:
            self.mirror = ends.enter_context(Mirror.zookeeper(self._hosts, self.root, reports=False))
        wanted = as_told(told)
        wait_until(
            lambda: self._holds() == wanted, PATIENCE_S,
            lambda: f"{self.tree['name']}, {name}: {self._holds()}, not {wanted}",
        )  # fmt: skip

    def _holds(self) -> Any:
        assert self.mirror is not None
        at = self.mirror.position
        position = None if at is None else (at.lineage, at.revision, at.chain.hex())
        heads = [(c.key, c.version, c.payload, c.comment) for c in self.mirror.snapshot().values()]
        return position, sorted(heads), sorted(self.mirror.rejected)


def as_told(told: dict[str, Any]) -> Any:
    at = told["position"]
    position = None if at is None else (at["lineage"], at["revision"], at["chain"])
    heads = [(one["key"], one["version"], raw(one["payload"]), one["comment"]) for one in told["heads"]]
    return position, heads, told["rejected"]


def test_a_mirror_holds_what_the_vectors_say(zookeeper_hosts: str) -> None:
    walk(zookeeper_hosts, Planted)


def walk(hosts: str, kind: type[Planted]) -> None:
    """Write all trees, step by step, and check what the mirrors of this kind hold after each step."""
    client = KazooClient(hosts=hosts, timeout=10.0)
    client.start(timeout=20)
    try:
        with contextlib.ExitStack() as ends:
            planted = [kind(client, hosts, number, tree) for number, tree in enumerate(TREES)]
            for one in planted:
                one.write(one.tree["nodes"])
                one.check("at first", one.tree["mirror"], ends)
            for number in range(max(len(tree["then"]) for tree in TREES)):
                moving = [(one, one.tree["then"][number]) for one in planted if number < len(one.tree["then"])]
                for one, step in moving:
                    one.write(step["nodes"])
                for one, step in moving:
                    one.check(step["name"], step["mirror"], ends)
    finally:
        client.stop()
        client.close()
