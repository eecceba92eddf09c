"""verify and db on SQLite files: what they find, what they refuse to make, how they end."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from rainer.journal import Journal
from rainer.model.position import Position
from tests.command_line import CommandLine, clean_environment

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    with Journal(f"sqlite:///{path}") as journal:
        for version in range(1, 6):
            journal.append("k", b"payload %d" % version, version=version, author="me")
    return path


@pytest.fixture
def rainer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: Path) -> CommandLine:
    monkeypatch.setenv("RAINER_DATABASE", f"sqlite:///{file}")
    return CommandLine(monkeypatch, tmp_path)


def change(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)


def test_a_whole_journal_is_verified_and_its_position_printed(rainer: CommandLine) -> None:
    result = rainer.ok("verify")
    position = Position.parse(result.text)
    assert position.revision == 5
    assert "whole: 5 commits" in result.err
    record = rainer.ok("verify", "--json", "--expect", str(position)).json
    assert record == {"ok": True, "commits": 5, "position": str(position), "first_bad": None, "problems": []}


def test_a_changed_row_is_found_with_its_revision(rainer: CommandLine, file: Path) -> None:
    change(file, "UPDATE commits SET payload = x'00' WHERE revision = 3")
    result = rainer("verify")
    assert (result.code, "first at revision 3" in result.err) == (9, True)
    record = rainer("verify", "--json")
    assert (record.code, record.json["ok"], record.json["first_bad"]) == (9, False, 3)


def test_a_cut_tail_is_found_by_who_kept_the_position(rainer: CommandLine, file: Path) -> None:
    short = str(Position.parse(rainer.ok("verify").text))
    with Journal(f"sqlite:///{file}") as journal:
        journal.append("k", b"6", version=6, author="me")
    kept = rainer.ok("verify", "--expect", short).text.strip()
    rainer.ok("verify", "--expect", kept)
    ahead = Position(Position.parse(kept).lineage, 9, Position.parse(kept).chain)
    result = rainer("verify", "--expect", str(ahead), "--json")
    assert (result.code, result.json["first_bad"]) == (9, 7)


@pytest.mark.parametrize("words", [["verify"], ["db", "adopt", "-y"]], ids=" ".join)
def test_where_there_is_no_journal_none_is_made(rainer: CommandLine, words: list[str]) -> None:
    result = rainer(*words, "--database", "sqlite:///absent.db", "--json")
    assert (result.code, result.error["code"]) == (4, "not-found")
    assert not (rainer.folder / "absent.db").exists()


def test_another_schema_is_exit_code_10(rainer: CommandLine, file: Path) -> None:
    state = rainer.ok("db", "check", "--json").json
    assert (state["current"] == state["wanted"], state["ok"]) == (True, True)
    change(file, "UPDATE alembic_version SET version_num = 'from-the-future'")
    checked = rainer("db", "check")
    assert (checked.code, "from-the-future" in checked.text) == (10, True)
    assert rainer("verify").code == 10
    absent = rainer("db", "check", "--database", "sqlite:///absent.db")
    assert (absent.code, (rainer.folder / "absent.db").exists()) == (10, False)


def test_upgrade_makes_an_empty_database_ready(rainer: CommandLine) -> None:
    state = rainer.ok("db", "upgrade", "--database", "sqlite:///new.db", "--json").json
    assert state["ok"] is True
    assert Position.parse(rainer.ok("verify", "--database", "sqlite:///new.db").text).revision == 0


def test_adopting_begins_a_new_lineage_after_a_question(rainer: CommandLine) -> None:
    before = Position.parse(rainer.ok("verify").text)
    assert rainer("db", "adopt", stdin=b"n\n").code == 1
    assert Position.parse(rainer.ok("verify").text) == before
    after = Position.parse(rainer.ok("db", "adopt", stdin=b"y\n").text)
    assert (after.revision, after.chain, after.lineage == before.lineage) == (5, before.chain, False)
    assert Position.parse(rainer.ok("verify", "--expect", str(before)).text) == after


def test_a_file_that_is_no_database_is_told(rainer: CommandLine) -> None:
    (rainer.folder / "text.db").write_text("this is not a database, whatever it is called " * 30)
    result = rainer("verify", "--database", "sqlite:///text.db")
    assert (result.code in (5, 7, 9), result.err.startswith("error: ")) == (True, True)


@pytest.mark.parametrize("url", ["nonsense", "oracle://h/db", "postgresql://u:hunter2@127.0.0.1:1/db"])
def test_a_database_that_cannot_be_opened_is_told_without_its_password(rainer: CommandLine, url: str) -> None:
    result = rainer("verify", "--database", url)
    assert result.code in (5, 7)
    assert result.err.startswith("error: ")
    assert "hunter2" not in result.err


@pytest.mark.parametrize("words", [["verify"], ["db", "check"], ["serve"]], ids=" ".join)
def test_without_the_servers_libraries_the_pip_command_is_told(tmp_path: Path, words: list[str]) -> None:
    code = "import sys; sys.modules['sqlalchemy'] = None; from rainer.cli.main import run; sys.exit(run(sys.argv[1:]))"
    environment = {"PYTHONPATH": str(TOP), "PATH": os.environ["PATH"]} | clean_environment(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, env=environment, cwd=tmp_path, check=False
    )
    assert done.returncode == 11
    assert b"pip install 'rainer[server]'" in done.stderr
    assert b"Traceback" not in done.stderr
