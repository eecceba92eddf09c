"""A SQLite file replaced under open journals by operators who forget its `-wal` and `-shm`, or never think of them."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.errors import UnavailableError
from rainer.journal import Journal

TOP = Path(__file__).resolve().parents[2]

OTHER = """
import sys
from rainer.journal import Journal
with Journal(sys.argv[1]) as journal:
    print("ready", flush=True)
    for line in sys.stdin:
        verb, _, version = line.strip().partition(" ")
        if verb == "commit":
            journal.append("k", b"of the other", version=int(version), author="other")
        print((journal.get("k").payload or b"").decode(), journal.position().revision, flush=True)
"""


@pytest.fixture
def file(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def journal(sqlite_url: str) -> Iterator[Journal]:
    """One commit that the copies have, to be followed by others that they have not."""
    with Journal(sqlite_url) as journal:
        journal.append("k", b"yesterday", version=1, author="me")
        yield journal


class Other:
    """A journal on the same file in another process."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", OTHER, url], cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._read() == "ready"

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def ask(self, line: str = "get") -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0


def copy_of(file: Path) -> Path:
    copy = file.with_suffix(".copy")
    with contextlib.closing(sqlite3.connect(file)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def commit_today(journal: Journal, versions: int) -> None:
    """Commits that stand in the -wal, large and small ones."""
    for version in range(2, versions + 2):
        journal.append("k", b"today" * (1 + version % 3 * 5_000), version=version, author="me")


def test_a_copy_renamed_over_the_file_with_its_wal_left_behind(
    journal: Journal, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = copy_of(file)
    commit_today(journal, 20)
    assert Path(f"{file}-wal").stat().st_size > 100_000
    copy.rename(file)
    with caplog.at_level(logging.WARNING):
        assert journal.get("k").payload == b"yesterday"
    assert journal.position().revision == 1
    assert journal.append("k", b"another day", version=2, author="me").revision == 2
    assert journal.verify().ok
    assert "was replaced" in caplog.text
    kept = sorted(path.name for path in file.parent.iterdir() if "-wal." in path.name or "-shm." in path.name)
    assert len(kept) == 2, "what belonged to the former file is out of the way, and not lost"
    with Journal(f"sqlite:///{file}") as later:
        assert later.get("k").payload == b"another day"


def test_the_same_under_several_processes(journal: Journal, sqlite_url: str, file: Path) -> None:
    other = Other(sqlite_url)
    copy = copy_of(file)
    commit_today(journal, 20)
    assert other.ask("commit 22") == "of the other 22"
    copy.rename(file)
    assert other.ask() == "yesterday 1"
    assert journal.get("k").payload == b"yesterday"
    assert other.ask("commit 2") == "of the other 2"
    assert journal.get("k").payload == b"of the other"
    journal.append("k", b"third", version=3, author="me")
    assert other.ask() == "third 3"
    other.close()
    assert journal.append("k", b"fourth", version=4, author="me").revision == 4
    assert journal.verify().ok


def test_a_file_replaced_again_and_again(journal: Journal, sqlite_url: str, file: Path) -> None:
    other = Other(sqlite_url)
    for day in range(5):
        copy = copy_of(file)
        commit_today(journal, 3)
        copy.rename(file)
        assert other.ask() == "yesterday 1", day
        assert journal.position().revision == 1
    other.close()
    assert journal.verify().ok


def test_a_copy_that_brings_its_own_wal(journal: Journal, file: Path) -> None:
    """Both files of a copy taken with the journal at rest, put back together."""
    journal.append("k", b"in the wal", version=2, author="me")
    names = [file, Path(f"{file}-wal")]
    for name in names:
        subprocess.run(["cp", name, f"{name}.kept"], check=True)  # another process: we must not open the file ourselves
    commit_today_from(journal, 3)
    Path(f"{file}-shm").unlink()
    for name in reversed(names):
        Path(f"{name}.kept").rename(name)
    assert journal.get("k").payload == b"in the wal"
    journal.append("k", b"another", version=3, author="me")
    assert journal.verify().ok


def commit_today_from(journal: Journal, first: int) -> None:
    for version in range(first, first + 3):
        journal.append("k", b"today", version=version, author="me")


def test_a_copy_restored_by_sqlites_own_means(journal: Journal, file: Path) -> None:
    """What `sqlite3 journal.db '.restore copy.db'` does."""
    copy = copy_of(file)
    commit_today(journal, 20)
    with contextlib.closing(sqlite3.connect(copy)) as source, contextlib.closing(sqlite3.connect(file)) as target:
        source.backup(target)
    assert journal.get("k").payload == b"yesterday"
    assert journal.append("k", b"another day", version=2, author="me").revision == 2
    assert journal.verify().ok


def test_a_file_that_is_gone_is_named_and_never_made_anew(journal: Journal, file: Path) -> None:
    away = file.with_suffix(".away")
    file.rename(away)
    for call in (
        lambda: journal.get("k"),
        lambda: journal.append("k", b"", version=2, author="me"),
        lambda: journal.verify(),
        lambda: journal.create_namespace("n"),
    ):
        with pytest.raises(UnavailableError, match="is gone") as caught:
            call()
        assert str(file) in str(caught.value)
    assert not file.exists()
    away.rename(file)
    assert journal.append("k", b"", version=2, author="me").revision == 2
