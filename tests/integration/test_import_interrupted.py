"""An import begun again: after kill -9, after it was whole, after somebody wrote to its keys; and its memory."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from rainer.errors import UnavailableError
from rainer.journal import Journal
from rainer.journal.import_rainer import import_table
from rainer.journal.import_target import ImportTarget
from rainer.model.commit import ImportedDraft
from tests.command_line import CommandLine
from tests.integration.ancestor_rows import TABLE, Row, add_rows, contents, in_order, make_table, row

_KILLED = """
import os, signal, sys
from rainer.journal.import_rainer import import_table
calls = 0
def progress(done, total):
    global calls
    calls += 1
    if calls == 3:  # one batch is kept, one is on its way
        os.kill(os.getpid(), signal.SIGKILL)
import_table(*sys.argv[1:], progress=progress)
"""


@pytest.fixture
def original(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'original.db'}"


def history(seed: int, commits: int) -> list[Row]:
    """Commits of many keys, with times that go back and forth, and some rows that cannot be represented."""
    chance = random.Random(seed)
    versions: dict[str, int] = {}
    found = []
    for _ in range(commits):
        key = f"key-{chance.randrange(commits // 8)}"
        versions[key] = versions.get(key, 0) + 1
        payload = None if chance.random() < 0.1 else chance.randbytes(chance.randrange(300))
        found.append(
            row(key, versions[key], payload, mtime_ms=chance.randrange(10**6), comment=chance.randbytes(4).hex())
        )
    for broken in chance.sample(range(commits), commits // 100):
        found[broken] = found[broken]._replace(payload=b"broken")
    return found


def test_killed_in_the_middle_it_goes_on_where_it_stopped(
    mariadb_url: str, database_url: str, seed: int, tmp_path: Path
) -> None:
    make_table(mariadb_url, history(seed, 5_000))
    whole_url = f"sqlite:///{tmp_path / 'whole.db'}"
    whole = import_table(mariadb_url, TABLE, whole_url)
    wanted = contents(whole_url)
    assert (whole.imported, whole.skipped) == (len(wanted), 0)

    killed = subprocess.run([sys.executable, "-c", _KILLED, mariadb_url, TABLE, database_url], check=False)
    assert killed.returncode == -signal.SIGKILL
    there = contents(database_url)
    assert 0 < len(there) < len(wanted)
    assert there == wanted[: len(there)]

    report = import_table(mariadb_url, TABLE, database_url)
    assert (report.imported, report.skipped) == (len(wanted) - len(there), len(there))
    assert sorted(report.refused) == sorted(whole.refused)
    assert contents(database_url) == wanted

    again = import_table(mariadb_url, TABLE, database_url)
    assert (again.imported, again.skipped) == (0, len(wanted))
    assert again.refused_commits == whole.refused_commits == 5_000 - len(wanted) > 0


def test_rows_that_came_since_are_imported_behind(original: str, database_url: str) -> None:
    make_table(original, [row("a", 1, mtime_ms=5), row("b", 1, mtime_ms=6)])
    assert import_table(original, TABLE, database_url).imported == 2
    add_rows(original, [row("a", 2, mtime_ms=1), row("c", 1, mtime_ms=2)])
    report = import_table(original, TABLE, database_url)
    assert (report.imported, report.skipped, report.refused) == (2, 2, [])
    assert in_order(database_url) == [("a", 1), ("b", 1), ("c", 1), ("a", 2)]


@pytest.mark.parametrize(
    "other",
    [
        row("k", 2, b"other", mtime_ms=2), row("k", 2, None, mtime_ms=2), row("k", 2, b"two", mtime_ms=3),
        row("k", 2, b"two", mtime_ms=2, author="bob"), row("k", 2, b"two", mtime_ms=2, comment=""),
    ],
    ids=["payload", "empty", "mtime", "author", "comment"],
)  # fmt: skip
def test_a_key_whose_commits_differ_is_left_alone(other: Row, original: str, sqlite_url: str) -> None:
    first = [row("k", 1, b"one", mtime_ms=1), row("k", 2, b"two", mtime_ms=2)]
    make_table(original, first)
    assert import_table(original, TABLE, sqlite_url).imported == 2
    changed = f"{original}2"
    make_table(changed, [first[0], other, row("k", 3), row("k", 4), row("l", 1)])
    report = import_table(changed, TABLE, sqlite_url)
    assert report.refused == [
        "key 'k', version 2: the journal holds another commit of this version",
        "key 'k': 2 later versions are left out with version 2",
    ]
    assert (report.imported, report.skipped, report.refused_commits) == (1, 1, 3)
    assert in_order(sqlite_url) == [("k", 1), ("k", 2), ("l", 1)]


def test_commits_made_here_since_are_no_conflict(original: str, sqlite_url: str) -> None:
    make_table(original, [row("k", 1), row("k", 2)])
    import_table(original, TABLE, sqlite_url)
    with Journal(sqlite_url) as journal:
        journal.append("k", b"ours", version=3, author="ann")
    report = import_table(original, TABLE, sqlite_url)
    assert (report.imported, report.skipped, report.refused) == (0, 2, [])


@pytest.mark.parametrize("other", ["import", "beginning", "author"])
def test_somebody_writes_to_a_key_between_look_and_commit(
    other: str, original: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row("a", 1), row("k", 1), row("k", 2), row("z", 1)]
    make_table(original, rows)
    make_table(original, [rows[1]], table="beginning")
    begin = ImportTarget.begin

    def late(self: ImportTarget, drafts: list[ImportedDraft]) -> None:
        monkeypatch.undo()
        if other == "author":
            with Journal(database_url) as journal:
                journal.append("k", b"other", version=1, author="bob")
        else:
            import_table(original, TABLE if other == "import" else "beginning", database_url)
        begin(self, drafts)

    monkeypatch.setattr(ImportTarget, "begin", late)
    report = import_table(original, TABLE, database_url)
    counts = report.imported, report.skipped, report.refused_commits
    wanted, order = {
        "import": ((0, 4, 0), [("a", 1), ("k", 1), ("k", 2), ("z", 1)]),
        "beginning": ((3, 1, 0), [("k", 1), ("a", 1), ("z", 1), ("k", 2)]),
        # Version 2 would fit behind bob's version 1, and must not.
        "author": ((2, 0, 2), [("k", 1), ("a", 1), ("z", 1)]),
    }[other]
    assert (counts, in_order(database_url)) == (wanted, order)
    if other == "author":
        assert report.refused[0] == "key 'k', version 1: the journal holds another commit of this version"


def test_a_journal_that_stops_answering_ends_the_import(
    original: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_table(original, [row("a", 1)])
    gone = UnavailableError("the database does not answer")
    monkeypatch.setattr(ImportTarget, "outcomes", lambda _self: [gone])
    with pytest.raises(UnavailableError, match="the database does not answer"):
        import_table(original, TABLE, sqlite_url)


def test_memory_holds_no_payloads(mariadb_url: str, sqlite_url: str) -> None:
    rows = 20_000
    payload = b"0123456789abcdef" * 320
    make_table(mariadb_url, (row(f"key-{n % 4_000}", n // 4_000 + 1, payload, mtime_ms=n) for n in range(rows)))
    told: list[tuple[int, int]] = []
    tracemalloc.start()
    try:
        report = import_table(mariadb_url, TABLE, sqlite_url, progress=lambda done, total: told.append((done, total)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.imported == rows
    assert peak < rows * len(payload) // 2, f"{peak:,} bytes at the peak"
    assert told[0] == (0, rows)
    assert told[-1] == (rows, rows)
    assert told == sorted(told)
    assert len(in_order(sqlite_url)) == rows


class TestCommand:
    @pytest.fixture
    def rainer(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CommandLine:
        return CommandLine(monkeypatch, tmp_path)

    def test_says_one_line_and_nothing_else_into_a_pipe(
        self, rainer: CommandLine, original: str, sqlite_url: str
    ) -> None:
        make_table(original, [row("a", 1), row("a", 2), row("b", 1)])
        result = rainer.ok("import-rainer", original, TABLE, "--database", sqlite_url)
        assert (result.text, result.err) == ("imported 3, skipped 0, refused 0\n", "")
        result = rainer.ok("import-rainer", original, TABLE, "--database", sqlite_url)
        assert (result.text, result.err) == ("imported 0, skipped 3, refused 0\n", "")

    def test_lists_what_it_refused_and_ends_invalid(self, rainer: CommandLine, original: str, sqlite_url: str) -> None:
        make_table(original, [row("a", 1), row("a", 3), row("a", 4), row("b", 1)])
        result = rainer("import-rainer", original, TABLE, "--database", sqlite_url)
        assert result.code == 5
        assert result.text == "imported 2, skipped 0, refused 2\n"
        assert "key 'a', version 3: version 2 is missing before it\n" in result.err
        assert "key 'a': 1 later version is left out with version 3\n" in result.err

    def test_json(self, rainer: CommandLine, original: str, sqlite_url: str) -> None:
        make_table(original, [row("a", 1), row("b", 2)])
        result = rainer("import-rainer", original, TABLE, "--database", sqlite_url, "--json")
        assert result.code == 5
        assert result.json == {
            "imported": 1,
            "skipped": 0,
            "refused": ["key 'b', version 2: version 1 is missing before it"],
            "refused_commits": 1,
        }

    def test_no_table(self, rainer: CommandLine, original: str, sqlite_url: str) -> None:
        make_table(original, [])
        result = rainer("import-rainer", original, "nothing", "--database", sqlite_url)
        assert result.code == 4
        assert "there is no table 'nothing'" in result.err
