"""A mirror's source when ZooKeeper dies, forgets, hangs or ends its session: current again soon after it is back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rainer.errors import UnavailableError
from tests.integration.test_zookeeper_source import ROOT, following, wait_for
from tests.integration.tree_writer import TreeWriter
from tests.services.ensemble import Ensemble
from tests.services.proxy import Proxy
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper

HEALED_S = 5.0


@pytest.fixture
def writer(own_zookeeper: ZooKeeper) -> Iterator[TreeWriter]:
    with TreeWriter(own_zookeeper.hosts) as writer:
        writer.make()
        writer.publish({"a": b"1", "b": b"1"})
        yield writer


def test_killed_and_back(own_zookeeper: ZooKeeper, writer: TreeWriter) -> None:
    with following(own_zookeeper.hosts) as sink:
        wait_for(sink, writer)
        own_zookeeper.kill()
        wait_until(lambda: isinstance(sink.error, UnavailableError), 10, "the word that nobody answers")
        assert sink.payloads == {"a": b"1", "b": b"1"}
        own_zookeeper.start()
        wait_until(lambda: writer.client.connected, 10, "the writer")
        writer.publish({"a": b"2"})
        wait_for(sink, writer, HEALED_S)
        assert sink.replaced == 1
        writer.beat()
        wait_until(lambda: sink.error is None, HEALED_S, "the end of the error")


def test_not_there_at_the_start(own_zookeeper: ZooKeeper, writer: TreeWriter) -> None:
    own_zookeeper.kill()
    with following(own_zookeeper.hosts) as sink:
        wait_until(lambda: isinstance(sink.error, UnavailableError), 10, "the word that nobody answers")
        own_zookeeper.start()
        wait_until(lambda: writer.client.connected, 10, "the writer")
        wait_for(sink, writer, HEALED_S)


@pytest.mark.parametrize("batches", [0, 1, 2, 3, 5])
def test_wiped_and_published_anew(own_zookeeper: ZooKeeper, writer: TreeWriter, batches: int) -> None:
    """The new log may be shorter than the old one, as long, or longer: it is never taken for the same."""
    writer.publish({"a": b"2"})
    writer.publish({"c": b"1"})
    with following(own_zookeeper.hosts) as sink:
        wait_for(sink, writer)
        kept = sink.payloads
        writer.close()
        own_zookeeper.kill()
        own_zookeeper.wipe()
        own_zookeeper.start()
        with TreeWriter(own_zookeeper.hosts) as anew:
            anew.revision, anew.versions = writer.revision, dict(writer.versions)
            anew.make()
            anew.publish({"c": b"2", "d": b"1", "a": None, "b": b"2"})
            for number in range(batches):
                anew.publish({"e": b"%d" % number})
            anew.beat()
            wait_for(sink, anew, 10)
        assert sink.states[0] == {key: writer.versions[key] for key in kept}


def test_a_session_that_ends_is_followed_by_another(own_zookeeper: ZooKeeper, writer: TreeWriter) -> None:
    def reporters() -> list[str]:
        return sorted(writer.client.get_children(f"{ROOT}/mirrors"))

    with following(own_zookeeper.hosts) as sink:
        wait_for(sink, writer)
        names = wait_until(reporters, 10, "the report")
        before = own_zookeeper.sessions() - {writer.client.client_id[0]}
        source = sink.source
        own_zookeeper.expire_session(source._zk._client.client_id)
        source._zk.drop()
        wait_until(lambda: not before & own_zookeeper.sessions(), 10, "the end of the session")
        writer.publish({"a": b"2"})
        wait_for(sink, writer, HEALED_S)
        wait_until(lambda: reporters() == names, HEALED_S, "the report in the new session")
        assert sink.replaced == 1


def test_a_server_that_hangs_is_left_and_found_again(own_zookeeper: ZooKeeper, writer: TreeWriter) -> None:
    with following(own_zookeeper.hosts) as sink:
        wait_for(sink, writer)
        own_zookeeper.pause()
        wait_until(lambda: isinstance(sink.error, UnavailableError), 15, "the word that nobody answers")
        own_zookeeper.resume()
        wait_until(lambda: writer.client.connected, 20, "the writer")
        writer.publish({"a": b"2"})
        wait_for(sink, writer, HEALED_S)


@pytest.mark.parametrize("requests", [True, False], ids=["both ways", "answers only"])
def test_a_connection_that_hangs_half_open(own_zookeeper: ZooKeeper, writer: TreeWriter, requests: bool) -> None:
    with Proxy(own_zookeeper.port) as proxy, following(proxy.hosts) as sink:
        wait_for(sink, writer)
        proxy.hang(requests=requests)
        for number in range(100):
            writer.publish({f"k{number}": b"1"})
        wait_until(lambda: isinstance(sink.error, UnavailableError), 10, "the word that nobody answers")
        proxy.heal()
        wait_for(sink, writer, HEALED_S)


def test_a_slow_connection_is_kept(own_zookeeper: ZooKeeper, writer: TreeWriter) -> None:
    with Proxy(own_zookeeper.port) as proxy, following(proxy.hosts) as sink:
        wait_for(sink, writer)
        proxy.delay(0.5)
        seen = len(sink.confirmed)
        for number in range(20):
            writer.publish({"a": b"%d" % number})
        wait_for(sink, writer)
        writer.beat()
        wait_until(lambda: len(sink.confirmed) > seen + 1, 10, "looks that are answered")
        assert proxy.accepted == 1


def test_a_log_trimmed_meanwhile(own_zookeeper: ZooKeeper) -> None:
    with (
        TreeWriter(own_zookeeper.hosts, keep=3) as writer,
        Proxy(own_zookeeper.port) as proxy,
        following(proxy.hosts) as sink,
    ):
        writer.make()
        writer.publish({"a": b"1"})
        wait_for(sink, writer)
        proxy.cut()
        for number in range(30):
            writer.publish({f"k{number % 5}": b"%d" % number})
        writer.publish({"a": None})
        proxy.heal()
        wait_for(sink, writer, HEALED_S)


def test_a_follower_that_lags_never_takes_a_mirror_back(own_ensemble: Ensemble) -> None:
    with TreeWriter(own_ensemble.hosts) as writer, following(own_ensemble.hosts) as sink:
        writer.make()
        for number in range(10):
            writer.publish({"a": b"%d" % number})
        wait_for(sink, writer)
        for member in own_ensemble.members:
            own_ensemble.leader  # noqa: B018 - waits until there is one
            member.kill()
            member.start()
            own_ensemble.wait_until_serving()
            wait_until(lambda: writer.client.connected, 20, "the writer")
            writer.publish({"a": b"next"})
            wait_for(sink, writer, 10)
        versions = [state["a"] for state in sink.states if "a" in state]
        assert versions == sorted(versions)
