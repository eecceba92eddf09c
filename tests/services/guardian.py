"""A small process that outlives the test run by a moment and takes the servers with it.

However the run ends (Ctrl-C, kill -9, a crash of the interpreter), its end of the pipe closes; the guardian then kills
every server it was told of and removes their folders. PR_SET_PDEATHSIG would not do: it exists on Linux alone, fires
when the *thread* that started the server ends, is lost when a server changes its user, and cannot wake a stopped one.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

_lock = threading.Lock()
_pipe: IO[str] | None = None
_owner_pid = 0


def ensure() -> None:
    """Start the guardian of this process, unless it has one."""
    global _pipe, _owner_pid
    with _lock:
        if _pipe is not None and _owner_pid == os.getpid():
            return
        top = Path(__file__).resolve().parents[2]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.services.guardian"],
            cwd=top,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        # The process must not be waited for: it ends after us. Forgetting it here keeps its __del__ from warning.
        process.returncode = 0
        _pipe, _owner_pid = process.stdin, os.getpid()
        atexit.register(_release)


def watch(pid: int) -> None:
    """From now on this process tree dies with us."""
    _tell(f"+pid {pid}")


def forget(pid: int) -> None:
    """This process has ended; its number may soon be somebody else's."""
    _tell(f"-pid {pid}")


def watch_folder(folder: Path) -> None:
    _tell(f"+folder {folder}")


def forget_folder(folder: Path) -> None:
    _tell(f"-folder {folder}")


def _release() -> None:
    global _pipe
    with _lock:
        if _pipe is not None:
            _pipe.close()
        _pipe = None


def _tell(line: str) -> None:
    ensure()
    with _lock:
        if _pipe is not None:
            _pipe.write(line + "\n")
            _pipe.flush()


def main() -> None:
    """Listen until the pipe closes, then clear up."""
    from tests.services.processes import kill_tree

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watched: dict[str, set[str]] = {"pid": set(), "folder": set()}
    for line in sys.stdin:
        verb, value = line.rstrip("\n").split(" ", 1)
        change = set.add if verb[0] == "+" else set.discard
        change(watched[verb[1:]], value)
    for pid in watched["pid"]:
        with contextlib.suppress(OSError):
            kill_tree(int(pid))
    for folder in watched["folder"]:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
