"""The audit of what is pinned: it fails for known weaknesses only, and never for want of a network."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

AUDIT = Path(__file__).resolve().parents[2] / ".ci" / "audit"


def audit(folder: Path, script: str | None, **environment: str) -> subprocess.CompletedProcess[str]:
    """What it comes to where pip-audit is a script that says what the real one says."""
    if script is not None:
        program = folder / "audit" / "bin" / "pip-audit"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    words = [str(AUDIT), str(folder / "audit"), "constraints.txt"]
    return subprocess.run(
        words, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip


def test_known_weaknesses_fail(tmp_path: Path) -> None:
    found = audit(tmp_path, "echo 'Found 1 known vulnerability in 1 package' >&2; echo 'pyjwt 2.0 GHSA-x'; exit 1")
    assert (found.returncode, "GHSA-x" in found.stderr) == (1, True)
    assert audit(tmp_path / "other", "echo 'No known vulnerabilities found' >&2").returncode == 0


@pytest.mark.parametrize("script", ["echo 'ERROR:pip_audit: connection failed' >&2; exit 1", "sleep 30"])
def test_without_a_network_it_says_that_it_was_skipped(tmp_path: Path, script: str) -> None:
    found = audit(tmp_path, script, AUDIT_TIMEOUT_S="1")
    assert (found.returncode, "Skipped: the audit of constraints.txt" in found.stderr) == (0, True), found


def test_where_it_cannot_be_installed_it_is_skipped(tmp_path: Path) -> None:
    found = audit(tmp_path, None, PYTHON="/bin/false")
    assert (found.returncode, "cannot be installed" in found.stderr) == (0, True), found
    assert not (tmp_path / "audit").exists()
