"""`rainer serve` as its own process, as a user starts it."""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.services.process_service import ProcessService

_TOP = Path(__file__).resolve().parents[2]


class RainerServer(ProcessService):
    """Serves `database` (default: SQLite in its data folder) at `url`; `stop()` is SIGTERM and demands exit code 0."""

    name = "rainer"

    def __init__(
        self,
        database: str | None = None,
        *,
        workers: int = 1,
        data_dir: Path | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(environment=clean_environment() | dict(environment or {}))
        self._database = database
        self._workers = workers
        self._data_dir = data_dir
        self._arguments = tuple(arguments)

    @classmethod
    def available(cls) -> str | None:
        return None

    @property
    def url(self) -> str:
        """Without a namespace and without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def data_dir(self) -> Path:
        return self._data_dir or self.folder / "data"

    @property
    def database(self) -> str:
        """The URL it was started with; may be opened from the test while the server runs."""
        return self._database or f"sqlite:///{self.data_dir / 'journal.db'}"

    def _prepare(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)

    def _command(self) -> Sequence[str]:
        return [
            *(sys.executable, "-m", "rainer.cli.main", "serve"),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--database", self.database, "--data-dir", str(self.data_dir)),
            *(("--workers", str(self._workers)) if self._workers != 1 else ()),
            *self._arguments,
        ]

    def _answers(self) -> bool:
        connection = self._connection()
        try:
            connection.request("GET", "/-/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        """How it is asked whether it answers."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)


def clean_environment() -> dict[str, str]:
    """Ours without RAINER_*: a developer's own settings must not decide how a test's server behaves."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAINER_")}
    return kept | {"PYTHONPATH": str(_TOP), "PYTHONUNBUFFERED": "1"}
