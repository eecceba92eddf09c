"""Mirrors of real servers over HTTP: current within moments, through crashes, restores, proxies and forks."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import rainer
import rainer.testing
from rainer.client import Client
from rainer.errors import UnavailableError
from rainer.journal.administration import adopt
from rainer.mirror import Mirror
from tests.integration import backup
from tests.integration.conftest import verify
from tests.services.proxy import Proxy
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until
from tests.unit.ancestor_server import AncestorServer
from tests.unit.test_mirror_forks import in_child

PATIENCE_S = 20.0
HEALED_S = 5.0


@pytest.fixture(scope="module")
def shared(_guardian: None) -> Iterator[RainerServer]:
    with RainerServer() as server:
        yield server
        server.stop()
        verify(server.database)


@pytest.fixture
def client(shared: RainerServer, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client of a namespace of the test's own."""
    with Client(f"{shared.url}/diary", author="ann") as first:
        name = f"n{abs(hash(request.node.nodeid)):x}"[:30]
        first.create_namespace(name)
        yield first.in_namespace(name)


def same(mirror: Mirror, client: Client) -> bool:
    """Whether the mirror holds what the server says, byte for byte."""
    return dict(mirror) == client.heads()


def url_by(proxy: Proxy, client: Client) -> str:
    return f"http://127.0.0.1:{proxy.port}/{client.namespace_name}"


def test_it_loads_follows_and_ends(client: Client) -> None:
    client.commit("a", b"\0\xff", version=1, comment="wärum ✓")
    client.commit("b", b"", version=1)
    client.commit("c", b"x", version=1)
    client.commit("c", None, version=2)
    with rainer.Mirror.http(client.url) as mirror:
        assert dict(mirror) == client.heads()
        assert (set(mirror), mirror.state, mirror.error) == ({"a", "b"}, "current", None)
        assert mirror.wait_for("c", 2) is None
        assert mirror["a"].revision is not None
        drafts = [{"key": "a", "payload": b"2", "version": 2}, {"key": "b", "payload": None, "version": 2}]
        made = client.commit_many(drafts)
        mirror.wait_for_revision(made[-1].revision or 0, PATIENCE_S)
        assert dict(mirror) == client.heads() == {"a": made[0]}
        status = client.status()
        wait_until(lambda: str(mirror.position) == _position(client), PATIENCE_S, lambda: f"{mirror.position} {status}")


def _position(client: Client) -> str:
    status = client.status()
    return f"{status['lineage']}:{status['revision']}:{status['chain']}"


def test_other_namespaces_move_its_revision_and_nothing_else(client: Client) -> None:
    other = client.in_namespace("diary")
    with Mirror.http(client.url) as mirror:
        versions = [c.version for c in other.heads().values()]
        made = other.commit(f"k{len(versions)}", b"1", version=1)
        mirror.wait_for_revision(made.revision or 0, PATIENCE_S)
        assert (len(mirror), mirror.state) == (0, "current")


def test_a_large_changeset_arrives_as_one(client: Client) -> None:
    keys = [f"k{n}" for n in range(3000)]
    torn: list[int] = []
    done = threading.Event()
    with Mirror.http(client.url) as mirror:

        def watch() -> None:
            while not done.is_set():
                versions = {c.version for c in dict(mirror).values()}
                if len(versions) > 1 or len(mirror) not in (0, len(keys)):
                    torn.append(len(versions))

        watching = threading.Thread(target=watch)
        watching.start()
        for version in (1, 2, 3):
            made = client.commit_many([{"key": key, "payload": b"x" * 100, "version": version} for key in keys])
            mirror.wait_for_revision(made[-1].revision or 0, PATIENCE_S)
        done.set()
        watching.join()
        assert same(mirror, client)
    assert torn == []


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_server_that_goes_and_comes_back(how: str) -> None:
    with RainerServer() as server, Client(f"{server.url}/diary", author="ann") as client:
        client.commit("a", b"1", version=1)
        with Mirror.http(client.url) as mirror:
            getattr(server, how)()
            wait_until(lambda: mirror.state == "stale", PATIENCE_S, "the mirror to notice")
            wait_until(lambda: "Connection refused" in str(mirror.error), PATIENCE_S, lambda: str(mirror.error))
            assert mirror["a"].payload == b"1"
            server.start()
            client.commit("a", b"2", version=2)
            assert mirror.wait_for("a", 2, timeout_s=HEALED_S)
            assert (mirror.state, mirror.error) == ("current", None)


def test_everything_is_down_at_the_start(tmp_path: Path) -> None:
    with RainerServer() as server, Client(f"{server.url}/diary", author="ann") as client:
        client.commit("a", b"1", version=1)
        with Mirror.http(client.url, snapshot=tmp_path / "diary"):
            pass
        client.commit("a", b"2", version=2)
        server.kill()
        with Mirror.http(client.url, snapshot=tmp_path / "diary") as mirror:
            assert (mirror["a"].payload, mirror.state) == (b"1", "stale")
            server.start()
            assert mirror.wait_for("a", 2, timeout_s=HEALED_S)
            assert mirror.state == "current"
        server.kill()
        with pytest.raises(UnavailableError, match="cannot be reached: Connection refused"):
            Mirror.http(client.url).start(timeout_s=0.3)


def test_a_snapshot_is_caught_up_with_instead_of_loaded_anew(client: Client, tmp_path: Path) -> None:
    client.commit("a", b"1", version=1)
    client.commit("b", b"1", version=1)
    with Mirror.http(client.url, snapshot=tmp_path / "diary"):
        pass
    client.commit("b", b"2", version=2)
    heard: list[str] = []
    mirror = Mirror.http(client.url, snapshot=tmp_path / "diary")
    mirror.on_change(lambda key, old, new: heard.append(f"{key} {old and old.version} {new and new.version}"))
    with mirror:
        assert same(mirror, client)
        wait_until(lambda: len(heard) == 3, PATIENCE_S, lambda: str(heard))
    assert heard == ["a None 1", "b None 1", "b 1 2"]


@pytest.mark.parametrize("adopted", [False, True], ids=["as it was", "adopted"])
def test_a_database_restored_from_yesterday(adopted: bool, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'journal.db'}"
    with RainerServer(database) as server, Client(f"{server.url}/diary", author="ann") as client:
        client.commit("a", b"yesterday", version=1)
        restore = backup.take(database)
        client.commit("a", b"today", version=2)
        client.commit("b", b"today", version=1)
        with Mirror.http(client.url) as mirror:
            server.stop()
            restore()
            if adopted:
                adopt(database)
            server.start()
            if not adopted:
                wait_until(lambda: "this mirror has seen" in str(mirror.error), PATIENCE_S, lambda: str(mirror.error))
                assert (mirror["a"].payload, mirror.state) == (b"today", "stale")
                for version in (2, 3, 4):
                    client.commit("a", b"another today", version=version)
            wait_until(lambda: same(mirror, client), PATIENCE_S, lambda: f"{dict(mirror)} {mirror.error}")
            assert set(mirror) == {"a"}
            wait_until(lambda: mirror.state == "current", PATIENCE_S, lambda: f"{mirror} {mirror.error}")


def test_an_ancestors_server_is_mirrored() -> None:
    with AncestorServer() as ancestor:
        ancestor.store("a", b"1")
        ancestor.store("b", b"1")
        with Mirror.http(ancestor.url, poll_s=0.02) as mirror:
            assert (mirror["a"].payload, mirror.revision, mirror.state) == (b"1", None, "current")
            ancestor.store("a", b"2")
            ancestor.store("b", None)
            mirror.wait_for("a", 2, timeout_s=PATIENCE_S)
            mirror.wait_for("b", 2, timeout_s=PATIENCE_S)
            assert (set(mirror), mirror["a"].payload) == ({"a"}, b"2")


# Bad networks


@contextmanager
def proxied(client: Client, shared: RainerServer, **options: Any) -> Iterator[tuple[Proxy, Mirror]]:
    with Proxy(shared.port) as proxy, Mirror.http(url_by(proxy, client), **options) as mirror:
        yield proxy, mirror


def test_connections_that_are_cut(client: Client, shared: RainerServer) -> None:
    with proxied(client, shared) as (proxy, mirror):
        proxy.cut()
        wait_until(lambda: mirror.state == "stale", PATIENCE_S, "the mirror to notice")
        client.commit("a", b"1", version=1)
        proxy.heal()
        assert mirror.wait_for("a", 1, timeout_s=HEALED_S)
        for version in range(2, 12):
            proxy.drop()
            client.commit("a", b"x", version=version)
            assert mirror.wait_for("a", version, timeout_s=HEALED_S)
        assert same(mirror, client)


def test_a_connection_that_says_nothing_any_more_is_given_up(client: Client, shared: RainerServer) -> None:
    with proxied(client, shared, silence_s=0.5) as (proxy, mirror):
        proxy.hang()
        client.commit("a", b"1", version=1)
        wait_until(lambda: mirror.state == "stale", PATIENCE_S, "the mirror to notice")
        assert "a" not in mirror
        proxy.heal()
        assert mirror.wait_for("a", 1, timeout_s=HEALED_S)
        wait_until(lambda: mirror.state == "current", HEALED_S, lambda: f"{mirror} {mirror.error}")


def test_a_proxy_that_keeps_events_to_itself(client: Client) -> None:
    with _Buffering(client) as proxy, Mirror.http(proxy.url, silence_s=0.3) as mirror:
        for version in range(1, 4):
            client.commit("a", b"x", version=version)
            assert mirror.wait_for("a", version, timeout_s=PATIENCE_S)
        wait_until(lambda: "/-/changes" in proxy.last and "wait=" in proxy.last, PATIENCE_S, lambda: proxy.last)
        client.commit("a", b"x", version=4)
        assert mirror.wait_for("a", 4, timeout_s=HEALED_S)
        assert (mirror.state, mirror.error) == ("current", None)


class _Buffering:
    """A proxy that answers when the whole answer is there, which of a stream of events it never is."""

    def __init__(self, client: Client) -> None:
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        import requests

        outer, root = self, client.url.rpartition("/")[0]
        self.last = ""
        self._ended = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.last = self.path
                if self.headers.get("Accept") == "text/event-stream":
                    outer._ended.wait(PATIENCE_S)
                    return
                answer = requests.get(root + self.path, timeout=30)
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in ("content-length", "transfer-encoding", "content-encoding"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.content)))
                with contextlib.suppress(BrokenPipeError):  # the mirror is closed, and waits for nothing
                    self.end_headers()
                    self.wfile.write(answer.content)

            def log_message(self, *_: object) -> None:
                """Tests print enough."""

        self._client = client
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = False  # so that closing waits for them
        self.url = f"http://127.0.0.1:{self._http.server_port}/{client.namespace_name}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    def __enter__(self) -> _Buffering:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._client.commit("end", b"x", version=1)  # what still waits for a change is answered
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.mark.parametrize("moment", ["loading", "following"])
def test_a_close_does_not_wait_for_a_server_that_hangs(moment: str, client: Client, shared: RainerServer) -> None:
    with Proxy(shared.port) as proxy:
        mirror = Mirror.http(url_by(proxy, client))
        if moment == "loading":
            proxy.hang()
            starting = threading.Thread(target=_suppressed, args=(mirror.start,))
            starting.start()
            wait_until(lambda: proxy.connections, PATIENCE_S, "the mirror to ask")
        else:
            mirror.start()
            proxy.hang()
        closing = threading.Thread(target=mirror.close)
        closing.start()
        closing.join(4)
        assert not closing.is_alive()
        if moment == "loading":
            starting.join()


def _suppressed(call: Any) -> None:
    try:
        call()
    except UnavailableError:
        return


# Forks


def test_a_forked_child_follows_on_a_connection_of_its_own(client: Client) -> None:
    client.commit("a", b"1", version=1)
    with Mirror.http(client.url) as mirror:

        def child() -> None:
            assert mirror["a"].version == 1
            with Client(client.url, author="child") as own:
                own.commit("a", b"2", version=2)
            assert mirror.wait_for("a", 2, timeout_s=PATIENCE_S)
            assert mirror.state == "current"
            mirror.close()

        in_child(child)
        assert mirror.wait_for("a", 2, timeout_s=PATIENCE_S)
        assert mirror.state == "current"
        client.commit("a", b"3", version=3)
        assert mirror.wait_for("a", 3, timeout_s=PATIENCE_S)


def test_the_mirror_of_a_test_server() -> None:
    with rainer.testing.server() as server, server.client(author="me") as client, server.mirror() as mirror:
        client.commit("k", b"1", version=1)
        assert mirror.wait_for("k", 1, timeout_s=PATIENCE_S) == client.get("k")
