"""The schema: made once however many begin at once, the same as the code believes, refused when it is another."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from rainer.database import migrate
from rainer.database.address import parse_address
from rainer.database.engine import open_engine
from rainer.database.schema import heads, metadata
from rainer.database.schema import journal as journal_row
from rainer.errors import SchemaMismatch
from rainer.journal import Journal
from rainer.journal.row import Row
from tests.contracts.recomputed import recompute
from tests.contracts.tables import tamper

TOP = Path(__file__).resolve().parents[2]
NEXT_MIGRATION = '''
"""A column more."""

import sqlalchemy as sa
from alembic import op

revision = "9000"
down_revision = "{head}"
branch_labels = None
depends_on = None

'''
ONE_COLUMN = """
def upgrade():
    op.add_column("lineages", sa.Column("note", sa.String(64)))
"""


def revision_of(journal: Journal) -> str | None:
    return migrate.state(journal.engine).current


def test_migrations_make_what_the_code_believes_in(journal: Journal) -> None:
    with journal.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_tables_are_no_more_and_no_less(journal: Journal) -> None:
    assert set(sa.inspect(journal.engine).get_table_names()) == {*metadata.tables, "alembic_version"}
    inspector = sa.inspect(journal.engine)
    assert [index["column_names"] for index in inspector.get_indexes("commits") if index["name"] == "commits_feed"] == [
        ["namespace_id", "revision"]
    ]
    unique = [constraint["column_names"] for constraint in inspector.get_unique_constraints("commits")]
    assert ["namespace_id", "key", "version"] in unique


def test_opening_again_changes_nothing(journal: Journal, second_of: Callable[[Journal], Journal]) -> None:
    journal.append("a", b"", version=1, author="me")
    before = journal.position()
    assert second_of(journal).position() == before


OPEN = """
import sys
from rainer.journal import Journal
print("ready", flush=True)
sys.stdin.readline()
with Journal(sys.argv[1]) as journal:
    print(journal.position().lineage)
"""


def test_processes_that_open_an_empty_database_at_once_make_it_once(journal_url: str) -> None:
    command = [sys.executable, "-c", OPEN, journal_url]
    with ExitStack() as opened:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        processes = [opened.enter_context(subprocess.Popen(command, cwd=TOP, **pipes)) for _ in range(4)]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        lineages = {process.stdout.readline() for process in processes}
        assert [process.wait(60) for process in processes] == [0] * 4
    assert len(lineages) == (4 if journal_url == "memory:" else 1)


def test_threads_that_open_an_empty_database_at_once_make_it_once(journal_url: str) -> None:
    many = 6
    start = threading.Barrier(many)

    def begin(_: int) -> str:
        start.wait()
        with Journal(journal_url) as journal:
            return journal.position().lineage

    with ThreadPoolExecutor(many) as threads:
        lineages = set(threads.map(begin, range(many)))
    assert len(lineages) == (many if journal_url == "memory:" else 1)


@pytest.mark.parametrize("step", [1, 4, 5, 6, 7, 9, 10, 12, 13])
def test_a_schema_that_was_begun_and_not_finished_is_finished(
    journal_url: str, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where tables are no part of a transaction, a server that dies while it makes them leaves some."""
    engine = open_engine(parse_address(journal_url))
    taken = 0

    def dying(operation: Callable[..., object]) -> Callable[..., object]:
        def step_or_die(*arguments: object, **options: object) -> object:
            nonlocal taken
            taken += 1
            if taken == step:
                raise KeyboardInterrupt
            return operation(*arguments, **options)

        return step_or_die

    for name in ("create_table", "create_index", "bulk_insert"):
        monkeypatch.setattr(Operations, name, dying(getattr(Operations, name)))
    with pytest.raises(KeyboardInterrupt):
        migrate.prepare(engine)
    monkeypatch.undo()
    engine.dispose()
    with Journal(journal_url) as journal:
        journal.append("a", b"", version=1, author="me")
        assert journal.verify().ok
        assert list(journal.namespaces()) == ["diary"]
        with journal.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Call it to become a program with one migration more."""

    def become(upgrade: str = ONE_COLUMN) -> None:
        folder = tmp_path / "migrations"
        shutil.copytree(migrate.script_folder(), folder)
        script = NEXT_MIGRATION.format(head=migrate._head())
        (folder / "versions" / "9000_note.py").write_text(script + upgrade)
        monkeypatch.setattr(migrate, "_folder", lambda: folder)

    return become


def test_an_older_schema_is_refused_and_upgraded_on_demand(journal: Journal, next_version: Callable[[], None]) -> None:
    journal.append("a", b"kept", version=1, author="me")
    before, now = journal.position(), revision_of(journal)
    next_version()
    with pytest.raises(SchemaMismatch) as caught:
        migrate.prepare(journal.engine)
    assert migrate.state(journal.engine).current in str(caught.value)
    assert "9000" in str(caught.value)
    assert "rainer db upgrade" in str(caught.value.hint)
    assert revision_of(journal) == now, "nothing is changed unasked"
    migrate.upgrade_engine(journal.engine)
    migrate.prepare(journal.engine)
    assert revision_of(journal) == "9000"
    assert "note" in [c["name"] for c in sa.inspect(journal.engine).get_columns("lineages")]
    assert journal.position() == before
    assert journal.get("a").payload == b"kept"


def test_a_newer_schema_is_refused(journal: Journal) -> None:
    tamper(journal, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaMismatch) as caught:
        migrate.prepare(journal.engine)
    assert "newer" in str(caught.value)
    assert revision_of(journal) == "9999"


def test_upgrading_many_at_once_upgrades_once(
    journal: Journal, next_version: Callable[[], None], second_of: Callable[[Journal], Journal]
) -> None:
    others = [second_of(journal) for _ in range(3)]
    next_version()
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(migrate.upgrade_engine, j.engine) for j in (journal, *others)]:
            done.result()
    assert revision_of(journal) == "9000"


SLOW_MIGRATION = """
import time
from tests.services.waiting import wait_until

def upgrade():
    op.execute("SELECT 1")
    end = time.monotonic() + 2.5
    wait_until(lambda: time.monotonic() > end, 10, "a machine that is busy with something else")
    op.add_column("lineages", sa.Column("note", sa.String(64)))
"""


def test_a_migration_may_take_longer_than_a_group(
    journal_url: str, next_version: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two statements, too: the database would throw a committer out that pauses like this."""
    monkeypatch.setattr("rainer.limits.STALLED_WRITER_S", 1)
    with Journal(journal_url) as journal:
        next_version(SLOW_MIGRATION)
        migrate.upgrade_engine(journal.engine)
        assert revision_of(journal) == "9000"
        journal.append("a", b"", version=1, author="me")


def test_checking_makes_nothing(journal_url: str) -> None:
    found = migrate.check(journal_url)
    assert (found.current, found.ok, found.is_older) == (None, False, True)
    if journal_url != "memory:":
        engine = open_engine(parse_address(journal_url))
        assert sa.inspect(engine).get_table_names() == []
        engine.dispose()


FORMER_COMMITS = """
INSERT INTO commits (revision, namespace_id, {key}, version, author, comment, mtime_ms, recorded_ms, is_empty, payload,
 payload_sha256, commit_id, changeset, hash) VALUES (:revision, 1, :name, :version, :author, :comment, :mtime_ms,
 :recorded_ms, :is_empty, :payload, :payload_sha256, :commit_id, :changeset, :hash)
"""


def write_as_formerly(journal: Journal) -> None:
    """Two commits, written as a program did that knew no marks."""
    rows = [
        Row(1, 1, "a", 1, "me", "why", 1, 9, False, b"kept", hashlib.sha256(b"kept").digest(), None, 1, b""),
        Row(2, 1, "a", 2, "m\u00fc", "", 2, 9, True, None, None, "id-1", 2, b""),
    ]
    hashes = recompute(rows, {1: "diary"})
    quoted = journal.engine.dialect.identifier_preparer.quote("key")
    insert = sa.text(FORMER_COMMITS.format(key=quoted))
    with journal.engine.begin() as connection:
        for row, digest in zip(rows, hashes, strict=True):
            values = row._asdict() | {"hash": digest, "name": row.key}
            connection.execute(insert, {name: values[name] for name in insert.compile().params})
        head = {"namespace_id": 1, "key": "a", "version": 2, "revision": 2, "is_empty": True}
        connection.execute(sa.insert(heads), head)
        connection.execute(sa.update(journal_row).values(revision=2, chain=hashes[1], recorded_ms=9))


@pytest.mark.parametrize("former", ["0001", "0002"])
def test_a_journal_of_a_former_schema_is_upgraded_with_all_that_it_holds(
    journal_url: str, former: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 0001, which knew no server store, and from 0002, which knew no marks; on request alone."""
    older = tmp_path / "older"
    later = [path.name for path in (migrate.script_folder() / "versions").glob("*.py") if path.name[:4] > former]
    shutil.copytree(migrate.script_folder(), older, ignore=shutil.ignore_patterns(*later, "__pycache__"))
    with monkeypatch.context() as then:
        then.setattr(migrate, "_folder", lambda: older)
        journal = Journal(journal_url)
    with journal:
        journal.create_namespace("more")
        write_as_formerly(journal)
        before = journal.position()
        with pytest.raises(SchemaMismatch, match=rf"{former}.*{migrate._head()}") as caught:
            migrate.prepare(journal.engine)
        assert "rainer db upgrade" in str(caught.value.hint)
        assert "marks" not in [column["name"] for column in sa.inspect(journal.engine).get_columns("commits")]
        migrate.upgrade_engine(journal.engine)
        migrate.prepare(journal.engine)
        assert (revision_of(journal), journal.position()) == (migrate._head(), before)
        assert (journal.get("a", 1).payload, list(journal.namespaces())) == (b"kept", ["diary", "more"])
        with journal.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        journal.append("a", b"more", version=3, author="me")
        assert journal.verify().ok
        assert [commit.marks for commit in journal.log("a")] == [None] * 3
