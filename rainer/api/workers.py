"""Several processes that serve one port: started, watched, replaced when they die or hang, and ended together."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final

log = logging.getLogger("rainer.workers")

_BEAT_S: Final = 0.5
_LOOK_S: Final = 0.25
_HANG_S: Final = 10.0
_YOUNG_S: Final = 2.0
_END_S: Final = 60.0
_context: Final = multiprocessing.get_context("spawn")

Serve = Callable[[socket.socket], None]
"""Serves a listening socket until SIGTERM; must survive pickling."""


class Worker:
    """One process, and how long nothing was heard of it."""

    def __init__(self, serve: Serve, sock: socket.socket) -> None:
        self._beats, theirs = _context.Pipe(duplex=False)
        self.process: SpawnProcess = _context.Process(target=_work, args=(serve, sock, theirs), name="rainer-worker")
        self.process.start()
        theirs.close()  # so that each end of the pipe is held by one process, and tells of its death
        self.begun = time.monotonic()
        self._silent_s = 0.0

    @property
    def pid(self) -> int:
        return self.process.pid or 0

    @property
    def ends(self) -> list[int | Connection]:
        """What becomes readable when there is something to see."""
        return [self.process.sentinel, self._beats]

    def listen(self, elapsed_s: float) -> bool:
        """Take note of the worker's beats; False if it is dead, or has been silent for so long that it hangs."""
        try:
            while self._beats.poll():
                self._beats.recv_bytes()
                self._silent_s = 0.0
        except EOFError:
            return False
        # If we were not running ourselves, as when the machine slept, its silence says nothing.
        self._silent_s += min(elapsed_s, 2 * _LOOK_S)
        return self._silent_s < _HANG_S and self.process.is_alive()

    def ask_to_end(self) -> None:
        if self.process.is_alive():
            os.kill(self.pid, signal.SIGTERM)

    def end(self, timeout_s: float) -> int | None:
        """Wait for its end, force it where it does not come, and return its exit code."""
        self.process.join(timeout_s)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        code = self.process.exitcode
        self._beats.close()
        self.process.close()
        return code


class Workers:
    """Serves until one of the signals that end a server; then every worker finishes what it accepted."""

    def __init__(self, serve: Serve, sock: socket.socket, count: int, figures: Path) -> None:
        self._serve, self._sock, self._count, self._figures = serve, sock, count, figures
        self._workers: list[Worker] = []
        self._is_ending = False

    def run(self) -> None:
        """Block until the end."""
        for number in end_signals():
            signal.signal(number, self._end)
        self._workers = [self._start() for _ in range(self._count)]
        last = time.monotonic()
        while not self._is_ending:
            wait([end for worker in self._workers for end in worker.ends], _LOOK_S)
            now = time.monotonic()
            self._replace(now - last)
            last = now
        for worker in self._workers:
            worker.ask_to_end()
        for worker in self._workers:
            worker.end(_END_S)

    def _end(self, _number: int, _frame: Any) -> None:
        self._is_ending = True

    def _start(self) -> Worker:
        return Worker(self._serve, self._sock)

    def _replace(self, elapsed_s: float) -> None:
        for at, worker in enumerate(self._workers):
            if self._is_ending or worker.listen(elapsed_s):
                continue
            pid, is_young = worker.pid, time.monotonic() - worker.begun < _YOUNG_S
            code = worker.end(0)
            log.error("worker %d ended with exit code %s and is replaced", pid, code)
            self._forget_figures(pid)
            if is_young:
                time.sleep(_YOUNG_S)  # what ends it at once will end the next one too
            self._workers[at] = self._start()

    def _forget_figures(self, pid: int) -> None:
        """Drop what a dead worker was doing; what it counted stays."""
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(pid, str(self._figures))  # type: ignore[no-untyped-call]


def end_signals() -> list[signal.Signals]:
    """The signals that end a server; a hang-up of the terminal is one unless `nohup` says otherwise."""
    hangup = getattr(signal, "SIGHUP", None)
    heeded = hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([hangup] if heeded and hangup is not None else [])]


def _work(serve: Serve, sock: socket.socket, beats: Connection) -> None:
    threading.Thread(target=_beat, args=(beats,), name="rainer-beat", daemon=True).start()
    serve(sock)


def _beat(beats: Connection) -> None:
    """Show that this process runs, until nobody is left to see it: a worker does not outlive its parent."""
    try:
        while True:
            beats.send_bytes(b".")
            time.sleep(_BEAT_S)
    except OSError:
        os.kill(os.getpid(), signal.SIGTERM)
