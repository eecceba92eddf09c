"""The proxy that plays a bad network."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.services.proxy import Proxy
from tests.services.waiting import wait_until

SHORT_S = 0.2


class Echo(socketserver.BaseRequestHandler):
    """Sends back what it gets; counts what it has seen."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while data := self.request.recv(65536):
                self.server.seen += data
                self.request.sendall(data)
        self.server.ended += 1


class EchoServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    seen = b""
    ended = 0


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    with EchoServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(echo: EchoServer) -> Iterator[Proxy]:
    with Proxy(echo.server_address[1]) as proxy:
        yield proxy


@contextlib.contextmanager
def connected(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as connection:
        yield connection


def receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (part := connection.recv(65536)):
        data += part
    return data


def says_nothing(connection: socket.socket) -> bool:
    connection.settimeout(SHORT_S)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(10)
    return False


def is_over(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_bytes_pass_both_ways_and_so_does_the_end(proxy: Proxy, echo: EchoServer) -> None:
    sent = bytes(range(256)) * 8192
    with connected(proxy) as connection:
        sender = threading.Thread(target=lambda: (connection.sendall(sent), connection.shutdown(socket.SHUT_WR)))
        sender.start()
        assert receive(connection, len(sent)) == sent
        sender.join()
        assert is_over(connection)
    wait_until(lambda: echo.ended == 1 and proxy.connections == 0, 5, "the end at the server")


def test_a_cut_ends_everything_and_refuses_until_healed(proxy: Proxy, echo: EchoServer) -> None:
    with connected(proxy) as connection:
        connection.sendall(b"a")
        assert receive(connection, 1) == b"a"
        proxy.cut()
        assert proxy.connections == 0
        assert is_over(connection)
        wait_until(lambda: echo.ended == 1, 5, "the end at the server")
        with pytest.raises(ConnectionRefusedError), connected(proxy):
            pass
    proxy.heal()
    with connected(proxy) as connection:
        connection.sendall(b"b")
        assert receive(connection, 1) == b"b"


def test_a_drop_ends_what_is_there_and_takes_new_ones(proxy: Proxy) -> None:
    with connected(proxy) as connection:
        connection.sendall(b"a")
        assert receive(connection, 1) == b"a"
        proxy.drop()
        assert is_over(connection)
    with connected(proxy) as connection:
        connection.sendall(b"b")
        assert receive(connection, 1) == b"b"
    assert proxy.accepted == 2


def test_what_hangs_is_held_back_and_passes_when_healed(proxy: Proxy, echo: EchoServer) -> None:
    with connected(proxy) as before:
        before.sendall(b"a")
        assert receive(before, 1) == b"a"
        proxy.hang()
        with connected(proxy) as during:
            before.sendall(b"b")
            during.sendall(b"c")
            assert says_nothing(before)
            assert says_nothing(during)
            assert echo.seen == b"a"
            proxy.heal()
            assert receive(before, 1) == b"b"
            assert receive(during, 1) == b"c"


def test_a_hung_connection_is_half_open(proxy: Proxy, echo: EchoServer) -> None:
    with connected(proxy) as connection, connected(proxy) as watch:
        for each in (connection, watch):
            each.sendall(b"a")
            assert receive(each, 1) == b"a"
        proxy.hang()
        connection.close()
        assert says_nothing(watch)  # for a moment, in which the server hears of no end
        assert echo.ended == 0
        proxy.heal()
        wait_until(lambda: echo.ended == 1, 5, "the end at the server, after healing")


def test_answers_alone_can_hang(proxy: Proxy, echo: EchoServer) -> None:
    with connected(proxy) as connection:
        connection.sendall(b"a")
        assert receive(connection, 1) == b"a"
        proxy.hang(requests=False)
        connection.sendall(b"b")
        wait_until(lambda: echo.seen == b"ab", 5, "the request at the server")
        assert says_nothing(connection)
        proxy.drop()  # now the sender cannot know what became of it
        assert is_over(connection)


def test_delays_add_up_to_latency_and_keep_the_order(proxy: Proxy) -> None:
    with connected(proxy) as connection:
        proxy.delay(SHORT_S)
        begin = time.monotonic()
        for number in range(50):
            connection.sendall(b"%02d" % number)
        assert receive(connection, 100) == b"".join(b"%02d" % number for number in range(50))
        assert 2 * SHORT_S <= time.monotonic() - begin < 50 * SHORT_S
        proxy.delay(60)
        connection.sendall(b"x")
        assert says_nothing(connection)
        proxy.heal()
        assert receive(connection, 1) == b"x"


def test_a_server_that_does_not_listen_ends_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Proxy(port) as proxy, connected(proxy) as connection:
        assert is_over(connection)


def test_a_patient_proxy_waits_for_its_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Proxy(port, patience_s=20) as proxy, connected(proxy) as connection:
        assert says_nothing(connection)
        with socket.create_server(("127.0.0.1", port)) as listener:
            listener.settimeout(10)
            listener.accept()[0].close()
            assert is_over(connection)
