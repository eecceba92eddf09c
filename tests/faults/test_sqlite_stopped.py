"""A process stopped (SIGSTOP) in the middle of its group on a SQLite file: the others go on, and its group is kept."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from rainer import limits
from rainer.database import sqlite_lock
from rainer.errors import UnavailableError
from rainer.journal import Journal
from tests.services.waiting import wait_until

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="who holds a lock on a file is told only by Linux"),
]
TOP = Path(__file__).resolve().parents[2]
PROMISED_S = 10.0

HOLDER = """
import signal, sys, threading
from rainer.journal import Journal
from rainer.journal.dialects.sqlite import SqliteSession

write, how = SqliteSession.write, sys.argv[2]

async def write_and_pause(self, plan):
    await write(self, plan)
    print("in mid-group", flush=True)
    if how == "stop":
        # To this thread: sent to the process, it may be another that takes it, and this one runs into its COMMIT.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
    else:
        sys.stdin.readline()

with Journal(sys.argv[1]) as journal:
    SqliteSession.write = write_and_pause
    print(journal.append("held", b"", version=1, author="holder").revision, flush=True)
"""
WRITER = """
import sys
from rainer.journal import Journal
with Journal(sys.argv[1]) as journal:
    print(journal.append("writer", b"", version=1, author="writer").revision, flush=True)
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program; whatever it is doing in the end, it is ended."""
    with ExitStack() as started:

        def run(program: str, *arguments: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-c", program, *arguments],
                cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            started.callback(process.communicate)
            started.callback(process.kill)
            return process

        yield run


@pytest.fixture
def journal(sqlite_url: str) -> Iterator[Journal]:
    with Journal(sqlite_url) as journal:
        journal.append("first", b"", version=1, author="me")
        yield journal


def hold(start: Start, url: str, how: str) -> subprocess.Popen[str]:
    """A process in the middle of its group: stopped, or waiting for a line."""
    holder = start(HOLDER, url, how)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "in mid-group\n"
    if how == "stop":
        wait_until(lambda: psutil.Process(holder.pid).status() == psutil.STATUS_STOPPED, 10, "the holder to be stopped")
    return holder


def file_of(url: str) -> str:
    return url.removeprefix("sqlite:///")


def test_a_stopped_process_is_continued_and_others_go_on(
    journal: Journal, sqlite_url: str, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    holder = hold(start, sqlite_url, "stop")
    assert sqlite_lock.lock_holder(file_of(sqlite_url)) == holder.pid
    other = start(WRITER, sqlite_url)
    begun = time.monotonic()
    with caplog.at_level(logging.WARNING):
        made = journal.append("mine", b"", version=1, author="me")
    waited = time.monotonic() - begun
    print(f"went on after {waited:.1f} s")
    assert limits.STALLED_WRITER_S <= waited <= PROMISED_S
    assert made.revision in (3, 4), "its group came before ours"
    assert other.communicate(timeout=PROMISED_S)[0].strip() in ("3", "4")
    assert journal.get("held").revision == 2
    assert f"process {holder.pid} was stopped and held the lock" in caplog.text
    output, _ = holder.communicate(timeout=10)
    assert output == "2\n", "it, too, learns that its commit stands"
    assert holder.returncode == 0
    assert journal.verify().ok


def test_a_process_that_somebody_else_continues_runs_on(journal: Journal, sqlite_url: str, start: Start) -> None:
    """Whoever stopped it may continue it while we do; what then runs must not be stopped by us."""
    holder = hold(start, sqlite_url, "stop")
    waiting = start(WRITER, sqlite_url)
    wait_until(lambda: psutil.Process(holder.pid).status() != psutil.STATUS_STOPPED, PROMISED_S, "it to be continued")
    holder.send_signal(signal.SIGCONT)
    assert waiting.communicate(timeout=PROMISED_S)[0] == "3\n"
    assert holder.communicate(timeout=PROMISED_S)[0] == "2\n"
    assert holder.returncode == 0
    assert journal.verify().ok


def test_readers_do_not_wait_at_all(journal: Journal, sqlite_url: str, start: Start) -> None:
    hold(start, sqlite_url, "stop")
    begun = time.monotonic()
    assert [c.key for c in journal.heads()] == ["first"]
    assert journal.verify().ok
    assert time.monotonic() - begun < limits.STALLED_WRITER_S


def test_a_stopped_process_that_may_not_be_continued_is_named(
    journal: Journal, sqlite_url: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when it belongs to another user."""
    holder = hold(start, sqlite_url, "stop")

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(signal, "pidfd_send_signal", refuse)
    begun = time.monotonic()
    with pytest.raises(UnavailableError) as caught:
        journal.append("mine", b"", version=1, author="me")
    assert limits.LOCK_TIMEOUT_S <= time.monotonic() - begun < 2 * limits.LOCK_TIMEOUT_S
    assert f"process {holder.pid}, which is stopped," in str(caught.value)
    assert f"kill -CONT {holder.pid}" in str(caught.value.hint)
    monkeypatch.undo()
    holder.kill()
    holder.wait()
    assert journal.append("mine", b"", version=1, author="me").revision == 2, "what it had begun is gone with it"
    assert journal.verify().ok


def test_a_busy_process_is_left_alone_and_named(journal: Journal, sqlite_url: str, start: Start) -> None:
    holder = hold(start, sqlite_url, "wait")
    with pytest.raises(UnavailableError) as caught:
        journal.append("mine", b"", version=1, author="me")
    assert f"process {holder.pid} has the lock" in str(caught.value)
    assert caught.value.hint == "try again"
    assert psutil.Process(holder.pid).status() != psutil.STATUS_STOPPED
    output, _ = holder.communicate("\n", timeout=10)
    assert output == "2\n"
    assert journal.append("mine", b"", version=1, author="me").revision == 3


def test_a_lock_of_ones_own_process_is_told_as_such(journal: Journal, sqlite_url: str) -> None:
    with Journal(sqlite_url) as other, other.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE journal SET id = id")
        with pytest.raises(UnavailableError, match="this process has the lock"):
            journal.append("mine", b"", version=1, author="me")
        connection.rollback()
    assert journal.append("mine", b"", version=1, author="me").revision == 2


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("1: POSIX  ADVISORY  WRITE 4711 fe:00:99 120 120", [4711]),
        ("2: POSIX  ADVISORY  WRITE 4711 fe:00:99 100 127", [4711]),
        ("3: POSIX  ADVISORY  WRITE 4711 fe:00:99 0 EOF", [4711]),
        ("4: POSIX  ADVISORY  READ  4711 fe:00:99 120 120", []),
        ("5: POSIX  ADVISORY  WRITE 4711 fe:00:99 121 123", []),
        ("6: POSIX  ADVISORY  WRITE 4711 fe:00:98 120 120", []),
        ("7: -> POSIX  ADVISORY  WRITE 4711 fe:00:99 120 120", []),
        ("8: OFDLCK ADVISORY  WRITE -1 fe:00:99 120 120", []),
        ("9: FLOCK  ADVISORY  WRITE 4711 fe:00:99 0 EOF", []),
        ("10: LEASE  ACTIVE    READ  4711 fe:00:99 0 EOF", []),
        ("", []),
    ],
)
def test_reading_the_systems_locks(line: str, found: list[int]) -> None:
    assert list(sqlite_lock._writers([line], 99)) == found


def test_nobody_holds_a_file_that_is_free_or_not_there(journal: Journal, sqlite_url: str, tmp_path: Path) -> None:
    assert sqlite_lock.lock_holder(file_of(sqlite_url)) is None
    assert sqlite_lock.lock_holder(str(tmp_path / "nothing.db")) is None
    assert not sqlite_lock._is_stopped(os.getpid())
