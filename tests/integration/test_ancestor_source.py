"""Trees without head and log, as the ancestor and keepers leave them: mirrored too, and handed over to a journal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rainer.errors import NotFoundError
from rainer.mirror.keeper import Keeper
from rainer.model.serialization import to_bytes
from tests.integration.test_zookeeper_source import ROOT, following
from tests.integration.tree_writer import TreeWriter, commit
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper


@pytest.fixture
def keeper(zookeeper_hosts: str) -> Iterator[Keeper]:
    with Keeper(zookeeper_hosts, ROOT) as keeper:
        yield keeper


@pytest.fixture
def raw(zookeeper_hosts: str) -> Iterator[TreeWriter]:
    with TreeWriter(zookeeper_hosts) as writer:
        yield writer


def test_what_a_keeper_saves_is_followed(zookeeper_hosts: str, keeper: Keeper) -> None:
    keeper.save(commit("a", 1, b"1"))
    keeper.save(commit("b", 1, b"1"))
    with following(zookeeper_hosts) as sink:
        wait_until(lambda: sink.payloads == {"a": b"1", "b": b"1"}, 10, "the load")
        assert sink.position is None
        keeper.save(commit("a", 2, b"2"))
        keeper.save(commit("c", 1, b"1"))
        keeper.save(commit("b", 2, None))
        wait_until(lambda: sink.payloads == {"a": b"2", "c": b"1"}, 10, "the changes")
        keeper.save(commit("b", 3, b"3"))
        keeper.save(commit("c", 7, b"7"))
        wait_until(lambda: sink.payloads == {"a": b"2", "b": b"3", "c": b"7"}, 10, "more of them")
        assert sink.replaced == 1
        wait_until(lambda: sink.confirmed, 10, "a confirmation")
        assert sink.confirmed[-1][0] is None


def test_a_removed_key_may_begin_anew(zookeeper_hosts: str, keeper: Keeper) -> None:
    keeper.save(commit("a", 7, b"7"))
    with following(zookeeper_hosts) as sink:
        wait_until(lambda: sink.payloads == {"a": b"7"}, 10, "the load")
        keeper.save(commit("a", 8, None))
        keeper.save(commit("a", 1, b"1"))
        wait_until(lambda: sink.payloads == {"a": b"1"}, 10, "the new life of the key")


def test_a_tree_that_is_removed_whole_and_made_anew_is_followed_again(
    zookeeper_hosts: str, keeper: Keeper, raw: TreeWriter
) -> None:
    keeper.save(commit("a", 7, b"7"))
    with following(zookeeper_hosts) as sink:
        wait_until(lambda: sink.payloads == {"a": b"7"}, 10, "the load")
        raw.client.delete(ROOT, recursive=True)
        wait_until(lambda: isinstance(sink.error, NotFoundError), 10, "the loss being said")
        raw.client.ensure_path(f"{ROOT}/data")
        raw.client.create(f"{ROOT}/data/b", to_bytes(commit("b", 1, b"1")))
        wait_until(lambda: sink.payloads == {"b": b"1"}, 10, "the new tree")


def test_a_version_that_somebody_lowered_is_not_taken(zookeeper_hosts: str, keeper: Keeper, raw: TreeWriter) -> None:
    keeper.save(commit("a", 7, b"7"))
    with following(zookeeper_hosts) as sink:
        wait_until(lambda: sink.payloads == {"a": b"7"}, 10, "the load")
        raw.client.set(f"{ROOT}/data/a", to_bytes(commit("a", 3, b"3")))
        keeper.save(commit("b", 1, b"1"))
        wait_until(lambda: "b" in sink.payloads, 10, "the others going on")
        assert sink.payloads["a"] == b"7"


def test_bytes_that_do_not_parse_keep_the_last_good_value(
    zookeeper_hosts: str, keeper: Keeper, raw: TreeWriter
) -> None:
    keeper.save(commit("a", 1, b"1"))
    with following(zookeeper_hosts) as sink:
        wait_until(lambda: sink.payloads == {"a": b"1"}, 10, "the load")
        raw.client.set(f"{ROOT}/data/a", b"garbage")
        wait_until(lambda: "a" in sink.rejected, 10, "the refusal")
        assert sink.payloads == {"a": b"1"}
        keeper.save(commit("a", 2, b"2"))
        wait_until(lambda: sink.payloads == {"a": b"2"}, 10, "the repair")


def test_an_empty_tree_is_loaded_when_it_stays_so(zookeeper_hosts: str, raw: TreeWriter) -> None:
    raw.client.ensure_path(f"{ROOT}/data")
    with following(zookeeper_hosts) as sink:
        wait_until(lambda: sink.replaced, 10, "the load of nothing")
        assert isinstance(sink.errors[0], NotFoundError)
        wait_until(lambda: sink.error is None, 10, "the end of the error")
        raw.client.create(f"{ROOT}/data/a", to_bytes(commit("a", 1, b"1")))
        wait_until(lambda: sink.payloads == {"a": b"1"}, 10, "the first key")


def test_a_journal_that_takes_over_is_followed_by_its_log(zookeeper_hosts: str, raw: TreeWriter) -> None:
    raw.client.ensure_path(f"{ROOT}/data")
    raw.client.create(f"{ROOT}/data/a", to_bytes(commit("a", 3, b"3")))
    with following(zookeeper_hosts) as sink:
        wait_until(lambda: sink.payloads == {"a": b"3"}, 10, "the load")
        raw.versions, raw.payloads = {"a": 3}, {"a": b"3"}
        raw.revision = 3
        for name in ("log", "large", "mirrors"):
            raw.client.ensure_path(f"{ROOT}/{name}")
        raw.client.create(f"{ROOT}/head", raw.head_bytes())
        raw.beat()
        wait_until(lambda: sink.position == raw.position, 10, "the journal's position")
        raw.publish({"a": b"4", "b": b"1"})
        wait_until(lambda: sink.payloads == {"a": b"4", "b": b"1"}, 10, "the journal's commits")
        assert sink.position == raw.position


def test_many_keys_are_all_watched(zookeeper_hosts: str, keeper: Keeper, raw: TreeWriter) -> None:
    raw.client.ensure_path(f"{ROOT}/data")
    for first in range(0, 3000, 500):
        t = raw.client.transaction()
        for number in range(first, first + 500):
            t.create(f"{ROOT}/data/k{number}", to_bytes(commit(f"k{number}", 1, b"1")))
        t.commit()
    with following(zookeeper_hosts) as sink:
        wait_until(lambda: len(sink.heads) == 3000, 10, "the load")
        for number in (0, 1499, 2999):
            keeper.save(commit(f"k{number}", 2, b"2"))
        wait_until(lambda: sum(v == 2 for v in sink.versions.values()) == 3, 10, "the changes")


def test_what_changed_while_zookeeper_was_away_is_read(own_zookeeper: ZooKeeper) -> None:
    with Keeper(own_zookeeper.hosts, ROOT) as keeper:
        keeper.save(commit("a", 1, b"1"))
        keeper.save(commit("b", 1, b"1"))
        with following(own_zookeeper.hosts) as sink:
            wait_until(lambda: len(sink.heads) == 2, 10, "the load")
            own_zookeeper.kill()
            wait_until(lambda: sink.error, 10, "the word that nobody answers")
            own_zookeeper.start()
            wait_until(lambda: keeper._zk.is_connected, 10, "the keeper")
            keeper.save(commit("a", 2, None))
            keeper.save(commit("b", 2, b"2"))
            wait_until(lambda: sink.payloads == {"b": b"2"}, 10, "the changes")
