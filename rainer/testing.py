"""For the tests of those who use Rainer: a journal in memory, a server, client and mirror on it, all real code.

with rainer.testing.server() as server:
    client = server.client()
    client.commit("hey", b"1", version=1, author="test")
    with server.mirror() as mirror:
        client.commit("hey", b"2", version=2, author="test")
        mirror.wait_for("hey", 2, timeout_s=5)
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rainer.client import Client
from rainer.errors import UnavailableError, missing_extra
from rainer.mirror import Mirror

try:
    import uvicorn

    from rainer.api import create_app
    from rainer.api.app import RainerApp
    from rainer.api.protocol import PatientProtocol
    from rainer.journal import Journal
    from rainer.service import ServiceOptions, StoreOptions
except ImportError as e:
    raise missing_extra("rainer.testing needs the server's libraries") from e

if TYPE_CHECKING:
    from rainer.store import Client as StoreClient

_SHUTDOWN_TIMEOUT_S: Final = 5
_END_TIMEOUT_S: Final = 30.0


def memory_journal() -> Journal:
    """A journal that lives in memory and ends with its `close`; everything else is as on a database."""
    return Journal("memory:")


def store_client(*, local: bool = True, remote: bool = True, beside: StoreClient | None = None) -> StoreClient:
    """A client of a file store that is all in memory: `rainer.store.Client` without a server or a folder.

    Without `local` it keeps no copies, without `remote` it has no store, as a client that was made so; `beside`
    another it shares that one's store.
    """
    from rainer.store.memory_client import memory_client

    return memory_client(local=local, remote=remote, beside=beside)


@dataclass(frozen=True, slots=True)
class TestServer:
    """A server in a thread of this process: `url` without a namespace, and the journal behind it."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    url: str
    journal: Journal

    def client(self, namespace: str = "diary", **options: Any) -> Client:
        """A client of this server."""
        return Client(f"{self.url}/{namespace}", **options)

    @property
    def store(self) -> str:
        """The URL of its file store."""
        return f"{self.url}/-/store"

    def mirror(self, namespace: str = "diary", **options: Any) -> Mirror:
        """A mirror of one of its namespaces, for `with`; `options` are those of `Mirror.http`."""
        return Mirror.http(f"{self.url}/{namespace}", **options)


@contextlib.contextmanager
def server(journal: Journal | None = None) -> Iterator[TestServer]:
    """Serve a journal (a new one in memory by default) on a free port of the loopback, while the block lasts.

    The contents of its file store lie in a temporary folder, which goes with the block.
    """
    own = memory_journal() if journal is None else None
    served = own or journal
    assert served is not None
    try:
        with tempfile.TemporaryDirectory(prefix="rainer-store-") as folder, _listening(served, folder) as url:
            yield TestServer(url, served)
    finally:
        if own is not None:
            own.close()


class _Server(uvicorn.Server):
    """A server that lets its waiting feeds go when it ends."""

    def __init__(self, app: RainerApp) -> None:
        super().__init__(
            uvicorn.Config(
                app, http=PatientProtocol, log_config=None, lifespan="on", ws="none", access_log=False,
                timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT_S,
            )
        )  # fmt: skip
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.service.begin_shutdown()
        await super().shutdown(sockets)


@contextlib.contextmanager
def _listening(journal: Journal, folder: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        runner = _Server(create_app(journal, ServiceOptions(store=StoreOptions(folder))))
        # The socket listens already, so a client that is quicker than the thread waits in its backlog.
        thread = threading.Thread(target=runner.run, args=([sock],), name="rainer-test-server", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            runner.should_exit = True
            thread.join(_END_TIMEOUT_S)
            if thread.is_alive():
                raise UnavailableError(f"the test's server did not end within {_END_TIMEOUT_S:g} s")
