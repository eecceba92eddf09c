"""Bad days of a SQLite file: each has its error, with what and why, and none of them costs a commit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.errors import CorruptError, SchemaMismatch, UnavailableError
from rainer.journal import Journal
from tests.faults.journal_process import JournalProcess

pytestmark = pytest.mark.faults


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose permissions a test may take away."""
    made = tmp_path / "folder"
    made.mkdir()
    yield made
    made.chmod(0o755)


@pytest.fixture
def file(folder: Path) -> Path:
    """A journal with two commits, closed."""
    path = folder / "journal.db"
    with JournalProcess(f"sqlite:///{path}") as process:
        assert process.append("a", 1) == ["a", 1, 1]
        assert process.append("b", 1) == ["b", 1, 2]
    return path


def check_intact(file: Path, revision: int) -> None:
    """It verifies, and the next commit takes the next revision."""
    with JournalProcess(f"sqlite:///{file}") as process:
        assert process.call("verify") == []
        assert process.append("after", 1) == ["after", 1, revision + 1]


def unavailable(answer: object, *words: str) -> None:
    assert isinstance(answer, dict), answer
    error = answer["error"]
    assert error["code"] == "unavailable"
    assert error["retryable"]
    for word in words:
        assert word in error["detail"] + error["hint"], error


def test_a_read_only_file_is_read_and_written_again_once_it_may_be(file: Path) -> None:
    file.chmod(0o444)
    with JournalProcess(f"sqlite:///{file}") as process:
        for _ in range(3):
            assert process.get("a") == ["a", 1, 1]
            unavailable(process.append("a", 2), "read-only", "writable")
        file.chmod(0o644)
        assert process.append("a", 2) == ["a", 2, 3], "by itself"
    check_intact(file, 3)


def test_a_read_only_folder(file: Path, folder: Path) -> None:
    folder.chmod(0o555)
    with JournalProcess(f"sqlite:///{file}") as process:
        unavailable(process.opened, "read-only", "folder")
    with JournalProcess(f"sqlite:///{folder / 'new' / 'journal.db'}") as process:
        unavailable(process.opened, str(folder / "new"), "Permission denied")
    folder.chmod(0o755)
    check_intact(file, 2)


def test_a_folder_that_becomes_read_only_under_a_running_journal(file: Path, folder: Path) -> None:
    with JournalProcess(f"sqlite:///{file}") as process:
        assert process.get("a") == ["a", 1, 1]
        folder.chmod(0o555)
        assert process.append("a", 2) == ["a", 2, 3], "what is open stays open"
        folder.chmod(0o755)
    check_intact(file, 3)


def test_a_file_that_may_not_be_read(file: Path) -> None:
    file.chmod(0)
    with JournalProcess(f"sqlite:///{file}") as process:
        unavailable(process.opened, "cannot be opened")
    file.chmod(0o644)
    check_intact(file, 2)


def test_a_folder_in_the_files_place(tmp_path: Path) -> None:
    (tmp_path / "journal.db").mkdir()
    with pytest.raises(UnavailableError, match="cannot be opened"):
        Journal(f"sqlite:///{tmp_path / 'journal.db'}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB. Only root may mount one; the next test needs nobody's leave, and is less true to life."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mounted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small file system here: {done.stderr.strip()}; RLIMIT_FSIZE takes its place in the next test")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True)


def fill(process: JournalProcess, key: str) -> int:
    """Commit until the disk is full; the version that was refused."""
    for version in range(1, 200):
        answer = process.append(key, version, "x" * 60_000)
        if isinstance(answer, dict):
            unavailable(answer, "full", "make room")
            return version
    raise AssertionError("the disk never filled")


def test_a_full_disk(small_disk: Path) -> None:
    file, ballast = small_disk / "journal.db", small_disk / "ballast"
    ballast.write_bytes(bytes(1_300_000))
    with JournalProcess(f"sqlite:///{file}") as process:
        refused = fill(process, "k")
        assert process.get("k") == ["k", refused - 1, refused - 1], "reads go on"
        unavailable(process.append("k", refused, "x" * 60_000), "full")
        ballast.unlink()
        assert process.append("k", refused) == ["k", refused, refused], "by itself"
        assert process.call("verify") == []
    check_intact(file, refused)


def test_a_file_that_may_not_grow(file: Path) -> None:
    with JournalProcess(f"sqlite:///{file}", file_bytes_max=400_000) as process:
        refused = 0
        for version in range(1, 30):
            answer = process.append("k", version, "x" * 60_000)
            if isinstance(answer, dict):
                unavailable(answer)
                refused = version
                break
        assert refused > 1
        assert process.get("k") == ["k", refused - 1, refused + 1]
    check_intact(file, refused + 1)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    file.write_bytes(b"Dear diary, " * 1_000)
    with pytest.raises(CorruptError, match="damaged") as caught:
        Journal(f"sqlite:///{file}")
    assert "restore a copy" in str(caught.value.hint)
    assert file.read_bytes() == b"Dear diary, " * 1_000, "it is left alone"


def read_all_and_write(url: str) -> None:
    with Journal(url) as journal:
        for n in range(300):
            journal.get(f"k{n}")
        journal.append("new", b"", version=1, author="me")


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.1])
def test_a_truncated_file_is_said_to_be_damaged_and_a_copy_helps(sqlite_url: str, kept: float) -> None:
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    with Journal(sqlite_url) as journal:
        for n in range(300):
            journal.append(f"k{n}", bytes(2_000), version=1, author="me")
    copy = shutil.copy(file, file.with_suffix(".copy"))
    os.truncate(file, int(file.stat().st_size * kept) // 4096 * 4096)
    with pytest.raises(CorruptError) as caught:
        read_all_and_write(sqlite_url)
    assert "restore a copy" in str(caught.value.hint)
    Path(copy).replace(file)
    with Journal(sqlite_url) as journal:
        assert journal.verify().ok
        assert journal.append("new", b"", version=1, author="me").revision == 301


def test_another_programs_database_is_not_taken_over_by_its_version_table(sqlite_url: str) -> None:
    with Journal(sqlite_url) as journal, journal.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'deadbeef0000'")
    with pytest.raises(SchemaMismatch, match="deadbeef0000"):
        Journal(sqlite_url)


def test_an_outsider_that_holds_the_lock_for_a_while(file: Path) -> None:
    """As `sqlite3 journal.db` in somebody's terminal, with BEGIN IMMEDIATE typed and forgotten."""
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE');"
        " print('held', flush=True); sys.stdin.readline(); c.execute('ROLLBACK'); c.close()"
    )
    with (
        JournalProcess(f"sqlite:///{file}") as process,
        subprocess.Popen(
            [sys.executable, "-c", program, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as outsider,
    ):  # fmt: skip
        assert outsider.stdout is not None
        assert outsider.stdin is not None
        assert outsider.stdout.readline() == "held\n"
        unavailable(process.append("a", 2), f"process {outsider.pid}", "try again")
        assert process.get("a") == ["a", 1, 1]
        outsider.stdin.write("\n")
        outsider.stdin.close()
        assert process.append("a", 2) == ["a", 2, 3]
    check_intact(file, 3)
