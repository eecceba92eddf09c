"""Several workers behind one port: all serve, their figures are one, and one that dies is replaced."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeVar

import psutil
import pytest

from tests.integration.conftest import verify
from tests.integration.events import EventStream
from tests.integration.figures import figures
from tests.integration.wire import Wire, ask, commit, request
from tests.services import secrets
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

W = TypeVar("W", bound=Wire)
WORKERS = 3
POST = {"X-Rainer-Author": "test"}


@pytest.fixture
def server() -> Iterator[RainerServer]:
    """A server of three workers, all of which serve."""
    with RainerServer(workers=WORKERS) as server:
        wait_until(lambda: len(serving(server)) == WORKERS, 30, lambda: f"only {serving(server)} serve")
        yield server
        server.stop()
        verify(server.database)
        assert "Traceback" not in server.output, server.output[-4000:]


def workers(server: RainerServer) -> list[psutil.Process]:
    """The living processes below the server's: those that serve, not the helper of multiprocessing."""
    return [p for p in psutil.Process(server.pid).children() if _is_worker(p)]


def _is_worker(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):  # which a zombie is, too
        return "spawn_main" in " ".join(process.cmdline())
    return False


def serving(server: RainerServer) -> set[int]:
    """The workers that took one of some new connections."""
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.url)) for _ in range(8 * WORKERS)]
        for wire in wires:
            wire.send(request("GET", "/-/healthz"))
        assert {wire.answer().status for wire in wires} == {200}
        return {p.pid for p in workers(server) if _serves(p, server.port)}


def _serves(worker: psutil.Process, port: int) -> bool:
    connections = worker.net_connections("tcp")
    return any(c.status == psutil.CONN_ESTABLISHED and c.laddr.port == port for c in connections)


def on_each_worker(server: RainerServer, stack: ExitStack, kind: Callable[[str], W] = Wire) -> list[W]:
    """Connections that reach every worker: whichever is free takes the next one, so some may need a few more."""
    connections: list[W] = []

    def connect_some() -> bool:
        connections.extend(stack.enter_context(kind(server.url)) for _ in range(2 * WORKERS))
        return all(_serves(p, server.port) for p in workers(server))

    wait_until(connect_some, 30, "a connection to each worker")
    return connections


def test_all_workers_commit_to_one_journal(server: RainerServer) -> None:
    with ExitStack() as stack:
        wires = on_each_worker(server, stack)
        for n, wire in enumerate(wires):
            wire.send(request("POST", f"/diary/k{n}/1", POST, b"x"))
        assert sorted(int(w.answer().header("X-Rainer-Revision") or 0) for w in wires) == [
            n + 1 for n in range(len(wires))
        ]
        for version, wire in enumerate(wires, 2):  # each sees what the one before it wrote
            assert wire.ask("GET", "/diary/k0").header("X-Rainer-Version") == str(version - 1)
            assert wire.ask("POST", f"/diary/k0/{version}", POST, b"x").status == 200
        assert {w.ask("GET", "/-/status").json()["workers"] for w in wires} == {WORKERS}
        total = 2 * len(wires)
        assert {figures(w)["rainer_commits_total"] for w in wires} == {total}
        assert figures(wires[0])["rainer_revision"] == total


def test_an_identity_has_its_rate_once_whichever_worker_it_asks() -> None:
    burst, secret = 300, secrets.new_secret()
    limits = ("--identity", "--rate-per-s", "1", "--rate-burst", str(burst))
    environment = {"RAINER_BOOTSTRAP_TOKEN": secret}
    with RainerServer(workers=WORKERS, arguments=limits, environment=environment) as server, ExitStack() as stack:
        wait_until(lambda: len(serving(server)) == WORKERS, 30, lambda: f"only {serving(server)} serve")
        wires = on_each_worker(server, stack)
        begun_s = time.monotonic()
        answered = 0
        for wire in wires:
            while wire.ask("GET", "/-/whoami", {"Authorization": f"Bearer {secret}"}).status == 200:
                answered += 1
        assert burst <= answered <= burst + 1 + time.monotonic() - begun_s


def test_a_worker_that_is_killed_is_replaced(server: RainerServer) -> None:
    for n in range(20):
        assert commit(server.url, f"k{n}", 1).status == 200
    before = {p.pid for p in workers(server)}
    victim = workers(server)[0].pid
    with ExitStack() as stack:
        streams = on_each_worker(server, stack, lambda url: EventStream(url, "since=20"))
        wait_until(lambda: _waiting(server) == len(streams), 10, lambda: f"{_waiting(server)} readers wait")
        lost = sum(1 for s in streams if _is_of(s, victim))
        assert 0 < lost < len(streams)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len({p.pid for p in workers(server)} - before) == 1, 30, "another worker")
        wait_until(lambda: len(serving(server)) == WORKERS, 30, "an answer from the new worker")
        assert victim not in {p.pid for p in workers(server)}
        # What the dead one counted stays; what it was doing does not.
        wait_until(lambda: _waiting(server) == len(streams) - lost, 10, lambda: f"{_waiting(server)} readers wait")
    with Wire(server.url) as wire:
        assert figures(wire)["rainer_commits_total"] == 20
    assert commit(server.url, "k0", 2).status == 200


def test_a_replacement_ends_as_well_as_the_first(server: RainerServer) -> None:
    for victim in workers(server):
        victim.kill()
    wait_until(lambda: len(serving(server)) == WORKERS, 30, "three new workers")
    with ExitStack() as stack:
        streams = on_each_worker(server, stack, EventStream)
        server.ask_to_stop()
        for stream in streams:
            assert [event for event in stream if event.kind != "comment"] == []
        server.wait_for_end()
        server.start()


def test_workers_do_not_outlive_their_parent() -> None:
    with RainerServer(workers=WORKERS) as server:
        assert commit(server.url, "k", 1).status == 200
        orphans = workers(server)
        psutil.Process(server.pid).kill()
        _, alive = psutil.wait_procs(orphans, timeout=20)
        assert not alive
        server.start()  # the port is free again
        assert ask(server.url, "GET", "/diary/k").status == 200
        server.stop()


def test_a_worker_that_hangs_is_replaced_and_the_others_go_on(server: RainerServer) -> None:
    hanging = workers(server)[0]
    hanging.suspend()
    wait_until(lambda: not hanging.is_running(), 60, "the end of the worker that hangs")
    wait_until(lambda: len(serving(server)) == WORKERS, 30, "another worker")
    assert commit(server.url, "k", 1).status == 200


def test_a_terminal_that_hangs_up_ends_the_server() -> None:
    for count in (1, WORKERS):
        with RainerServer(workers=count) as server:
            assert commit(server.url, "k", 1).status == 200
            server.ask_to_stop(signal.SIGHUP)
            server.wait_for_end()


def _waiting(server: RainerServer) -> float:
    with Wire(server.url) as wire:
        return figures(wire)["rainer_feeds_waiting"]


def _is_of(stream: EventStream, pid: int) -> bool:
    own = stream.socket.getsockname()[1]
    return any(c.raddr and c.raddr.port == own for c in psutil.Process(pid).net_connections("tcp"))
