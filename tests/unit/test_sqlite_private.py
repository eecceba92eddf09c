"""A journal on SQLite is its owner's alone, in whatever folder it is made."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from rainer.journal import Journal


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_nobody_else_reads_a_journal_that_permissions_keep(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "journal.db"
    with Journal(f"sqlite:///{path}") as journal:
        journal.append("a", b"secret", version=1, author="test")
        modes = {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in tmp_path.iterdir()}
    assert set(modes.values()) == {"0o600"}, modes
    path.chmod(0o640)  # who wants others to read it says so, once
    with Journal(f"sqlite:///{path}") as journal:
        journal.append("a", b"more", version=2, author="test")
        modes = {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in tmp_path.iterdir()}
    assert set(modes.values()) == {"0o640"}, modes
