"""A test that leaves threads or file descriptors behind fails.

`@pytest.mark.may_leak("why")` lets one test off; the reason is not optional.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.waiting import wait_until

_PATIENCE_S = 5.0


def open_files() -> dict[int, str]:
    """The open file descriptors of this process, each with what it stands for where the system tells."""
    found = {}
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - a Path would hold the same, for more work after every test
        number = int(name)
        try:
            os.fstat(number)
        except OSError:
            continue  # the descriptor of the listing itself
        found[number] = _target(number)
    return found


def _target(number: int) -> str:
    try:
        return str(Path(f"/proc/self/fd/{number}").readlink())
    except OSError:
        return "?"


def leaks(threads_before: set[threading.Thread], files_before: dict[int, str]) -> list[str]:
    """What is there now and was not there before, in words."""
    threads = [f"thread {thread.name!r}" for thread in threading.enumerate() if thread not in threads_before]
    spared = _interpreter_files()
    files = [
        f"file descriptor {number} ({target})"
        for number, target in open_files().items()
        if files_before.get(number) != target and number not in spared
    ]
    return threads + files


def _interpreter_files() -> set[int]:
    """The pipe of multiprocessing's resource tracker: made on first use, kept to the end of the process."""
    module = sys.modules.get("multiprocessing.resource_tracker")
    number = getattr(getattr(module, "_resource_tracker", None), "_fd", None)
    return set() if number is None else {number}


@pytest.fixture(scope="session", autouse=True)
def _event_loops() -> None:
    """The first loop of libuv makes a pipe for signals, kept to the end of the process: let it not be a test's."""
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.new_event_loop().close()


@pytest.fixture(autouse=True)
def _no_leaks(request: pytest.FixtureRequest, _guardian: None, _event_loops: None) -> Iterator[None]:
    mark = request.node.get_closest_marker("may_leak")
    if mark is not None:
        if not mark.args or not str(mark.args[0]).strip():
            pytest.fail("may_leak needs a reason", pytrace=False)
        yield
        return
    threads, files = set(threading.enumerate()), open_files()
    yield
    if not leaks(threads, files):
        return
    gc.collect()  # what hangs in a cycle is closed late, and not a leak
    try:
        wait_until(lambda: not leaks(threads, files), _PATIENCE_S, "the end of what the test started")
    except TimeoutError:
        pytest.fail("left behind: " + "; ".join(leaks(threads, files)), pytrace=False)
