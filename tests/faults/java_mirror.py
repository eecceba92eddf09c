"""A Java mirror in a process of its own, under a recorder there: what it showed, moment by moment, comes back as lines.

It stands wherever the fault tests have a mirror and a recorder of Python's, so that the same tests drive both.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from rainer.errors import UnavailableError
from rainer.model.position import Position
from tests.faults.mirror_history import Observation, Value
from tests.faults.mirror_rig import TREE, Rig
from tests.services import guardian, java_build
from tests.services.machine import find_binary, new_folder
from tests.services.processes import kill_tree

_START_S: Final = 60.0
_ANSWER_S: Final = 20.0
_LOG_TAIL: Final = 4000
_DRIVER: Final = "io.rainer.zookeeper.MirrorDriver"
_LOGS: Final = "java.util.logging.SimpleFormatter.format=%1$tT.%1$tL %4$s %5$s %6$s%n"


def command(*arguments: str) -> list[str]:
    """The driver program with its arguments."""
    options = ["-Xmx512m", "-ea", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off", f"-D{_LOGS}"]
    path = java_build.class_path("rainer-zookeeper")
    return [str(find_binary("java")), *java_build.JVM, *options, "-cp", path, _DRIVER, *arguments]


class JavaMirror(Mapping[str, Value]):
    """What the Java mirror of a source shows, by key; also its own recorder. A context manager."""

    def __init__(self, source: tuple[str, ...], name: str = "java", *, snapshot: Path | None = None) -> None:
        self.name = name
        self.observations: list[Observation] = []
        self.failures: list[BaseException] = []
        self.rejected: Mapping[str, str] = {}
        self.position: Position | None = None
        self.ready_ms = 0.0
        self._arguments = (*source, *(() if snapshot is None else ("snapshot", str(snapshot))))
        self._held: dict[str, Value] = {}
        self._changed = threading.Condition()
        self._told: dict[str, dict[str, Any]] = {}
        self._has_ended = False
        self._is_over = False
        self._stack = contextlib.ExitStack()
        self._process: subprocess.Popen[str]

    # A mapping, of one moment each

    def __getitem__(self, key: str) -> Value:
        with self._changed:
            return self._held[key]

    def __iter__(self) -> Iterator[str]:
        with self._changed:
            return iter(list(self._held))

    def __len__(self) -> int:
        return len(self._held)

    def items(self) -> Any:
        with self._changed:
            return dict(self._held).items()

    # As a mirror has it

    @property
    def state(self) -> str:
        return str(self._ask()["state"])

    @property
    def age_s(self) -> float:
        found = float(self._ask()["age_s"])
        return float("inf") if found < 0 else found

    @property
    def looks(self) -> int:
        told = self._told["end"] if "end" in self._told else self._ask()
        return int(told["looks"])

    def wait_for(self, key: str, version: int, timeout_s: float) -> Value | None:
        """Wait until this version of a key or a later one was shown."""
        with self._changed:
            self._changed.wait_for(lambda: key in self._held and self._held[key].version >= version, timeout_s)
            return self._held.get(key)

    @property
    def session(self) -> tuple[int, bytes]:
        """Its session in ZooKeeper, where the connection was handed in: number and password."""
        told = self._ask("session")
        return int(told["id"]), bytes.fromhex(told["password"])

    def start(self, timeout_s: float = _START_S) -> None:
        """Run it; returns when it says that it is ready. UnavailableError where there is nothing to read in time."""
        folder = new_folder("java-mirror", None)
        guardian.watch_folder(folder)
        self._stack.callback(guardian.forget_folder, folder)
        self._stack.callback(_remove, folder)
        self._log = folder / "log"
        log = self._stack.enter_context(self._log.open("wb"))
        self._process = subprocess.Popen(
            command(*self._arguments, "ready", str(int(timeout_s))), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=log, text=True, encoding="utf-8", start_new_session=True,
        )  # fmt: skip
        guardian.watch(self._process.pid)
        self._reader = threading.Thread(target=self._read, name="java-mirror", daemon=True)
        self._reader.start()
        told = self._wait_for("ready", "failed", timeout_s=_START_S + timeout_s)
        if told["event"] == "failed":
            self._end()
            raise UnavailableError(str(told["why"]))
        self.ready_ms = float(told["ms"])

    def close(self) -> None:
        """Let it end well, and note as a failure what was wrong inside. May be called again."""
        if not self._is_over:
            try:
                self._stop()
            finally:
                self._end()

    def _stop(self) -> None:
        self._say("quit")
        told = self._wait_for("end", timeout_s=_START_S)
        if not told["folded"]:
            self.failures.append(AssertionError("what its listeners heard is not what it holds"))
        code = self._process.wait(_ANSWER_S)
        if code:
            self.failures.append(AssertionError(f"it ended with exit code {code}: {self._tail()}"))

    def _end(self) -> None:
        """End it, whatever it does."""
        self._is_over = True
        if self._process.poll() is None:
            kill_tree(self._process.pid)
        self._process.wait()
        guardian.forget(self._process.pid)
        self._reader.join(_ANSWER_S)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        self._stack.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif not self._is_over:
            print(f"{self.name}: {self._tail()}")
            self._end()

    # What it says

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def _ask(self, word: str = "state") -> dict[str, Any]:
        with self._changed:
            self._told.pop(word, None)
        self._say(word)
        return self._wait_for(word, timeout_s=_ANSWER_S)

    def _wait_for(self, *events: str, timeout_s: float) -> dict[str, Any]:
        with self._changed:
            self._changed.wait_for(lambda: self._has_ended or self._told.keys() & set(events), timeout_s)
            for event in events:
                if event in self._told:
                    return self._told[event]
        raise TimeoutError(f"the Java mirror did not say {' or '.join(events)}: {self._tail()}")

    def _tail(self) -> str:
        return self._log.read_text("utf-8", "replace")[-_LOG_TAIL:]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            with self._changed:
                if told["event"] == "shown":
                    self._show(told)
                elif told["event"] == "broken":
                    self.failures.append(AssertionError(told["why"]))
                else:
                    self._told[told["event"]] = told
                self._changed.notify_all()
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def _show(self, told: dict[str, Any]) -> None:
        changed = {key: None if found is None else Value(*found) for key, found in told["changed"].items()}
        for key, value in changed.items():
            if value is None:
                self._held.pop(key, None)
            else:
                self._held[key] = value
        self.rejected = told["rejected"]
        position = None if told["position"] is None else Position.parse(told["position"])
        self.observations.append(Observation(time.monotonic(), position, changed, frozenset(self.rejected)))
        self.position = position


def _remove(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


class JavaRig(Rig):
    """The rig of the fault tests, with Java mirrors in the place of Python's.

    Cold ones are Python's, side by side, but for those with a snapshot on disk.
    """

    def java(self, *source: str, name: str = "warm", snapshot: Path | None = None) -> JavaMirror:
        """A Java mirror of a source, recorded until the rig ends."""
        return self._follow(JavaMirror(source, name, snapshot=snapshot))

    def source(self, hosts: str | None) -> tuple[str, ...]:
        """What a mirror of this rig's follows, as the driver takes it."""
        return ("zookeeper", hosts or self.hosts, TREE)

    def mirror(self, name: str = "warm", hosts: str | None = None, **options: Any) -> Any:
        return self.java(*self.source(hosts), name=name, **options)

    def start_unwatched(self, **options: Any) -> Any:
        return self._watching.enter_context(JavaMirror(self.source(None), **options))

    @contextlib.contextmanager
    def brief(self, name: str, hosts: str | None = None, **options: Any) -> Iterator[Any]:
        if "snapshot" not in options:
            with super().brief(name, hosts, **options) as found:
                yield found
            return
        with JavaMirror(self.source(hosts), name, **options) as mirror:
            yield mirror
        self.recorders.append(mirror)  # type: ignore[arg-type]

    def _follow(self, mirror: JavaMirror) -> JavaMirror:
        self._watching.enter_context(mirror)
        self.recorders.append(mirror)  # type: ignore[arg-type]
        return mirror
