"""README.md is true: each of its commands and snippets is run, and shows what the page says it shows."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
import sys
import tomllib
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pymysql
from sqlalchemy.engine import make_url

from rainer.client import Client
from rainer.model import policy_document
from rainer.model.identity import Identity
from tests.integration import readme
from tests.integration.readme import Block, Command
from tests.integration.shell import Shell
from tests.services.database_service import DatabaseService
from tests.services.process_service import ProcessService
from tests.services.rainer import RainerServer

TEXT = readme.PATH.read_text("utf-8")
TOP = readme.PATH.parent
ADDRESS = "http://127.0.0.1:8080"

# What is not run here: test_make_run.py does, from a clean clone. The rainer commands of the chapters on
# mirrors and on assets are run by test_readme_mirrors.py and test_readme_assets.py, every one of them.
RUN_ELSEWHERE = {"make run", "make test", 'export PATH="$PWD/.venv/bin:$PATH"'}

# How a question ends that `rainer` asks at a terminal.
_QUESTION = re.compile(r"(\[[a-z/?]+\] )(\w+)$", re.MULTILINE)


# The tour: what a person types, on one server.


def _is_served(command: Command) -> bool:
    return command.text.startswith("rainer serve")


def _is_import(command: Command) -> bool:
    return command.text.startswith("rainer import-rainer")


def _commands() -> list[Command]:
    return [command for block in readme.blocks(TEXT, "console") for command in readme.commands(block)]


def _environment(folder: Path, **more: str) -> dict[str, str]:
    """A person's environment, with the `rainer` of this checkout in the path."""
    program = folder / "bin" / "rainer"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m rainer.cli.main "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    return {"HOME": str(folder), "PATH": path, "PYTHONPATH": f"{TOP}:{_installed(folder / 'site')}", **more}


def _installed(folder: Path) -> Path:
    """What an installation would tell other programs: the entry points."""
    points = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    told = folder / "rainer-0.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: rainer\nVersion: 0\n")
    lines = (line for group, found in points.items() for line in (f"[{group}]", *map(" = ".join, found.items())))
    (told / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


@contextlib.contextmanager
def _shell(folder: Path, server: RainerServer, **more: str) -> Iterator[Shell]:
    work = folder / "work"
    work.mkdir()
    settings = {"RAINER_URL": f"{server.url}/diary", "RAINER_DATA_DIR": str(server.data_dir)}
    with Shell(work, _environment(folder, **settings, **more)) as shell:
        yield shell


def _differences(shell: Shell, command: Command, server: RainerServer) -> list[str]:
    answers = _QUESTION.findall(command.shown)
    done = shell.run(command.text.replace(ADDRESS, server.url), answers)
    should_fail = "error: " in command.shown
    return _compared(f"line {command.line}: $ {command.text}", command.shown, done.shown) + (
        [] if (done.code != 0) is should_fail else [f"line {command.line}: exit code {done.code}\n{done.shown}"]
    )


def _compared(title: str, expected: str, found: str) -> list[str]:
    expected, found = readme.normalised(expected), readme.normalised(found)
    if expected == found:
        return []
    lines = difflib.unified_diff(expected.splitlines(), found.splitlines(), "README.md", "shown", n=9, lineterm="")
    return ["\n".join([title, *lines])]


def _run_python(shell: Shell, block: Block, server: RainerServer, folder: Path) -> list[str]:
    """Run a snippet; what it prints stands in comments behind its prints."""
    title = f"line {block.line}: python"
    comments = re.findall(r"print\(.*?\)  # (.*)$", block.text, re.MULTILINE)
    if len(comments) != block.text.count("print("):
        return [f"{title}: a print() without a comment that says what it prints"]
    script = folder / f"snippet-{block.line}.py"
    script.write_text(block.text.replace(ADDRESS, server.url))
    done = shell.run(f"{sys.executable} -W error {script}")
    return _compared(title, "\n".join(comments), done.shown) + ([f"{title}: {done.shown}"] if done.code else [])


def test_the_tour_shows_what_the_readme_says(tmp_path: Path) -> None:
    differences = []
    with RainerServer() as server, _shell(tmp_path, server) as shell:
        for block in readme.blocks(TEXT, "console", "python"):
            if block.language == "python":
                differences += _run_python(shell, block, server, tmp_path)
                continue
            for command in readme.commands(block):
                if not (_is_served(command) or _is_import(command)):
                    differences += _differences(shell, command, server)
    assert differences == [], "\n\n".join(["the README is not true", *differences])


def test_the_code_blocks_are_in_languages_that_are_run() -> None:
    kinds = {block.language for block in readme.blocks(TEXT, "sh", "console", "python", "java", "yaml", "")}
    # Java: tests/integration/test_java_price_service.py
    assert kinds == {"sh", "console", "python", "java", "yaml"}
    assert TEXT.count("```") == 2 * len(readme.blocks(TEXT, *kinds))


def test_the_policy_is_one() -> None:
    (policy,) = (policy_document.parse(block.text.encode()) for block in readme.blocks(TEXT, "yaml"))
    assert policy.decide(Identity("ci-deploy", "token"), "write", "prod", "app.x").allowed
    assert policy.admins() == {"ada@example.com"}


def test_every_other_command_is_run_by_another_test() -> None:
    lines = [line for block in readme.blocks(TEXT, "sh") for line in block.text.splitlines()]
    found = {line.split("  #")[0].strip() for line in lines}
    assert {command for command in found if not command.startswith("rainer ")} == RUN_ELSEWHERE


# `rainer serve` on PostgreSQL, and the ancestor's table on MariaDB.


class ServedByCommand(ProcessService):
    """A server started by a command line, as a person types it, but for the port."""

    name = "rainer"

    def __init__(self, command: str, environment: dict[str, str]) -> None:
        super().__init__(environment=environment)
        self._text = command

    @classmethod
    def available(cls) -> str | None:
        return None

    def _prepare(self) -> None:
        pass

    def _command(self) -> Sequence[str]:
        settings = f"RAINER_PORT={self.port} RAINER_URL=http://127.0.0.1:{self.port}/diary"
        return ["bash", "-c", f"exec env {settings} {self._text}"]

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/healthz", timeout=2).close()
            return True
        return False


def test_it_serves_postgresql_as_the_readme_shows(own_postgresql: DatabaseService, tmp_path: Path) -> None:
    with psycopg.connect(own_postgresql.admin_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE rainer TEMPLATE template0 ENCODING 'UTF8'")
    (command,) = filter(_is_served, _commands())
    where = {"PGHOST": "127.0.0.1", "PGPORT": str(own_postgresql.port), "PGUSER": "rainer"}
    with ServedByCommand(command.text, _environment(tmp_path, **where)) as server:
        assert _compared(command.text, command.shown, server.output) == []
        url = f"http://127.0.0.1:{server.port}/-/status"
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert json.load(answer)["database"].startswith("postgresql:")
        server.stop()


def _ancestor_bytes(key: str, version: int, payload: bytes, *, empty: bool = False) -> bytes:
    header = {
        "key": key,
        "version": version,
        "author": "grace@example.com",
        "comment": f"Version {version}",
        "mtime": f"2016-02-29T12:00:0{version}.000+01:00",
        "empty": empty,
    }
    text = json.dumps(header).encode()
    return b"%d\n%s\n%s\n" % (len(text), text, payload)


def _make_ancestor_table(url: str) -> None:
    rows = [
        ("limits", 1, _ancestor_bytes("limits", 1, b"10"), 0),
        ("limits", 2, _ancestor_bytes("limits", 2, b"20"), 0),
        ("limits", 3, _ancestor_bytes("limits", 3, b"", empty=True), 1),
    ]
    parts = make_url(url)
    connection = pymysql.connect(
        host=parts.host, port=parts.port, user=parts.username, password=parts.password, database=parts.database
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE rainer_commits (name VARBINARY(255), version INT, payload MEDIUMBLOB, is_empty TINYINT,"
            " PRIMARY KEY (name, version))"
        )
        cursor.executemany("INSERT INTO rainer_commits VALUES (%s, %s, %s, %s)", rows)
        connection.commit()


def test_it_imports_an_ancestors_table_as_the_readme_shows(mariadb_url: str, tmp_path: Path) -> None:
    _make_ancestor_table(mariadb_url)
    (command,) = filter(_is_import, _commands())
    with RainerServer() as server, _shell(tmp_path, server, ANCESTOR_DATABASE=mariadb_url) as shell:
        differences = _differences(shell, command, server)
        assert differences == [], differences[0]
        commits = Client(f"{server.url}/diary").log("limits")
    assert [(commit.version, commit.payload, commit.author) for commit in commits] == [
        (3, None, "grace@example.com"),
        (2, b"20", "grace@example.com"),
        (1, b"10", "grace@example.com"),
    ]
