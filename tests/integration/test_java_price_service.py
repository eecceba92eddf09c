"""The long-running Java service of README.md: run, changed under, cut off, and started with nothing behind it."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.client import Client
from tests.integration import readme
from tests.services import guardian, java_build
from tests.services.java_build import SOURCES
from tests.services.machine import find_binary, free_port
from tests.services.processes import kill_tree
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("java")]
_PATIENCE_S = 30.0


def test_it_stands_in_both_texts_word_for_word() -> None:
    source = (SOURCES / "rainer-client/src/test/java/io/rainer/PriceService.java").read_text("utf-8")
    method = textwrap.dedent(source[source.index("    static void run(") : source.rindex("}")]).rstrip() + "\n"
    for path in (readme.PATH, SOURCES / "README.md"):
        assert method in [block.text for block in readme.blocks(path.read_text("utf-8"), "java")], path


class Service:
    """The program, on a port of its own."""

    def __init__(self, url: str, snapshot: Path) -> None:
        self._port = free_port()
        path = java_build.class_path("rainer-client")
        self._process = subprocess.Popen(
            [str(find_binary("java")), *java_build.JVM, "-cp", path, "io.rainer.PriceService", url, str(snapshot),
             str(self._port)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            start_new_session=True,
        )  # fmt: skip
        guardian.watch(self._process.pid)
        self.first_line = self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def said(self) -> str:
        """The next line of its output."""
        return self._line().strip()

    def ask(self, key: str) -> tuple[int, str, str]:
        """Status, body and what it says of its mirror."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE_S)
        with contextlib.closing(connection):
            connection.request("GET", f"/{key}")
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers["X-State"]

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(_PATIENCE_S)

    def close(self) -> None:
        if self._process.poll() is None:
            kill_tree(self._process.pid)
        self._process.wait()
        guardian.forget(self._process.pid)
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextlib.contextmanager
def running(url: str, snapshot: Path) -> Iterator[Service]:
    service = Service(url, snapshot)
    try:
        yield service
    finally:
        service.close()


def test_it_serves_from_memory_whatever_happens(java_client: None, tmp_path: Path) -> None:
    snapshot = tmp_path / "cache" / "prices"
    with RainerServer() as server, Client(f"{server.url}/diary", author="me") as client:
        client.commit("apple", b'{"eur": 3}', version=1)
        with running(client.url, snapshot) as service:
            assert service.first_line == "serving 1 prices\n"
            assert service.ask("apple") == (200, '{"eur":3}', "CURRENT 1")
            assert service.ask("pear")[0] == 404
            client.commit("apple", b'{"eur": 4}', version=2)
            assert service.said() == 'apple is now {"eur":4}'
            client.commit("apple", b'{"eur": ', version=3)
            assert service.said() == 'apple is now {"eur":4}', "the last good one"
            client.commit("apple", b'{"eur": 5}', version=4)
            assert service.said() == 'apple is now {"eur":5}'
            wait_until(snapshot.exists, _PATIENCE_S, "a snapshot")
            server.kill()
            wait_until(lambda: service.ask("apple")[2] == "STALE 4", _PATIENCE_S, "a service that knows it is stale")
            assert service.ask("apple")[1] == '{"eur":5}'
            service.end()
        with running(client.url, snapshot) as again:
            assert again.ask("apple") == (200, '{"eur":5}', "STALE 4"), "with nothing behind it"
            server.start()
            wait_until(lambda: again.ask("apple")[2] == "CURRENT 4", _PATIENCE_S, "a current service")
            assert again.ask("apple")[1] == '{"eur":5}'
