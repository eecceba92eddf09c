"""The life of one server process: started, stopped, killed, paused, started again on the same data and port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.services import guardian, secrets
from tests.services.machine import free_port, new_folder
from tests.services.processes import is_stopped, kill_tree, signal_tree
from tests.services.waiting import wait_until

_LOG_TAIL = 4000


class ServiceError(Exception):
    """A server did not do as it was told; the text holds the end of its log."""


class ProcessService(ABC):
    """One server on a loopback port, with its data in a temporary folder. Also a context manager."""

    name: str
    stop_signal = signal.SIGTERM
    stop_exit_codes: tuple[int, ...] = (0,)
    start_timeout_s = 60.0
    stop_timeout_s = 60.0

    def __init__(self, *, user: str | None = None, environment: Mapping[str, str] | None = None) -> None:
        self.port = 0
        self._user = user
        self._group = None if user is None else pwd.getpwnam(user).pw_gid
        self._environment = dict(os.environ if environment is None else environment)
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._paused = False

    # What a kind of server fills in.

    @classmethod
    @abstractmethod
    def available(cls) -> str | None:
        """Why this machine cannot run such a server, or None when it can."""

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """The program and its arguments; must stay in the foreground."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether the server takes requests now. Must not wait long."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make the data that the first start needs."""

    # What users call.

    @property
    def pid(self) -> int:
        """The server's main process; its children are below it."""
        if self._process is None:
            raise ServiceError(f"{self.name} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def folder(self) -> Path:
        if self._folder is None:
            self._folder = new_folder(self.name, self._user)
            guardian.watch_folder(self._folder)
        return self._folder

    @property
    def log_path(self) -> Path:
        """Where the server's stdout and stderr go, over all its restarts."""
        return self.folder / "output.log"

    @property
    def output(self) -> str:
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def start(self) -> None:
        """Start it and return when it answers. The first start chooses a port and makes the data."""
        reason = self.available()
        if reason:
            raise ServiceError(reason)
        if self.running:
            raise ServiceError(f"{self.name} runs already, as process {self.pid}")
        if self._process is not None:
            self.kill()  # it ended by itself; what it left behind may still hold the port or the data
        if self.port:
            self._launch()
            return
        self._start_first()

    def stop(self) -> None:
        """Ask it to end, and check that it ended well. The data and the port stay."""
        self.ask_to_stop()
        self.wait_for_end()

    def ask_to_stop(self, by: signal.Signals | None = None) -> None:
        """Only ask; `wait_for_end` is the other half."""
        process = self._need_process()
        self.resume()
        process.send_signal(by or self.stop_signal)

    def wait_for_end(self) -> None:
        """Wait for the end of a server that was asked to stop, and check that it ended well."""
        process = self._need_process()
        try:
            code = process.wait(self.stop_timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            text = f"{self.name} still ran {self.stop_timeout_s:g} s after {self.stop_signal.name}"
            raise ServiceError(self._with_log(text)) from None
        self._forget()
        if code not in self.stop_exit_codes:
            raise ServiceError(self._with_log(f"{self.name} ended with exit code {code} after {self.stop_signal.name}"))

    def kill(self) -> None:
        """kill -9 of the server and of every process below it."""
        process = self._need_process()
        kill_tree(process.pid)
        process.wait()
        self._forget()

    def restart(self) -> None:
        """Start again on the same data and port, after a stop when it still runs."""
        if self.running:
            self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP the whole tree: connections stay open, nobody answers."""
        self._paused = True
        members = signal_tree(self.pid, signal.SIGSTOP)
        wait_until(lambda: all(map(is_stopped, members)), 10, f"the standstill of {self.name}")

    def resume(self) -> None:
        """SIGCONT the whole tree, if it is paused."""
        if self._paused and self.running:
            signal_tree(self.pid, signal.SIGCONT)
        self._paused = False

    def close(self) -> None:
        """Stop it if it runs, and remove its data."""
        try:
            if self.running:
                self.stop()
        finally:
            self._remove_folder()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._abandon()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After a failure the first error is the one to show, not that of a server that then also ends badly.
        if kind is None:
            self.close()
        else:
            self._abandon()

    # How it is done.

    def _start_first(self) -> None:
        attempts = 10
        for attempt in range(1, attempts + 1):
            self.port = free_port()
            if attempt == 1:
                self._prepare()
            try:
                self._launch()
                return
            except ServiceError as error:
                # Another process may have taken the port between the probe and the server's own bind.
                taken = "address already in use" in str(error).lower()
                if not taken or attempt == attempts:
                    raise

    def _launch(self) -> None:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self._environment,
                start_new_session=True,
                user=self._user,
                group=self._group,
                extra_groups=None if self._user is None else [],
            )
        guardian.watch(self._process.pid)
        try:
            wait_until(self._ended_or_answers, self.start_timeout_s, f"an answer from {self.name}")
        except TimeoutError as error:
            self.kill()
            raise ServiceError(self._with_log(str(error))) from None
        code = self._process.poll()
        if code is not None:
            self._forget()
            raise ServiceError(self._with_log(f"{self.name} ended at its start with exit code {code}"))

    def _ended_or_answers(self) -> bool:
        return not self.running or self._answers()

    def _run(self, command: Sequence[str]) -> None:
        """Run a helper program of this server (initdb and its like) as the server's user; its words go to the log."""
        with self.log_path.open("ab") as log:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self._environment,
                check=False,
                user=self._user,
                group=self._group,
                extra_groups=None if self._user is None else [],
            )
        if done.returncode:
            raise ServiceError(self._with_log(f"{command[0]} ended with exit code {done.returncode}"))

    def _need_process(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ServiceError(f"{self.name} is not running")
        return self._process

    def _forget(self) -> None:
        if self._process is not None:
            guardian.forget(self._process.pid)
        self._process = None
        self._paused = False

    def _abandon(self) -> None:
        if self._process is not None:
            self.kill()
        self._remove_folder()

    def _remove_folder(self) -> None:
        if self._folder is None:
            return
        secrets.search(self.output, f"the log of {self.name}")
        shutil.rmtree(self._folder, ignore_errors=True)
        guardian.forget_folder(self._folder)
        self._folder = None
        self.port = 0

    def _with_log(self, text: str) -> str:
        return f"{text}; the end of its log:\n{self.output[-_LOG_TAIL:]}"
