"""Durability is shown, not assumed: the system calls of a journal on SQLite are counted, servers' settings are read."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.journal import Journal
from tests.contracts.live import living, run, submission
from tests.services.database_service import DatabaseService
from tests.services.mariadb import MariaDB
from tests.services.postgresql import PostgreSQL

pytestmark = pytest.mark.faults
TOP = Path(__file__).resolve().parents[2]

ONE_BY_ONE = """
import os, sys
from rainer.journal import Journal
with Journal(sys.argv[1]) as journal:
    for version in range(1, int(sys.argv[2]) + 1):
        journal.append("k", b"x" * 100, version=version, author="me")
        os.write(1, b"acknowledged 1\\n")
"""
TOGETHER = """
import asyncio, os, sys
from rainer.journal import Journal
from rainer.journal.group import Submission
from rainer.model.commit import Draft

async def main(journal, many):
    live = journal.live()
    await live.start()
    for round in range(1, 6):
        drafts = [Draft("diary", f"k{n}", round, b"x" * 100, "me") for n in range(many)]
        await asyncio.gather(*(live.commit(Submission((draft,), None)) for draft in drafts))
        os.write(1, f"acknowledged {many}\\n".encode())
    await live.close()

with Journal(sys.argv[1]) as journal:
    asyncio.run(main(journal, int(sys.argv[2])))
"""
_CALL = re.compile(r"\d+\s+(?P<name>\w+)\(\d+<(?P<file>[^>]*)>(?P<rest>.*)")


def trace(program: str, url: str, number: int, log: Path) -> list[str]:
    """Run a program under strace; its writes to the -wal, its syncs of it, and its acknowledgements, in order."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace not found: the system calls cannot be counted")
    calls = "trace=fsync,fdatasync,write,pwrite64"
    command = [strace, "-f", "-y", "-e", calls, "-o", str(log), sys.executable, "-c", program, url, str(number)]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip(f"this machine lets nobody trace: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return list(_events(log.read_text("utf-8", "replace").splitlines()))


def _events(lines: list[str]) -> Iterator[str]:
    unfinished = {}
    for line in lines:
        thread = line.split(maxsplit=1)[0]
        if line.endswith("<unfinished ...>"):
            unfinished[thread] = line
            continue
        resumed = "resumed>" in line
        call = _CALL.match(unfinished.pop(thread) if resumed else line)
        if call is None:
            continue
        if call["name"] == "write" and "acknowledged" in call["rest"]:
            yield "acknowledged"
        elif call["file"].endswith("-wal"):
            yield "written" if "write" in call["name"] else "synced" if line.rstrip().endswith("= 0") else "failed"


@pytest.mark.parametrize("program", [ONE_BY_ONE, TOGETHER], ids=["one by one", "together"])
def test_whatever_is_acknowledged_on_sqlite_was_synced_before(program: str, sqlite_url: str, tmp_path: Path) -> None:
    events = trace(program, sqlite_url, 20, tmp_path / "strace.log")
    assert events.count("acknowledged") == (20 if program is ONE_BY_ONE else 5)
    assert "failed" not in events
    since = None
    for event in events:
        if event == "acknowledged":
            assert since == "synced", "nothing is written and not yet synced when a caller is told"
            since = None
        elif event in ("written", "synced"):
            since = event


def test_at_least_one_sync_a_group_and_far_fewer_than_commits(sqlite_url: str, tmp_path: Path) -> None:
    one_by_one = trace(ONE_BY_ONE, sqlite_url, 30, tmp_path / "one.log")
    syncs = one_by_one.count("synced")
    print(f"30 commits one by one: {syncs} syncs of the -wal")
    assert 30 <= syncs <= 60
    together = trace(TOGETHER, sqlite_url.replace("journal", "other"), 64, tmp_path / "many.log")
    syncs = together.count("synced")
    print(f"320 commits, 64 at a time: {syncs} syncs of the -wal")
    assert 5 <= syncs <= 40


def test_each_acknowledged_group_is_one_transaction(sqlite_url: str) -> None:
    with Journal(sqlite_url) as journal:

        async def main() -> tuple[int, int]:
            async with living(journal) as live:
                for n in range(10):
                    await live.commit(submission("k", n + 1))
                return live.committer.counters.groups, live.committer.counters.commits

        assert run(main()) == (10, 10)
        assert journal.durability_faults() == []
        with journal.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_in_memory_nothing_is_promised() -> None:
    with Journal() as journal:
        assert journal.durability_faults() == ["the journal is in memory: it ends with this process"]


CARELESS_POSTGRESQL = {"fsync": "off", "full_page_writes": "off"}


def test_a_careless_postgresql_is_found_out(postgresql: DatabaseService) -> None:
    assert postgresql.name == "postgresql"
    options = [f"{name}={value}" for name, value in CARELESS_POSTGRESQL.items()]
    server = PostgreSQL(options=[*options, "synchronous_commit=off"])
    with server as careless, Journal(careless.create_database()) as journal:
        assert journal.durability_faults() == [f"{name} is off, not on" for name in CARELESS_POSTGRESQL]

        async def main() -> None:
            """Where the session can insist, it does: no fault of the server's that we need to tell."""
            async with living(journal) as live:
                await live.commit(submission("k"))
                asked = "SHOW synchronous_commit"
                assert await live.committer._session._connection.fetchval(asked) == "on"  # type: ignore[attr-defined]

        run(main())
        with journal.engine.connect() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


@pytest.mark.parametrize(
    ("options", "faults"),
    [
        (["--innodb-flush-log-at-trx-commit=2"], ["innodb_flush_log_at_trx_commit is 2, not 1"]),
        (["--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite"],
         ["innodb_doublewrite is off, not on", "innodb_flush_log_at_trx_commit is 0, not 1"]),
        (["--innodb-flush-method=nosync"], ["innodb_flush_method is nosync, not fsync"]),
        (["--log-bin=changes", "--server-id=1", "--sync-binlog=0"], ["sync_binlog is 0, not 1, and log_bin is on"]),
        (["--log-bin=changes", "--server-id=1", "--sync-binlog=1"], []),
        (["--max-allowed-packet=1M"],
         ["max_allowed_packet is 1048576, too small for payloads of 8 MiB (16777216 or more)"]),
    ],
    ids=["flush 2", "flush 0", "nosync", "binary log not synced", "binary log synced", "small packets"],
)  # fmt: skip
def test_a_careless_mariadb_is_found_out(mariadb: DatabaseService, options: list[str], faults: list[str]) -> None:
    assert mariadb.name == "mariadb"
    with MariaDB(options=options) as careless, Journal(careless.create_database()) as journal:
        assert sorted(journal.durability_faults()) == faults
        journal.append("k", b"", version=1, author="me")


def test_the_servers_of_the_tests_are_durable(database_url: str) -> None:
    with Journal(database_url) as journal:
        assert journal.durability_faults() == []
