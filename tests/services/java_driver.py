"""The Java client, driven from a test: one JVM that does call after call, told in JSON lines."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.services import guardian, java_build
from tests.services.machine import find_binary, new_folder
from tests.services.process_service import ServiceError
from tests.services.processes import kill_tree

_STOP_S = 30.0
_LOG_TAIL = 4000


class JavaError(Exception):
    """What a call threw; the fields are those of the error tree."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(f"{told['code']}: {told['message']}")
        self.code: str = told["code"]
        self.message: str = told["message"]
        self.hint: str | None = told["hint"]
        self.retryable: bool = told["retryable"]
        self.details: dict[str, Any] = told["details"]
        self.conflicts: list[dict[str, Any]] = told.get("conflicts", [])


class JavaDriver:
    """Calls of io.rainer.RainerClient, one after the other, from any thread. A context manager."""

    def __init__(self, *, heap_mb: int = 256) -> None:
        self._heap_mb = heap_mb
        self._turn = threading.Lock()
        self._folder: Path | None = None
        self._process: subprocess.Popen[str] | None = None

    def call(self, name: str, url: str = "", /, **arguments: Any) -> Any:
        """What the call brought, as JSON says it; JavaError for what it threw."""
        process = self._need_process()
        assert process.stdin is not None
        assert process.stdout is not None
        with self._turn:
            process.stdin.write(json.dumps({"call": name, "url": url} | arguments) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        if not line:
            raise ServiceError(f"the Java driver ended; the end of its log:\n{self.output[-_LOG_TAIL:]}")
        answer = json.loads(line)
        if "error" in answer:
            raise JavaError(answer["error"])
        if "failure" in answer:
            raise ServiceError(f"the Java driver: {answer['failure']}")
        return answer["value"]

    @property
    def output(self) -> str:
        """What the JVM wrote beside its answers."""
        log = None if self._folder is None else self._folder / "output.log"
        return log.read_text("utf-8", "replace") if log is not None and log.exists() else ""

    def start(self) -> None:
        """Compile the client and its tests where that is not done yet, and start the JVM."""
        class_path = java_build.class_path("rainer-client")
        self._folder = new_folder("java-driver", None)
        guardian.watch_folder(self._folder)
        with (self._folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(find_binary("java")), *java_build.JVM, f"-Xmx{self._heap_mb}m", "-ea"),
                    *("-cp", class_path, "io.rainer.Driver"),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                start_new_session=True,
            )
        guardian.watch(self._process.pid)

    def close(self) -> None:
        """Let it end, or end it, and remove its folder."""
        process = self._process
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                kill_tree(process.pid)
                process.wait()
            guardian.forget(process.pid)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            guardian.forget_folder(self._folder)
        self._process = self._folder = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _need_process(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise ServiceError("the Java driver is not running")
        return self._process


def draft(key: str, version: int, payload: bytes | None, **members: str) -> dict[str, Any]:
    """A draft as the driver reads it; `members` are namespace, author, comment and mtime."""
    encoded = None if payload is None else base64.b64encode(payload).decode()
    return {"key": key, "version": version, "payload": encoded, **members}
