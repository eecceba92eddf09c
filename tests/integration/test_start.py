"""A server that cannot start says why in a sentence, with the exit code that is documented, and harms nothing."""

from __future__ import annotations

import contextlib
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from rainer.cli import exit_codes
from rainer.database.address import parse_address
from rainer.database.engine import open_engine
from rainer.errors import CorruptError, InvalidError, UnavailableError
from rainer.journal import Journal
from tests.integration.conftest import verify
from tests.integration.wire import Wire, ask, commit, request
from tests.services.database_service import DatabaseService
from tests.services.postgresql import PostgreSQL
from tests.services.rainer import RainerServer, clean_environment

TOP = Path(__file__).resolve().parents[2]
UNAVAILABLE = exit_codes.of(UnavailableError(""))


def start(
    database: str, *arguments: str, port: int = 0, program: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a server that is expected to refuse; `program` is the folder of another Rainer than this."""
    command = [
        sys.executable,
        "-m",
        "rainer.cli.main",
        "serve",
        "--database",
        database,
        "--port",
        str(port),
        *arguments,
    ]
    environment = clean_environment() | ({"PYTHONPATH": str(program)} if program else {})
    return run(command, environment)


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    # Away from the checkout, which Python would otherwise prefer to the program that is asked for.
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )


def check_refusal(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) <= 6, done.stderr


# Ports and addresses


@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_port_in_use_is_said_so(sqlite_url: str, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = start(sqlite_url, "--workers", workers, port=port)
    check_refusal(refused, UNAVAILABLE, f"cannot listen on 127.0.0.1:{port}", "in use", "--port")


def test_a_port_that_another_server_takes_is_left_to_it(sqlite_url: str) -> None:
    with RainerServer(sqlite_url) as server:
        check_refusal(start(sqlite_url, port=server.port), UNAVAILABLE, f"cannot listen on 127.0.0.1:{server.port}")
        assert commit(server.url, "k", 1).status == 200
        server.stop()


@pytest.mark.parametrize("host", ["256.0.0.1", "192.0.2.1", "no.such.host.invalid", "::2", ""])
def test_an_address_that_is_not_ours_is_said_so(sqlite_url: str, host: str) -> None:
    refused = start(sqlite_url, "--host", host)
    assert refused.returncode in (UNAVAILABLE, exit_codes.USAGE, exit_codes.INVALID), refused
    check_refusal(refused, refused.returncode, host)


# Databases


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_database_that_does_not_answer_is_said_so(scheme: str) -> None:
    begun = time.monotonic()
    refused = start(f"{scheme}://me:secret@127.0.0.1:{_closed_port()}/journal")
    check_refusal(refused, UNAVAILABLE, "is it running")
    assert "secret" not in refused.stderr
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("own", ["own_postgresql", "own_mariadb"])
def test_a_database_that_stands_still_is_said_so(own: str, request: pytest.FixtureRequest) -> None:
    database: DatabaseService = request.getfixturevalue(own)
    url = database.create_database()
    database.pause()
    try:
        begun = time.monotonic()
        check_refusal(start(url), UNAVAILABLE)
        assert time.monotonic() - begun < 40
    finally:
        database.resume()


@pytest.mark.parametrize(
    ("database", "code", "words"),
    [
        ("sqlite:////dev/null/journal.db", UNAVAILABLE, "/dev/null"),
        ("oracle://host/x", exit_codes.of(InvalidError("")), "oracle"),
        ("nonsense", exit_codes.of(InvalidError("")), "database URL"),
        ("sqlite://host/x", exit_codes.of(InvalidError("")), "names a host"),
        ("postgresql://host", exit_codes.of(InvalidError("")), "names no database"),
    ],
)
def test_a_database_that_cannot_be_is_said_so(database: str, code: int, words: str) -> None:
    check_refusal(start(database), code, words)


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    file.write_text("not a database\n" * 1_000)
    check_refusal(start(f"sqlite:///{file}"), exit_codes.of(CorruptError("")), "not a database")
    assert file.read_text() == "not a database\n" * 1_000


def test_a_journal_in_memory_cannot_have_several_workers() -> None:
    check_refusal(start("memory:", "--workers", "2"), exit_codes.of(InvalidError("")), "memory", "--workers 1")


@pytest.mark.parametrize("form", ["text", "json"])
def test_settings_under_which_a_commit_could_be_lost_are_warned_of(postgresql: DatabaseService, form: str) -> None:
    assert postgresql.name == "postgresql"  # there is one; this test needs another, without a care
    with (
        PostgreSQL(options=("fsync=off", "full_page_writes=off")) as careless,
        RainerServer(careless.create_database(), arguments=["--log-format", form]) as server,
    ):
        lines = [line for line in server.output.splitlines() if "could be lost" in line]
        assert len(lines) == 2, server.output
        assert all("WARNING" in line for line in lines)
        assert "fsync is off" in lines[0]
        assert "fsync is off, not on" in ask(server.url, "GET", "/-/status").json()["durability_faults"]
        server.stop()


# Schemas


@contextlib.contextmanager
def executing(url: str) -> Iterator[sa.Connection]:
    engine = open_engine(parse_address(url))
    try:
        with engine.connect() as connection:
            yield connection
            connection.commit()
    finally:
        engine.dispose()


@pytest.fixture(scope="module")
def tomorrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Rainer with one migration more than this."""
    folder = tmp_path_factory.mktemp("tomorrow")
    for name in ("rainer", "migrations"):
        shutil.copytree(TOP / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "migrations" / "versions" / "9999_tomorrow.py").write_text(
        f'''"""Tomorrow's change."""

from alembic import op

revision = "9999"
down_revision = "{_newest()}"


def upgrade() -> None:
    op.execute("CREATE TABLE tomorrow (id INTEGER)")
'''
    )
    return folder


def _newest() -> str:
    from rainer.database.migrate import check

    return check("sqlite:///is-not-there.db").wanted


def test_an_older_schema_names_the_command_that_upgrades_it(database_url: str, tomorrow: Path) -> None:
    with RainerServer(database_url) as server:
        assert commit(server.url, "k", 1).status == 200
        server.stop()
    refused = start(database_url, program=tomorrow)
    check_refusal(refused, exit_codes.SCHEMA_MISMATCH, _newest(), "9999", "rainer db upgrade")
    with RainerServer(database_url) as server:  # nothing was changed
        assert ask(server.url, "GET", "/diary/k").status == 200
        server.stop()


def test_a_newer_schema_is_left_alone(database_url: str, tomorrow: Path) -> None:
    with RainerServer(database_url, environment={"PYTHONPATH": str(tomorrow)}) as server:
        assert commit(server.url, "k", 1).status == 200
        server.stop()
    refused = start(database_url)
    check_refusal(refused, exit_codes.SCHEMA_MISMATCH, _newest(), "9999", "newer", "nothing was changed")
    with RainerServer(database_url, environment={"PYTHONPATH": str(tomorrow)}) as server:
        assert ask(server.url, "GET", "/diary/k").status == 200
        server.stop()


def test_a_schema_that_is_upgraded_keeps_its_journal(database_url: str, tomorrow: Path) -> None:
    with Journal(database_url) as journal:
        journal.append("k", b"x", version=1, author="me")
    upgrade = [sys.executable, "-m", "rainer.cli.main", "db", "upgrade", "--database", database_url]
    done = run(upgrade, clean_environment() | {"PYTHONPATH": str(tomorrow)})
    assert done.returncode == 0, done
    with RainerServer(database_url, environment={"PYTHONPATH": str(tomorrow)}) as server:
        assert ask(server.url, "GET", "/diary/k").body == b"x"
        server.stop()
    with executing(database_url) as connection:
        connection.execute(sa.text(f"UPDATE alembic_version SET version_num = '{_newest()}'"))
    verify(database_url)


# Files


def test_a_server_opens_as_many_files_as_it_may(sqlite_url: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))  # a login's usual 1024 is less than the feeds we promise
    try:
        server = RainerServer(sqlite_url)
        server.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with contextlib.closing(server), contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.url)) for _ in range(300)]
        for wire in wires:
            wire.send(request("GET", "/-/healthz"))
        assert {wire.answer().status for wire in wires} == {200}
        server.stop()
