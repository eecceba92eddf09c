"""Durability is shown, not assumed: the kernel's own account of what was synced before a commit was acknowledged."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.faults

# Each acknowledgement is a write of its own to stdout, so that the trace shows what was synced before it.
_ONE_BY_ONE = """
import os, sys
from rainer.journal import Journal
with Journal(sys.argv[1]) as journal:
    journal.append("warm", b"", version=1, author="a test")
    os.write(1, b"begin\\n")
    for version in range(1, 21):
        journal.append("key", b"x", version=version, author="a test")
        os.write(1, b"acknowledged %d\\n" % version)
    os.write(1, b"end\\n")
"""

_TOGETHER = """
import os, sys, threading
from rainer.journal import Journal
with Journal(sys.argv[1]) as journal:
    journal.append("warm", b"", version=1, author="a test")
    def write(number):
        for version in range(1, 26):
            journal.append(f"key {number}", b"x", version=version, author="a test")
    writers = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    os.write(1, b"begin\\n")
    for writer in writers: writer.start()
    for writer in writers: writer.join()
    os.write(1, b"end\\n")
"""


def _trace(program: str, folder: Path) -> list[str]:
    """The lines of the trace between `begin` and `end`: syncs, and what the program wrote to stdout."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    account = folder / "trace"
    command = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,write", "-e", "signal=none", "-o", str(account)]
    database = f"sqlite:///{folder / 'journal.db'}"
    done = subprocess.run(
        [*command, sys.executable, "-c", program, database], capture_output=True, text=True, timeout=120, check=False
    )
    if "Operation not permitted" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    lines = account.read_text(errors="replace").splitlines()
    begin = next(i for i, line in enumerate(lines) if 'write(1, "begin' in line)
    end = next(i for i, line in enumerate(lines) if 'write(1, "end' in line)
    return lines[begin + 1 : end]


def _is_sync(line: str) -> bool:
    # A call that another thread interrupts stands in two lines; the second tells that it succeeded.
    return re.search(r"(fdatasync|fsync)(\(\d+\)| resumed>\)).*= 0$", line) is not None


def test_every_acknowledged_group_on_sqlite_was_synced_before(tmp_path: Path) -> None:
    syncs, unsynced = 0, []
    since_last = 0
    for line in _trace(_ONE_BY_ONE, tmp_path):
        if _is_sync(line):
            syncs, since_last = syncs + 1, since_last + 1
        elif 'write(1, "acknowledged' in line:
            if since_last == 0:
                unsynced.append(line)
            since_last = 0
    assert unsynced == []
    assert syncs >= 20


def test_writers_that_come_together_share_their_syncs(tmp_path: Path) -> None:
    syncs = sum(map(_is_sync, _trace(_TOGETHER, tmp_path)))
    assert 0 < syncs < 16 * 25
