"""A program on a pseudo-terminal: what it shows is waited for, keys are sent to it."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.services.processes import tree
from tests.services.waiting import wait_until

INTERRUPT = "\x03"
END = "\x04"
_WAITING = (psutil.STATUS_SLEEPING, psutil.STATUS_IDLE)

_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)
_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[=>]|\x1b\][^\x07]*\x07")


class Terminal:
    """Runs a command with a terminal of its own, as its session's leader: ^C reaches it as it would from a shell.

    `stdout` may be a file, for programs whose data goes elsewhere while they talk to the terminal.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        columns: int = 100,
        stdout: int | None = None,
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _TAKE_TERMINAL, *command],
                stdin=slave,
                stdout=slave if stdout is None else stdout,
                stderr=slave,
                env={"TERM": "xterm-256color", "PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment},
                cwd=folder,
                start_new_session=True,
            )
        finally:
            os.close(slave)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.raw = ""
        self._seen = 0

    @property
    def text(self) -> str:
        """All that was shown so far, without the sequences that steer the terminal, lines ended by a newline."""
        return _SEQUENCE.sub("", self.raw).replace("\r\n", "\n")

    def expect(self, text: str, timeout_s: float = 30.0) -> None:
        """Wait until `text` is shown, after what was last waited for; AssertionError with the screen if it is not."""
        deadline = time.monotonic() + timeout_s
        while (place := self.text.find(text, self._seen)) < 0:
            if not self._read(deadline):
                raise AssertionError(f"{text!r} was not shown; the screen:\n{self.text}")
        self._seen = place + len(text)

    def send(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def interrupt(self) -> None:
        """Press ^C once everybody at the terminal waits, as they do by the time a person has read what is shown.

        A program that has shown something is not yet waiting for its answer, and Python heeds a signal that comes just
        before it waits only when the wait is over.
        """
        wait_until(self._all_wait, 30, "everybody at the terminal to wait")
        self.send(INTERRUPT)

    def _all_wait(self) -> bool:
        try:
            return all(member.status() in _WAITING for member in tree(self.process.pid))
        except psutil.NoSuchProcess:
            return False

    def answer(self, question: str, keys: str) -> None:
        """Wait for a question and type the answer, with Return."""
        self.expect(question)
        self.send(f"{keys}\r")

    def wait(self, timeout_s: float = 30.0) -> int:
        """Read what is still shown, until the program ends; return its exit code."""
        deadline = time.monotonic() + timeout_s
        while self._read(deadline):
            pass
        return self.process.wait(max(deadline - time.monotonic(), 1.0))

    def _read(self, deadline: float) -> bool:
        """Take in what is there, or wait for it; False when the program has closed the terminal or time is up."""
        ready, _, _ = select.select([self._master], [], [], max(deadline - time.monotonic(), 0))
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux says EIO where nobody has the terminal open any more
            return False
        self.raw += self._decoder.decode(data)
        return bool(data)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
