"""Puts a file again and again, each time in a fresh process that is killed at the next step; told by its stdin when.

For each line `N` a child does `put`, or `replace`, or `sweep` and kills itself at its Nth step: before or after every
call that changes something on disk or in the database. The answer is `killed`, or `done` where it has fewer steps.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rainer.journal import Journal
from rainer.server_store import table
from rainer.server_store.files import Files
from rainer.server_store.places import FolderPlaces
from rainer.server_store.receiving import Expected, Receiving
from rainer.server_store.terms import Terms

FOREVER = 4_000_000_000


class Steps:
    """Counts steps, and kills this process at one of them."""

    def __init__(self, last: int) -> None:
        self.left = last

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, owner: Any, name: str) -> None:
        """Make a call of something two steps: before it, and after it."""
        call: Callable[..., Any] = getattr(owner, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            self.step()
            result = call(*arguments, **options)
            self.step()
            return result

        setattr(owner, name, watched)


def work(url: str, folder: Path, what: str, data: bytes, last: int) -> None:
    with Journal(url) as journal:
        files = Files(journal.engine, FolderPlaces(folder))
        steps = Steps(last)
        for owner, name in (
            (os, "fsync"), (os, "replace"), (os, "mkdir"), (os, "unlink"), (table, "_commit"), (Receiving, "_store"),
        ):  # fmt: skip
            steps.watch(owner, name)
        if what == "sweep":
            files.sweep(0)
        elif what == "delete":
            files.delete("name", Terms(FOREVER))
        else:
            receiving = files.receive()
            receiving.write(data)
            files.put("name", receiving.finish(Expected()), Terms(FOREVER))
            receiving.discard()


def main(url: str, folder: Path) -> None:
    for line in sys.stdin:
        what, last, text = line.split()
        child = os.fork()
        if child == 0:
            work(url, folder, what, text.encode() * 300_000, int(last))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL, status
            print("killed", flush=True)
        else:
            print("done" if status == 0 else f"failed {status}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
