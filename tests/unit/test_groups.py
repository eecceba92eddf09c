"""Tests that share something costly run on one worker: else each makes it anew, and the run takes minutes more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_TESTS = """
import os
import pytest

pytestmark = pytest.mark.xdist_group("together")


@pytest.mark.parametrize("number", range(8))
def test_it(number):
    with open("workers", "a") as file:
        print(os.environ["PYTEST_XDIST_WORKER"], file=file)
"""


def test_a_group_runs_on_one_worker(tmp_path: Path) -> None:
    (tmp_path / "test_group.py").write_text(_TESTS, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    ran_on = (tmp_path / "workers").read_text("utf-8").split()
    assert (len(ran_on), len(set(ran_on))) == (8, 1)
