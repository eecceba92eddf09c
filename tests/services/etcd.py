"""An etcd of one member: the yardstick of the benchmarks."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Sequence

from tests.services.machine import find_binary, free_port
from tests.services.process_service import ProcessService


class Etcd(ProcessService):
    """Serves its HTTP JSON gateway (`/v3/kv/put`, `/v3/kv/range`) at `url`; its log is synced on every put, as ever."""

    name = "etcd"
    # etcd passes the signal that ended it on to itself.
    stop_exit_codes = (0, -15)

    def __init__(self) -> None:
        super().__init__()
        self._peer_port = 0

    @classmethod
    def available(cls) -> str | None:
        return None if find_binary("etcd") else "etcd not found in PATH"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _prepare(self) -> None:
        self._peer_port = free_port()

    def _command(self) -> Sequence[str]:
        peer = f"http://127.0.0.1:{self._peer_port}"
        return [
            str(find_binary("etcd")),
            "--name=bench",
            f"--data-dir={self.folder / 'data'}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=bench={peer}",
            "--log-level=warn",
        ]

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=1) as answer:
                return b"true" in answer.read()
        except (OSError, urllib.error.URLError):
            return False
