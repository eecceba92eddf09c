"""The starter of ZooKeeper servers: what faults are done with must itself do as it is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import ConnectionLoss, NoNodeError

from tests.services.process_service import ServiceError
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper


@contextlib.contextmanager
def connected(hosts: str, timeout_s: float = 10.0) -> Iterator[KazooClient]:
    client = KazooClient(hosts=hosts, timeout=timeout_s, connection_retry={"max_delay": 0.2, "max_tries": -1})
    client.start(timeout=20)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def test_what_was_written_survives_kill_9_on_the_same_port(own_zookeeper: ZooKeeper) -> None:
    hosts = own_zookeeper.hosts
    with connected(hosts) as client:
        client.create("/kept", b"42")
    own_zookeeper.kill()
    own_zookeeper.start()
    assert own_zookeeper.hosts == hosts
    with connected(hosts) as client:
        assert client.get("/kept")[0] == b"42"


def test_a_stop_ends_well_and_a_wipe_forgets(own_zookeeper: ZooKeeper) -> None:
    with connected(own_zookeeper.hosts) as client:
        client.create("/gone", b"42")
    with pytest.raises(ServiceError, match="wiping"):
        own_zookeeper.wipe()
    own_zookeeper.stop()
    own_zookeeper.wipe()
    own_zookeeper.start()
    with connected(own_zookeeper.hosts) as client, pytest.raises(NoNodeError):
        client.get("/gone")


def test_a_paused_server_answers_again_when_resumed(own_zookeeper: ZooKeeper) -> None:
    own_zookeeper.pause()
    assert not own_zookeeper.serving
    own_zookeeper.resume()
    wait_until(lambda: own_zookeeper.serving, 10, "an answer of the resumed server")


def test_each_chroot_is_empty_and_its_own(zookeeper: ZooKeeper, zookeeper_hosts: str) -> None:
    other = zookeeper.make_chroot()
    with connected(zookeeper_hosts) as client, connected(other) as neighbour:
        client.create("/here")
        assert client.get_children("/") == ["here"]
        assert neighbour.get_children("/") == []


def test_sessions_and_figures_are_told(own_zookeeper: ZooKeeper) -> None:
    assert own_zookeeper.sessions() == set()
    with connected(own_zookeeper.hosts) as client:
        assert own_zookeeper.sessions() == {client.client_id[0]}
        client.exists("/later", watch=lambda event: None)
        assert own_zookeeper.figures()["zk_watch_count"] == "1"


def test_a_session_can_be_ended_behind_its_clients_back(own_zookeeper: ZooKeeper) -> None:
    # A test of this client's behaviour would be another one: only that it hears of its loss, and finds a new session.
    with connected(own_zookeeper.hosts, timeout_s=4.0) as client:
        states: list[str] = []
        client.add_listener(states.append)
        before = client.client_id
        client.create("/mine", ephemeral=True)
        own_zookeeper.expire_session(before)
        assert before[0] not in own_zookeeper.sessions()
        wait_until(lambda: KazooState.LOST in states, 10, lambda: f"a lost session among {states}")
        wait_until(lambda: client.connected and client.client_id != before, 10, "a new session")
        assert client.exists("/mine") is None


def test_a_session_that_nobody_has_cannot_be_ended(own_zookeeper: ZooKeeper) -> None:
    with pytest.raises(LookupError, match="0x7"):
        own_zookeeper.expire_session((7, bytes(16)))


def test_options_reach_the_server(zookeeper: ZooKeeper) -> None:
    assert zookeeper.serving  # asked for because it skips, or fails, where there is no ZooKeeper
    with ZooKeeper(jute_maxbuffer=4096, config=["minSessionTimeout=500"]) as server:
        with connected(server.hosts, timeout_s=1.0) as client:
            client.create("/small", bytes(3000))
            assert client._session_timeout == 1000
        assert "minSessionTimeout=500" in server.four_letter("conf")
        assert server.figures()["zk_server_state"] == "standalone"
        with connected(server.hosts) as client, pytest.raises(ConnectionLoss):
            client.create("/large", bytes(5000))


def test_a_server_that_is_not_ours_is_used_and_never_harmed(
    own_zookeeper: ZooKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ZooKeeper.environment_name, own_zookeeper.hosts)
    with ZooKeeper.from_environment() as named:
        assert not named.owned
        hosts = named.make_chroot()
        for harm in (named.kill, named.pause, lambda: named.expire_session((7, bytes(16)))):
            with pytest.raises(ServiceError, match="not ours"):
                harm()
        named.remove_chroot(hosts)
    with connected(own_zookeeper.hosts) as client:
        assert client.get_children("/") == ["zookeeper"]
