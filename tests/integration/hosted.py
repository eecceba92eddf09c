"""An ASGI app on a server in a thread of the test's own process, as those who mount ours run it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn


@contextlib.contextmanager
def hosted(app: Any, **options: Any) -> Iterator[str]:
    """Serve an app with uvicorn's own settings, or `options`; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        config = uvicorn.Config(
            app, **{"log_config": None, "lifespan": "on", "ws": "none", "access_log": False} | options
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([sock],), name="hosted")
        thread.start()
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
