"""Compiles, runs and listens to PathFollower.java."""

from __future__ import annotations

import base64
import functools
import json
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.services import guardian, java
from tests.services.machine import find_binary, new_folder
from tests.services.process_service import ServiceError
from tests.services.processes import kill_tree

_SOURCE = Path(__file__).with_name("PathFollower.java")
_REQUIRED = (
    *("curator-recipes", "curator-framework", "curator-client", "guava", "slf4j-api"),
    *("zookeeper", "zookeeper-jute"),
)
_USEFUL = (
    *("slf4j-simple", "failureaccess", "metrics-core", "snappy-java", "jackson-databind", "jackson-core"),
    *("jackson-annotations", "netty-buffer", "netty-codec", "netty-common", "netty-handler", "netty-resolver"),
    *("netty-transport", "netty-transport-native-unix-common", "netty-transport-native-epoll"),
)
_START_S = 60.0
_STOP_S = 30.0
_LOG_TAIL = 4000


class Event(NamedTuple):
    """What the cache told: `initial`, `ready`, `added`, `updated`, `removed`, or a change of its connection."""

    kind: str
    key: str | None
    data: bytes
    version: int | None


class CuratorMirror:
    """What a JVM service holds of `path`, by Curator's PathChildrenCache. A context manager; dies with its starter."""

    def __init__(self, hosts: str, path: str, *, jute_maxbuffer: int | None = None, heap_mb: int = 256) -> None:
        self.events: list[Event] = []
        self._arguments = [hosts, path]
        self._options = [f"-Xmx{heap_mb}m"]
        if jute_maxbuffer is not None:
            self._options.append(f"-Djute.maxbuffer={jute_maxbuffer}")
        self._data: dict[str, bytes] = {}
        self._ready = False
        self._ended = True
        self._changed = threading.Condition()
        self._folder: Path | None = None
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @classmethod
    def available(cls) -> str | None:
        reason = java.missing(["java", "javac"], _REQUIRED)
        return f"Curator {reason}" if reason else None

    def data(self) -> dict[str, bytes]:
        """Every key that the JVM holds now, with the node's bytes."""
        with self._changed:
            return dict(self._data)

    def wait_until(
        self, condition: Callable[[dict[str, bytes]], bool], timeout_s: float = 10.0, what: str = "what was expected"
    ) -> None:
        """Wait until the keys and bytes fulfil a condition; TimeoutError shows what is there instead."""
        self._wait(lambda: condition(self._data), timeout_s, what)

    @property
    def pid(self) -> int:
        return self._need_process().pid

    @property
    def output(self) -> str:
        """What Curator logged."""
        log = None if self._folder is None else self._folder / "output.log"
        return log.read_text("utf-8", "replace") if log is not None and log.exists() else ""

    def start(self) -> None:
        """Run the program; returns when it holds all that was there."""
        classes = _compiled()
        self._folder = new_folder("curator", None)
        guardian.watch_folder(self._folder)
        self._ended = False
        with (self._folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(find_binary("java")), *self._options, "-cp", f"{classes}:{_class_path()}"),
                    *("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "PathFollower", *self._arguments),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="ascii",
                start_new_session=True,
            )
        guardian.watch(self._process.pid)
        self._reader = threading.Thread(target=self._read, name="curator-mirror", daemon=True)
        self._reader.start()
        self._wait(lambda: self._ready, _START_S, "the end of Curator's start")

    def stop(self) -> None:
        """Ask it to end, and check that it ended well."""
        process = self._need_process()
        assert process.stdin is not None
        process.stdin.write("quit\n")
        process.stdin.flush()
        try:
            code = process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            raise ServiceError(self._with_log("Curator's program did not quit")) from None
        if code:
            raise ServiceError(self._with_log(f"Curator's program ended with exit code {code}"))

    def close(self) -> None:
        """End it, whatever it does, and remove its folder."""
        process = self._process
        if process is not None:
            if process.poll() is None:
                kill_tree(process.pid)
            process.wait()
            guardian.forget(process.pid)
            self._release(process)
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
        try:
            # After a failure the first error is the one to show, not that of a program that then also ends badly.
            if kind is None and self._need_process().poll() is None:
                self.stop()
        finally:
            self.close()

    # How it is done.

    def _read(self) -> None:
        stdout = self._need_process().stdout
        assert stdout is not None
        for line in stdout:
            found = json.loads(line)
            event = Event(
                found["event"], found.get("key"), base64.b64decode(found.get("data", "")), found.get("version")
            )
            with self._changed:
                self._apply(event)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _apply(self, event: Event) -> None:
        self.events.append(event)
        if event.kind == "ready":
            self._ready = True
        elif event.key is not None and event.kind == "removed":
            self._data.pop(event.key, None)
        elif event.key is not None:
            self._data[event.key] = event.data

    def _wait(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        with self._changed:
            self._changed.wait_for(lambda: condition() or self._ended, timeout_s)
            if condition():
                return
            state = f"it holds {len(self._data)} keys; the last events: {self.events[-5:]}"
        if self._ended:
            self._need_process().wait(_STOP_S)  # its output has ended, and itself any moment now
            raise ServiceError(self._with_log(f"Curator's program ended before {what}; {state}"))
        raise TimeoutError(self._with_log(f"not within {timeout_s:g} s: {what}; {state}"))

    def _release(self, process: subprocess.Popen[str]) -> None:
        if self._reader is not None:
            self._reader.join(_STOP_S)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _need_process(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise ServiceError("Curator's program is not running")
        return self._process

    def _with_log(self, text: str) -> str:
        return f"{text}; the end of its log:\n{self.output[-_LOG_TAIL:]}"


def _class_path() -> str:
    return java.class_path(*_REQUIRED, *_USEFUL)


@functools.cache
def _compiled() -> Path:
    """The folder of the compiled program; made once a process, and removed with it."""
    reason = CuratorMirror.available()
    if reason:
        raise ServiceError(reason)
    folder = new_folder("curator-classes", None)
    guardian.watch_folder(folder)
    command = [str(find_binary("javac")), "-Xlint:-options", "-cp", _class_path(), "-d", str(folder), str(_SOURCE)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServiceError(f"javac ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    return folder
