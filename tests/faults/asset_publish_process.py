"""Publishes in processes that die by kill -9 at a given step; asked line by line.

Every call to the store and every request to the server has a step before and one after, and a portion of an upload one
more. The program loads everything once and forks for each publish.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_TOP = Path(__file__).resolve().parents[2]


class PublishProcess:
    """The program; a context manager."""

    def __init__(self, url: str, store_url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.asset_publish_process", url, store_url],
            cwd=_TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate()
        if kind is None:
            assert self._process.returncode == 0

    def publish(self, files: dict[str, str], *, die_at: int | None = None) -> dict[str, Any]:
        """Publish patches; {"died": true}, or the versions by path and the number of steps it took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"files": files, "die_at": die_at}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the program has ended"
        answer: dict[str, Any] = json.loads(line)
        return answer


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            answer = _publish(asked["files"], asked["die_at"])
            os.write(writing, json.dumps(answer).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read().decode()
        _, status = os.waitpid(child, 0)
        died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(json.dumps({"died": True}) if died else answer, flush=True)


def _publish(files: dict[str, str], die_at: int | None) -> dict[str, Any]:
    from rainer.assets.publishing import AssetPublisher
    from rainer.client import Client
    from rainer.client.transport import Answer, Request, Transport
    from rainer.store.opening import open_store
    from tests.publishing import DrivenStore

    steps: list[str] = []

    def step(name: str) -> None:
        steps.append(name)
        if len(steps) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    passed = Transport.attempt

    def attempt(self: Transport, request: Request, **options: float) -> Answer:
        step(f"before {request.method} {request.path}")
        answer = passed(self, request, **options)
        step(f"after {request.method} {request.path}")
        return answer

    Transport.attempt = attempt  # type: ignore[method-assign]
    store = DrivenStore(
        open_store(sys.argv[2]),
        before=lambda call, name: step(f"before {call} {name}"),
        after=lambda call, name: step(f"after {call} {name}"),
    )
    with Client(sys.argv[1], author="mortal") as client:
        said = AssetPublisher(client, store=store).add_or_update_many(
            files, "patch", progress=lambda count: step(f"{count} bytes")
        )
        return {"died": False, "versions": {one.path: one.version for one in said}, "steps": steps}


if __name__ == "__main__":
    import tests.publishing  # noqa: F401 - loaded once, before the forks

    main()
