"""rainer.zk on a real ZooKeeper: every call, every error, and the days on which the server is not there."""

from __future__ import annotations

import contextlib
import queue
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.errors import (
    ConflictError,
    DeniedError,
    InvalidError,
    NotFoundError,
    OutcomeUnknown,
    RainerError,
    TooLargeError,
    UnavailableError,
)
from rainer.zk import Check, Create, Delete, Operation, Set, ZooKeeper, ZooKeeperOptions
from tests.services.machine import find_binary
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper as Server


@contextlib.contextmanager
def connected(hosts: str, **options: object) -> Iterator[ZooKeeper]:
    zk = ZooKeeper(ZooKeeperOptions(hosts, **options))  # type: ignore[arg-type]
    try:
        zk.start(20)
        yield zk
    finally:
        zk.close()


@pytest.fixture
def zk(zookeeper_hosts: str) -> Iterator[ZooKeeper]:
    with connected(zookeeper_hosts) as zk:
        yield zk


# Reading and writing


def test_what_is_written_is_read(zk: ZooKeeper) -> None:
    assert zk.get("/a") is None
    assert zk.exists("/a") is None
    zk.write([Create("/a", b"1"), Create("/a/b"), Create("/a/ключ", b"2")])
    data, stat = zk.get("/a") or (b"", None)
    assert data == b"1"
    assert stat is not None
    assert (stat.version, stat.children) == (0, 2)
    assert zk.exists("/a") == stat
    assert zk.get("/a/b") == (b"", zk.exists("/a/b"))
    assert sorted(zk.children("/a") or []) == ["b", "ключ"]
    assert zk.children("/b") is None


def test_a_multi_does_all_or_nothing_and_names_the_culprit(zk: ZooKeeper) -> None:
    written = zk.write([Create("/a", b"1"), Set("/a", b"2", 0), Check("/a", 1)])
    assert [w.path for w in written] == ["/a", "/a", "/a"]
    assert written[1].stat == zk.exists("/a")
    refusals: list[tuple[Operation, type[RainerError]]] = [
        (Create("/a"), ConflictError),
        (Set("/a", b"3", 7), ConflictError),
        (Set("/none", b"3"), NotFoundError),
        (Delete("/a", 7), ConflictError),
        (Delete("/none"), NotFoundError),
        (Check("/a", 9), ConflictError),
        (Create("/none/below"), NotFoundError),
    ]
    for refused, kind in refusals:
        with pytest.raises(kind, match=refused.path):
            zk.write([Create("/b"), refused, Create("/c")])
        assert zk.children("/") == ["a"]


def test_writes_in_flight_are_done_in_their_order(zk: ZooKeeper) -> None:
    zk.write([Create("/a")])
    waits = [zk.write_later([Set("/a", b"%d" % number, number)]) for number in range(20)]
    assert [wait()[0].stat.version for wait in waits] == list(range(1, 21))  # type: ignore[union-attr]


def test_a_request_over_the_limit_is_refused_before_it_is_sent(zk: ZooKeeper) -> None:
    with pytest.raises(TooLargeError, match="1000000"):
        zk.write([Create("/a", bytes(999_990))])
    zk.write([Create("/a", bytes(999_900))])
    assert len((zk.get("/a") or (b"",))[0]) == 999_900
    assert zk.is_connected


def test_many_nodes_are_read_in_order_whatever_their_sizes(zk: ZooKeeper) -> None:
    sizes = [0, 1, 900_000, 10, 700_000, 500_000, *([100] * 2500)]
    for number, size in enumerate(sizes):
        if size > 1000 or number % 500 == 0:
            zk.write([Create(f"/n{number}", bytes(size))])
    for first in range(0, len(sizes), 400):
        absent = [number for number in range(first, min(first + 400, len(sizes))) if zk.exists(f"/n{number}") is None]
        zk.write([Create(f"/n{number}", bytes(sizes[number])) for number in absent])
    paths = [f"/n{number}" for number in range(len(sizes))]
    found = zk.get_many([paths[0], "/none", *paths[1:], "/none"])
    assert [None if f is None else len(f[0]) for f in found] == [sizes[0], None, *sizes[1:], None]
    assert found[0] == zk.get("/n0")
    assert zk.get_many([]) == []


def test_servers_without_multi_read_are_read_one_by_one(zk: ZooKeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rainer.zk.requests.MultiRead.type", 99)
    zk.write([Create("/a", b"1"), Create("/b", b"2")])
    monkeypatch.setattr(zk._many, "_has_multi_read", False)
    assert [None if f is None else f[0] for f in zk.get_many(["/a", "/none", "/b"])] == [b"1", None, b"2"]


def test_folders_are_made_and_trees_deleted(zk: ZooKeeper) -> None:
    zk.ensure("/a/b/c")
    zk.ensure("/a/b/c")
    assert zk.exists("/a/b/c") is not None
    zk.delete_tree("/a")
    assert zk.exists("/a") is None
    zk.delete_tree("/a")


def test_names_that_zookeeper_refuses_are_invalid(zk: ZooKeeper) -> None:
    with pytest.raises(InvalidError):
        zk.write([Create("/a\0b")])
    assert zk.is_connected


def test_ephemeral_nodes_end_with_their_session(zookeeper_hosts: str, zk: ZooKeeper) -> None:
    with connected(zookeeper_hosts) as other:
        first = other.create_sequence("/n-", b"1")
        other.write([Create("/e", b"2", ephemeral=True)])
        assert other.create_sequence("/n-", b"1") > first
        assert sorted(zk.children("/") or [])[0] == "e"
        assert other.session_id != 0
    assert zk.children("/") == []


# Watches


def test_a_node_to_come_is_told_once(zk: ZooKeeper) -> None:
    events: queue.Queue[object] = queue.Queue()
    zk.watch_created("/a", lambda: events.put("created"), lambda exists, error: events.put((exists, error)))
    assert events.get(timeout=10) == (False, None)
    zk.write([Create("/a", b"1")])
    assert events.get(timeout=10) == "created"
    zk.watch_created("/a", lambda: events.put("created"), lambda exists, error: events.put((exists, error)))
    assert events.get(timeout=10) == (True, None)
    zk.get_later("/a", lambda data, error: events.put((data, error)))
    assert events.get(timeout=10) == (b"1", None)
    zk.get_later("/none", lambda data, error: events.put((data, error)))
    assert events.get(timeout=10) == (None, None)


def test_a_node_that_is_there_already_leaves_no_watch(own_zookeeper: Server) -> None:
    events: queue.Queue[bool] = queue.Queue()
    with connected(own_zookeeper.hosts + "/below") as zk:
        zk.ensure("/a")
        for _ in range(3):
            zk.watch_created("/a", lambda: None, lambda exists, _error: events.put(exists))
            assert events.get(timeout=10)
        assert zk.exists("/a") is not None  # by now the server has heard of it
        assert own_zookeeper.figures()["zk_watch_count"] == "0"


def test_changes_of_data_and_children_are_told(zk: ZooKeeper) -> None:
    events: queue.Queue[str] = queue.Queue()
    assert zk.watch_data("/a", lambda: events.put("data")) is None
    zk.write([Create("/a")])
    assert events.get(timeout=10) == "data"
    assert zk.watch_data("/a", lambda: events.put("data")) is not None
    assert zk.children("/a", lambda: events.put("children")) == []
    zk.write([Create("/a/b", b"1"), Create("/a/c", b"2")])
    assert events.get(timeout=10) == "children"
    zk.write([Set("/a", b"2")])
    assert events.get(timeout=10) == "data"
    found = zk.watch_many(["/a/b", "/a/none", "/a/c"], events.put)
    assert [None if f is None else f[0] for f in found] == [b"1", None, b"2"]
    zk.write([Set("/a/c", b"3"), Delete("/a/b")])
    assert {events.get(timeout=10), events.get(timeout=10)} == {"/a/b", "/a/c"}


# Who may do what


def test_digest_authentication_and_acls(zookeeper_hosts: str, zk: ZooKeeper) -> None:
    with connected(zookeeper_hosts, user="me", password="secret") as mine:
        mine.write([Create("/mine", b"1")])
        mine.ensure("/folder/below")
        mine.write([Set("/mine", b"2")])
    assert (zk.get("/mine") or (b"",))[0] == b"2"
    for refused in (Set("/mine", b"3"), Create("/mine/a"), Create("/folder/below/a"), Delete("/folder/below")):
        with pytest.raises(DeniedError, match=refused.path) as e:
            zk.write([refused])
        assert "password" in str(e.value.hint)
    with connected(zookeeper_hosts, user="me", password="wrong") as wrong, pytest.raises(DeniedError):
        wrong.write([Set("/mine", b"3")])
    with connected(zookeeper_hosts, user="me", password="secret") as mine:
        mine.delete_tree("/folder")
        mine.delete_tree("/mine")


def test_acls_as_they_are_asked_for(zookeeper_hosts: str, zk: ZooKeeper) -> None:
    options = {"user": "me", "password": "secret", "acl": ("auth::rwcda", "world:anyone:r")}
    with pytest.raises(InvalidError, match="auth::rwcda"):
        ZooKeeperOptions(zookeeper_hosts, **options)  # type: ignore[arg-type]
    with connected(zookeeper_hosts, user="me", password="secret", acl=("world:anyone:cd",)) as mine:
        mine.write([Create("/a", b"1")])
        with pytest.raises(DeniedError):
            mine.get("/a")
        with pytest.raises(DeniedError, match="/a"):
            zk.get_many(["/", "/a"])


def test_options_that_cannot_be_right_are_refused() -> None:
    for wrong in (
        {"hosts": ""},
        {"hosts": "a:1, b:2"},
        {"hosts": "a:1", "user": "me"},
        {"hosts": "a:1", "acl": ("world:anyone",)},
        {"hosts": "a:1", "acl": ("world:anyone:x",)},
    ):
        with pytest.raises(InvalidError):
            ZooKeeperOptions(**wrong)  # type: ignore[arg-type]
    shown = repr(ZooKeeperOptions("a:1", user="me", password="geheim", sasl={"password": "geheim"}))
    assert "geheim" not in shown


# Chroot


def test_a_chroot_bounds_all_that_is_seen(zookeeper: Server) -> None:
    hosts = zookeeper.make_chroot()
    try:
        with connected(hosts) as zk, connected(hosts + "/below/it") as below:
            below.ensure("/a")
            below.write([Create("/a/b", b"1")])
            assert [f and f[0] for f in below.get_many(["/a/b"])] == [b"1"]
            assert (zk.get("/below/it/a/b") or (b"",))[0] == b"1"
            assert below.children("/") == ["a"]
            with pytest.raises(ConflictError, match="/a/b"):
                below.write([Create("/a/b")])
    finally:
        zookeeper.remove_chroot(hosts)


# TLS


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key, in one file as ZooKeeper and OpenSSL read it."""
    if find_binary("openssl") is None:
        pytest.skip("openssl not found in PATH")
    key, crt, both = tmp_path / "key.pem", tmp_path / "crt.pem", tmp_path / "both.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(crt)], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + crt.read_bytes())
    return both


@pytest.fixture
def tls_hosts(zookeeper: Server, certificate: Path) -> Iterator[str]:
    from tests.services.machine import free_port

    if not zookeeper.owned:
        pytest.skip("the server is not ours to configure")
    port = free_port()
    lines = [
        f"secureClientPort={port}",
        "secureClientPortAddress=127.0.0.1",
        "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory",
        f"ssl.keyStore.location={certificate}",
        "ssl.keyStore.type=PEM",
        f"ssl.trustStore.location={certificate}",
        "ssl.trustStore.type=PEM",
        "ssl.clientAuth=want",
        "ssl.hostnameVerification=false",
    ]
    with Server(config=lines):
        yield f"127.0.0.1:{port}"


def test_tls_with_a_certificate_of_our_own(tls_hosts: str, certificate: Path) -> None:
    with connected(tls_hosts, ca=str(certificate), certificate=str(certificate)) as zk:
        zk.write([Create("/a", bytes(600_000)), Create("/b", b"1")])
        assert [len(f[0]) for f in zk.get_many(["/a", "/b"]) if f] == [600_000, 1]
        zk.drop()
        wait_until(lambda: zk.is_connected and zk.session_id, 10, "the next connection")
    stranger = ZooKeeper(ZooKeeperOptions(tls_hosts, tls=True))
    with pytest.raises(UnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
        stranger.start(0.7)
    stranger.close()
    with pytest.raises(InvalidError, match=r"/none\.pem"):
        ZooKeeper(ZooKeeperOptions(tls_hosts, ca="/none.pem"))


# Days on which the server is not there


def test_no_server_is_said_within_the_time_given() -> None:
    zk = ZooKeeper(ZooKeeperOptions("127.0.0.1:1"))
    for _ in range(2):
        with pytest.raises(UnavailableError, match="127") as e:
            zk.start(0.2)
        assert e.value.hint
    zk.close()
    zk.close()


def test_a_server_that_never_answers_does_not_hold_up_a_close() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        zk = ZooKeeper(ZooKeeperOptions(f"127.0.0.1:{silent.getsockname()[1]}"))
        with pytest.raises(UnavailableError):
            zk.start(0.2)
        ended = threading.Thread(target=zk.close)
        ended.start()
        ended.join(5)
        assert not ended.is_alive()


def test_a_server_that_takes_a_connection_and_never_answers_is_asked_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(10)
        zk = ZooKeeper(ZooKeeperOptions(f"127.0.0.1:{silent.getsockname()[1]}", timeout_s=60.0))
        connected = zk.start_later()
        taken, _ = silent.accept()
        with taken:
            again, _ = silent.accept()  # while the first connection still stands
            again.close()
    zk.close()
    assert not connected.is_set()


def test_a_killed_server_is_missed_and_found_again(own_zookeeper: Server) -> None:
    states: list[str] = []
    with connected(own_zookeeper.hosts) as zk:
        zk.on_connection(states.append)
        zk.write([Create("/a", b"1")])
        own_zookeeper.kill()
        wait_until(lambda: "suspended" in states, 10, "the loss")
        assert not zk.is_connected
        wait = zk.write_later([Set("/a", b"2")])
        own_zookeeper.start()
        wait_until(lambda: states[-1:] == ["connected"], 10, "the return")
        wait()
        assert (zk.get("/a") or (b"",))[0] == b"2"


def test_a_write_whose_answer_is_lost_is_called_unknown(own_zookeeper: Server) -> None:
    with connected(own_zookeeper.hosts) as zk:
        zk.write([Create("/a", b"1")])
        own_zookeeper.pause()
        wait = zk.write_later([Set("/a", b"2")])
        answers: queue.Queue[RainerError | None] = queue.Queue()
        zk.get_later("/a", lambda _data, error: answers.put(error))
        own_zookeeper.kill()
        with pytest.raises(OutcomeUnknown, match="ZooKeeper did not answer") as e:
            wait()
        assert "look" in str(e.value.hint)
        assert isinstance(answers.get(timeout=10), UnavailableError)


def test_a_server_that_lost_its_data_is_talked_to(own_zookeeper: Server) -> None:
    with connected(own_zookeeper.hosts) as zk:
        for number in range(30):
            zk.write([Create(f"/n{number}")])
        session = zk.session_id
        own_zookeeper.kill()
        own_zookeeper.wipe()
        own_zookeeper.start()
        wait_until(lambda: zk.is_connected and zk.session_id != session, 10, "a new session")
        assert zk.exists("/n1") is None
        zk.write([Create("/n1")])


def test_a_session_that_ended_is_followed_by_another(own_zookeeper: Server) -> None:
    states: list[str] = []
    with connected(own_zookeeper.hosts) as zk:
        zk.on_connection(states.append)
        zk.write([Create("/e", ephemeral=True)])
        own_zookeeper.expire_session(zk._client.client_id)
        zk.drop()
        wait_until(lambda: states[-1:] == ["connected"] and "lost" in states, 15, "the next session")
        assert zk.exists("/e") is None


def test_a_paused_server_is_given_up_when_asked(own_zookeeper: Server) -> None:
    with connected(own_zookeeper.hosts) as zk:
        zk.write([Create("/a", b"1")])
        own_zookeeper.pause()
        with pytest.raises(UnavailableError):
            zk.get_many(["/a"], timeout_s=0.3)
        zk.drop()
        wait_until(lambda: not zk.is_connected, 5, "the end of the connection")
        own_zookeeper.resume()
        wait_until(lambda: zk.is_connected, 10, "the next one")
        assert (zk.get("/a") or (b"",))[0] == b"1"
