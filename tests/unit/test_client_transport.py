"""Connections: pooled, shared by threads, never by processes; no cookies, no environment; bounded in time."""

from __future__ import annotations

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from rainer.client import Client, Retries
from rainer.client.transport import new_session
from rainer.errors import InvalidError, OutcomeUnknown, UnavailableError
from tests.services.machine import free_port
from tests.unit.http_script import BREAK, RESET, Received, ScriptedServer, answer, held_until, json_answer, problem

FAST = Retries(3, 0.001, 0.002)
OK = answer(200, '{"version": "1"}', close=False)


def test_calls_go_over_one_connection_also_when_answers_are_empty_refused_or_chunked() -> None:
    chunked = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{"a": 1}\r\n0\r\n\r\n'
    with ScriptedServer(OK, answer(404, "no", close=False), answer(200, b"", close=False), chunked, OK) as server:
        with Client(server.url, retries=0) as client:
            client.status()
            for _ in range(2):
                with pytest.raises(Exception):  # noqa: B017 - which error is another test's matter
                    client.status()
            assert client.status() == {"a": 1}
            client.status()
        assert len(server.received) == 5
        assert server.connections == 1


def test_threads_share_a_client() -> None:
    def echo(received: Received) -> bytes:
        return json_answer({"target": received.target, "since": 0})

    with ScriptedServer(echo) as server, Client(server.url, retries=0) as client:
        with ThreadPoolExecutor(8) as pool:
            names = [f"n{number}" for number in range(100)]
            found = list(pool.map(lambda name: client._reader.ask(f"/-/{name}", name), names))
        assert [json.loads(answer.body)["target"] for answer in found] == [f"/-/{name}" for name in names]


def test_a_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    # No "Connection: close" is announced: the client finds out when it writes or reads.
    with ScriptedServer(OK, BREAK, RESET, OK) as server, Client(server.url, retries=FAST) as client:
        client.status()
        assert client.status() == {"version": "1"}
        assert server.connections == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_opens_its_own_connection_and_leaves_its_parents_alone() -> None:
    with ScriptedServer(OK) as server, Client(server.url, retries=0) as client:
        client.status()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                client.status()
                client.close()
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        client.status()
        assert [received.connection for received in server.received] == [0, 1, 0]


def test_no_cookie_is_kept_or_sent() -> None:
    with ScriptedServer(answer(200, "{}", {"Set-Cookie": "a=b; Path=/"})) as server, Client(server.url) as client:
        client.status()
        client.status()
        assert "cookie" not in server.received[1].headers


def test_the_environments_proxy_and_netrc_are_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    netrc = f"{tmp_path}/netrc"
    with open(netrc, "w") as file:  # noqa: PTH123
        file.write("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", netrc)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with ScriptedServer(OK) as server, Client(server.url, retries=0) as client:
        client.status()
        assert "authorization" not in server.received[0].headers


def test_a_login_in_the_url_is_sent_as_basic_authorization() -> None:
    with ScriptedServer(OK) as server:
        with Client(server.url.replace("127.0.0.1", "me:s%40cret@127.0.0.1")) as client:
            client.status()
        assert server.received[0].headers["authorization"] == b"Basic bWU6c0BjcmV0"


def test_a_session_of_ones_own_is_used_and_not_closed() -> None:
    with ScriptedServer(OK) as server, new_session() as session:
        session.headers["X-Mine"] = "yes"
        with Client(server.url, session=session) as client:
            client.status()
        with Client(server.url, session=session) as client:
            client.status()
        assert [received.headers["x-mine"] for received in server.received] == [b"yes", b"yes"]
        assert server.connections == 1


def test_a_function_that_makes_sessions_is_called_once_and_its_session_closed() -> None:
    made = []

    def make() -> requests.Session:
        made.append(new_session())
        return made[-1]

    with ScriptedServer(OK) as server:
        with Client(server.url, session=make) as client:
            client.status()
            client.in_namespace("other").status()
        assert len(made) == 1
        assert server.connections == 1


def test_a_closed_client_opens_again() -> None:
    with ScriptedServer(OK) as server:
        client = Client(server.url)
        client.status()
        client.close()
        client.close()
        client.status()
        client.close()
        assert server.connections == 2


def test_a_redirect_is_not_followed_but_told() -> None:
    with ScriptedServer(answer(301, "", {"Location": "https://conf.example/diary"})) as server:
        with Client(server.url, author="me", retries=FAST) as client:
            for call in (client.status, lambda: client.commit("a", b"x", version=1)):
                with pytest.raises(InvalidError, match=r"redirects to 'https://conf\.example/diary'"):
                    call()
        assert len(server.received) == 2


def test_a_server_that_is_not_there_is_unavailable_and_tried_as_often_as_told() -> None:
    client = Client(f"http://127.0.0.1:{free_port()}/diary", author="me", retries=FAST)
    with pytest.raises(UnavailableError, match=r"cannot be reached: .*Connection refused") as caught:
        client.status()
    assert caught.value.hint
    with pytest.raises(UnavailableError):
        client.commit("a", b"x", version=1)
    client.close()


def test_a_host_that_does_not_exist_is_unavailable() -> None:
    client = Client("http://no-such-host.invalid/diary", retries=0)
    with pytest.raises(UnavailableError, match=r"no-such-host\.invalid cannot be reached"):
        client.status()


def test_a_silent_server_is_given_up_at_the_read_timeout() -> None:
    enough = threading.Event()
    with (
        ScriptedServer(held_until(enough)) as server,
        Client(server.url, retries=0, read_timeout_s=0.05, author="me") as client,
    ):
        with pytest.raises(UnavailableError, match="no answer within the time allowed"):
            client.status()
        with pytest.raises(OutcomeUnknown):
            client.commit("a", b"x", version=1)
        enough.set()


def test_the_deadline_is_over_all_attempts_together() -> None:
    enough = threading.Event()
    with ScriptedServer(held_until(enough)) as server:
        with Client(server.url, retries=Retries(1000, 0.001, 0.01), timeout_s=0.4, read_timeout_s=0.1) as client:
            began = time.monotonic()
            with pytest.raises(UnavailableError):
                client.status()
            took_s = time.monotonic() - began
        enough.set()
        assert 2 <= len(server.received) <= 5
        assert took_s < 5


def test_an_answer_that_drips_cannot_outlast_the_deadline() -> None:
    go_on = threading.Event()

    class Dripping(ScriptedServer):
        def _answer(self, connection: object, received: Received) -> bool:
            self.received.append(received)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")  # type: ignore[attr-defined]
            while not go_on.wait(0.01):
                connection.sendall(b"x")  # type: ignore[attr-defined]
            return False

    with Dripping(OK) as server:
        with Client(server.url, retries=0, timeout_s=0.3, read_timeout_s=0.3) as client:
            began = time.monotonic()
            with pytest.raises(UnavailableError, match="still coming in"):
                client.status()
            assert time.monotonic() - began < 5
        go_on.set()


def test_an_answer_that_breaks_off_is_asked_for_again() -> None:
    short = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{"
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\n{"
    with ScriptedServer(short, chunks, OK) as server, Client(server.url, retries=FAST) as client:
        assert client.status() == {"version": "1"}
    with (
        ScriptedServer(short) as server,
        Client(server.url, retries=0) as client,
        pytest.raises(UnavailableError, match="broke off"),
    ):
        client.status()


def test_what_was_the_cause_of_an_earlier_failure_does_not_colour_the_next() -> None:
    nobody = Client(f"http://127.0.0.1:{free_port()}/diary", retries=0)
    with ScriptedServer(BREAK) as server, Client(server.url, author="me", retries=0) as client:
        try:
            nobody.status()
        except UnavailableError:
            # Python chains the refused connection to what fails here, and yet this commit's outcome is unknown.
            with pytest.raises(OutcomeUnknown):
                client.commit("a", b"x", version=1)
        assert server.targets() == ["POST /diary/a/1", "GET /diary/a/1"]


def test_pauses_grow_are_part_chance_and_respect_the_server() -> None:
    retries = Retries(10, 0.1, 1.0)
    for attempt, longest in [(1, 0.1), (2, 0.2), (4, 0.8), (5, 1.0), (1000, 1.0)]:
        pauses = {retries.pause_after(attempt) for _ in range(50)}
        assert len(pauses) > 1
        assert all(longest / 2 <= pause <= longest for pause in pauses)
    assert retries.pause_after(1, 7.0) == 7.0


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_and_its_retry_after_is_waited_for(status: int) -> None:
    busy = answer(status, "busy", {"Retry-After": "1"})
    with ScriptedServer(busy, OK) as server, Client(server.url, retries=FAST) as client:
        began = time.monotonic()
        assert client.status() == {"version": "1"}
        assert time.monotonic() - began >= 0.99
    with ScriptedServer(busy, OK) as server, Client(server.url, retries=FAST, timeout_s=0.5) as client:
        with pytest.raises(UnavailableError):
            client.status()
        assert len(server.received) == 1


def test_what_is_refused_for_good_is_not_asked_again() -> None:
    with ScriptedServer(problem(503, "schema-mismatch")) as server, Client(server.url, retries=FAST) as client:
        with pytest.raises(Exception, match="because"):
            client.status()
        assert len(server.received) == 1
