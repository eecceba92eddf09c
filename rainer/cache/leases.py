"""What this process uses: a file in `leases/` that names digests, locked for as long as the process lives.

A line `= digest` says that the file was handed out, `+ digest` that it is held, `- digest` that it is held once less.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final

from rainer.cache import forks, locking
from rainer.cache.gate import Gate
from rainer.cache.layout import Layout

HOST: Final = re.sub(r"[^A-Za-z0-9]", "_", os.uname().nodename)[:40] or "host"
_LINES_MIN: Final = 10_000
_LOCK_S: Final = 1.0


class Leases:
    """The lease file of one cache object in one process, made when first needed. For any number of threads."""

    def __init__(self, layout: Layout, gate: Gate) -> None:
        self._layout = layout
        self._gate = gate
        self.after_fork_in_child()

    def after_fork_in_child(self) -> None:
        """The parent's leases are the parent's; what a child uses it leases itself."""
        self._mutex = threading.Lock()
        self._held: Counter[str] = Counter()
        self._handed: set[str] = set()
        self._dropped: deque[list[str]] = deque()
        self._file: LeaseFile | None = None
        self._lines = 0
        self._is_behind = False

    def hand_out(self, sha256: str) -> None:
        """Say that a file was given to somebody in this process; it goes after those that nobody was given."""
        with self._mutex:
            if sha256 not in self._handed or self._is_behind or self._is_gone():
                self._handed.add(sha256)
                self._record(f"= {sha256}\n", 1)

    def hold(self, digests: Iterable[str]) -> Hold:
        """Keep files until the hold is closed or this process ends, however it ends."""
        wanted = sorted(set(digests))
        with self._gate.shared(), self._mutex:
            self._release_dropped()
            self._held.update(wanted)
            self._record("".join(f"+ {sha256}\n" for sha256 in wanted), len(wanted))
        return Hold(wanted, self._release, self._dropped)

    def _release(self, wanted: list[str]) -> None:
        with self._gate.shared(), self._mutex:
            self._let_go(wanted)
            self._release_dropped()

    def _release_dropped(self) -> None:
        while self._dropped:
            self._let_go(self._dropped.popleft())

    def _let_go(self, wanted: list[str]) -> None:
        self._held.subtract(wanted)
        self._held = +self._held
        if self._file is not None:
            self._record("".join(f"- {sha256}\n" for sha256 in wanted), len(wanted))

    @property
    def held(self) -> frozenset[str]:
        """What this object holds."""
        with self._mutex:
            return frozenset(self._held)

    def close(self) -> None:
        """Give up all leases."""
        with self._mutex:
            self._held.clear()
            self._handed.clear()
            self._end_file()

    def _is_gone(self) -> bool:
        """Whether somebody removed the file, with the whole cache most likely, so that nobody sees what it says."""
        if self._file is None:
            return False
        return not os.path.exists(self._file.path)  # noqa: PTH110 - on the way of every file

    def _record(self, text: str, lines: int) -> None:
        if not text:
            return
        too_long = self._lines > max(_LINES_MIN, 4 * (len(self._held) + len(self._handed)))
        try:
            if self._file is None or too_long or self._is_behind or self._is_gone():
                self._begin_file()
            else:
                data = text.encode()
                self._is_behind = os.write(self._file.number, data) < len(data)
                self._lines += lines
        except OSError:
            # No space, no more descriptors, not ours to write: the files are young and used, which must do until the
            # next line can be written, and with it a new file that has them all.
            self._is_behind = True

    def _begin_file(self) -> None:
        """A new file with all that counts. It is locked before a sweeper can see it: its makers hold the gate."""
        path = f"{self._layout.leases}/{HOST}-{os.getpid()}-{os.urandom(6).hex()}"
        number = self._layout.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND)
        file = LeaseFile(path, number)
        locking.lock(number, exclusive=True, wait_s=_LOCK_S)  # who lists the cache may look just now whether we live
        lines = [f"+ {sha256}\n" for sha256, times in self._held.items() for _ in range(times)]
        lines += [f"= {sha256}\n" for sha256 in self._handed]
        left = "".join(lines).encode()
        try:
            while left:
                left = left[os.write(number, left) :]
        except OSError:
            file.end()
            raise
        self._end_file()
        self._file, self._lines, self._is_behind = file, len(lines), False

    def _end_file(self) -> None:
        if self._file is not None:
            self._file.end()
            self._file = None


class LeaseFile:
    """An open lease file, removed at the end: of its use, of its owner, or of this process if that ends well."""

    def __init__(self, path: str, number: int) -> None:
        self.path: Final = path
        self.number: Final = number
        self.end: Final = weakref.finalize(self, _end, path, number, os.getpid())


def _end(path: str, number: int, pid: int) -> None:
    if os.getpid() == pid:  # else it is the parent's
        with contextlib.suppress(OSError):
            os.unlink(path)  # noqa: PTH108
        forks.close_file(number)


class Hold:
    """Files kept for this process until `close`, the end of a `with`, or its being forgotten.

    In a forked child it keeps nothing: the parent's hold does, for as long as the parent has it.
    """

    def __init__(
        self, digests: list[str], release: Callable[[list[str]], None], dropped: deque[list[str]]
    ) -> None:  # fmt: skip
        self.digests: Final = frozenset(digests)
        self._release: Callable[[list[str]], None] | None = release
        self._listed = digests
        self._pid = os.getpid()
        # What is forgotten may be so in the middle of anything, also of our own work under a lock: it only is noted.
        self._forgotten = weakref.finalize(self, dropped.append, digests)
        self._forgotten.atexit = False

    def close(self) -> None:
        """Let go; a second time it does nothing."""
        release, self._release = self._release, None
        if release is not None and self._forgotten.detach() and self._pid == os.getpid():
            release(self._listed)

    def __enter__(self) -> Hold:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
