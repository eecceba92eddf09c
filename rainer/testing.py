"""For the tests of those who use Rainer: a journal in memory, and a server and client on it, all real code.

with rainer.testing.server() as server:
    client = server.client()
    client.commit("hey", b"1", version=1, author="test")
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rainer.client import Client
from rainer.errors import missing_extra

try:
    import uvicorn

    from rainer.api import create_app
    from rainer.journal import Journal
except ImportError as e:
    raise missing_extra("rainer.testing needs the server's libraries") from e


def memory_journal() -> Journal:
    """A journal that lives in memory and ends with its `close`; everything else is as on a database."""
    return Journal("memory:")


@dataclass(frozen=True, slots=True)
class TestServer:
    """A server in a thread of this process: `url` without a namespace, and the journal behind it."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    url: str
    journal: Journal

    def client(self, namespace: str = "diary", **options: Any) -> Client:
        """A client of this server."""
        return Client(f"{self.url}/{namespace}", **options)


@contextlib.contextmanager
def server(journal: Journal | None = None) -> Iterator[TestServer]:
    """Serve a journal (a new one in memory by default) on a free port of the loopback, while the block lasts."""
    own = memory_journal() if journal is None else None
    served = own or journal
    assert served is not None
    try:
        with _listening(served) as url:
            yield TestServer(url, served)
    finally:
        if own is not None:
            own.close()


@contextlib.contextmanager
def _listening(journal: Journal) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        config = uvicorn.Config(create_app(journal), log_config=None, lifespan="on", ws="none", access_log=False)
        runner = uvicorn.Server(config)
        # The socket listens already, so a client that is quicker than the thread waits in its backlog.
        thread = threading.Thread(target=runner.run, args=([sock],), name="rainer-test-server", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            runner.should_exit = True
            thread.join()
