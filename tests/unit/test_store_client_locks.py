"""Locks between processes and threads: shared, exclusive, freed by their holder's end, and no wait without end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rainer.errors import UnavailableError
from rainer.store.local_locks import Locks

HELD = "a" * 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "copies"


@pytest.fixture
def locks(folder: Path) -> Locks:
    return Locks(folder, 0.3)


def test_shared_beside_shared_exclusive_alone(locks: Locks) -> None:
    with locks.hold(HELD, "/a", exclusive=False), locks.hold(HELD, "/a", exclusive=False):
        with locks.try_exclusive(HELD) as taken:
            assert not taken
        with pytest.raises(UnavailableError, match=rf"/a has been locked for 0.3 s .* by process {os.getpid()}"):
            locks.hold(HELD, "/a", exclusive=True).__enter__()
    with locks.hold(HELD, "/a", exclusive=True), pytest.raises(UnavailableError):
        locks.hold(HELD, "/a", exclusive=False).__enter__()


def test_signs_of_life_prolong_the_wait(locks: Locks, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rainer.store.local_locks._BEAT_S", 0.0)
    got, end = threading.Event(), threading.Event()

    def wait() -> None:
        with locks.hold(HELD, "/a", exclusive=True):
            got.set()
        end.set()

    with locks.hold(HELD, "/a", exclusive=True) as alive:
        waiter = threading.Thread(target=wait)
        waiter.start()
        for _ in range(10):
            alive()
            assert not got.wait(0.1)
    assert end.wait(10)
    waiter.join()


def test_the_end_of_a_holder_frees_its_lock(locks: Locks, folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rainer.store.local_locks import Locks\n"
        f"with Locks(Path({str(folder)!r}), 1).hold({HELD!r}, 'x', exclusive=True):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGSTOP)  # a stopped process holds on, and is named
        with pytest.raises(UnavailableError, match=f"by process {holder.pid}"):
            locks.hold(HELD, "/a", exclusive=True).__enter__()
    finally:
        holder.kill()
        holder.communicate()
    with locks.hold(HELD, "/a", exclusive=True):
        pass


def test_a_forked_child_does_not_keep_its_parents_lock(locks: Locks) -> None:
    context = multiprocessing.get_context("fork")
    go = context.Event()
    with locks.hold(HELD, "/a", exclusive=True):
        child = context.Process(target=go.wait, args=(30,))
        child.start()
    try:
        with locks.try_exclusive(HELD) as taken:
            assert taken
    finally:
        go.set()
        child.join()
