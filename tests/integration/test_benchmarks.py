"""That `python -m tests.benchmarks` measures everything; how fast it all was, a loaded machine cannot say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.report import Results, Row
from tests.services.machine import find_binary

TOP = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.xdist_group("benchmarks")
def test_a_quick_run_prints_a_table_with_all_rows(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--quick", "--json", str(found)],
        cwd=TOP,
        env=os.environ | {"PYTHONPATH": str(TOP)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,  # a busy machine may take its time; nobody may wait for ever
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    for row in Results().rows.values():
        assert any(line.startswith(row.what) and row.other in line for line in lines), f"{row.what}\n{done.stdout}"
    rows = json.loads(found.read_text("utf-8"))["rows"]
    for name, row in rows.items():
        assert row["ours"] or row["note"], f"{name} is empty and nothing says why"
    if all(find_binary(program) for program in ("wrk", "etcd", "postgres", "mariadbd")):
        assert [name for name, row in rows.items() if not row["ours"]] == []


def test_a_ratio_is_taken_round_by_round() -> None:
    row = Row("x", "/s", "y", at_least=2.0, ours=[10.0, 4.0, 9.0], others=[5.0, 1.0, 10.0])
    assert row.ratios == [2.0, 4.0, 0.9]
    assert row.verdict == "met"


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (Row("x", "ms", "y", below=1.5, ours=[3.0], others=[2.0]), "missed"),
        (Row("x", "ms", "y", below=1.5, ours=[2.0], others=[2.0]), "met"),
        (Row("x", "MiB", below=30, ours=[29.9]), "met"),
        (Row("x", "ms", ours=[1.0]), ""),
        (Row("x", "/s", "y", at_least=1.0), "not measured"),
    ],
)
def test_a_verdict_follows_from_the_target(row: Row, verdict: str) -> None:
    assert row.verdict == verdict


def test_a_run_in_which_a_row_is_missing_has_not_met_everything() -> None:
    results = Results()
    for name, row in results.rows.items():
        if row.target:
            results.record(name, [1.0], [1.0] if row.other else [])
            row.at_least, row.below = 0.5, None
    assert results.all_met
    results.rows["commits/sqlite/one"].ours.clear()
    results.rows["commits/sqlite/one"].others.clear()
    assert not results.all_met
