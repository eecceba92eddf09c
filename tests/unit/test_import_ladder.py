"""Who may import whom: the ladder of ARCHITECTURE.md, read from the sources and held."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.import_ladder import RULES, Violation, check_tree

PACKAGE = Path(__file__).resolve().parents[2] / "rainer"


@pytest.mark.parametrize("rule", RULES)
def test_the_package_keeps_the_rule(rule: str) -> None:
    assert [str(violation) for violation in check_tree(PACKAGE) if violation.rule == rule] == []


def test_every_source_file_is_read() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} >= {"__init__.py", "errors.py", "limits.py"}


BROKEN = {
    "sibling": ("journal/a.py", "import rainer.zk\n", "ladder"),
    "upward": ("model/a.py", "from rainer.journal import feed\n", "ladder"),
    "upward, relative": ("model/a.py", "from ..journal import feed\n", "ladder"),
    "upward, one of several names": ("model/a.py", "from rainer import (\n    errors,\n    api,\n)\n", "ladder"),
    "upward, in a function": ("client/a.py", "def f():\n    from rainer.mirror import x\n", "ladder"),
    "upward, for types": (
        "model/a.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import rainer.cli\n",
        "ladder",
    ),
    "upward, by its name": ("model/a.py", "import importlib\nimportlib.import_module('rainer.api')\n", "ladder"),
    "the facade": ("service/a.py", "from rainer import Client\n", "ladder"),
    "settings for a low rung": ("journal/a.py", "from rainer.settings import Settings\n", "ladder"),
    "the database for who keeps no tables": ("publish/a.py", "import rainer.database.engine\n", "ladder"),
    "a package nobody placed": ("novelty/a.py", "x = 1\n", "ladder"),
    "sqlalchemy": ("api/a.py", "import sqlalchemy as sa\n", "libraries"),
    "kazoo": ("mirror/a.py", "from kazoo.client import KazooClient\n", "libraries"),
    "starlette": ("service/a.py", "from starlette.requests import Request\n", "libraries"),
    "a driver": ("journal/a.py", "import asyncpg\n", "libraries"),
    "a dialect": ("journal/a.py", "if name == 'postgresql':\n    pass\n", "dialects"),
    "a dialect and its driver": ("cli/a.py", "url = f'mysql+pymysql://{host}'\n", "dialects"),
    "os.environ": ("client/a.py", "import os\nx = os.environ['HOME']\n", "environment"),
    "getenv, imported": ("client/a.py", "from os import getenv\n", "environment"),
    "print": ("service/a.py", "print('hello')\n", "printing"),
    "click.echo": ("api/a.py", "import click\nclick.echo('hello')\n", "printing"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_break_is_found_with_its_file_and_line(case: str, tmp_path: Path) -> None:
    name, source, rule = BROKEN[case]
    package = _tree(tmp_path, {name: source})
    found = check_tree(package)
    assert [violation.rule for violation in found] == [rule]
    assert str(found[0]).startswith(f"rainer/{name}:{_guilty_line(source)}: ")


def _guilty_line(source: str) -> int:
    """The cases put their break last, except those that only open a block or a list after it."""
    lines = [line for line in source.splitlines() if line.strip() not in ("pass", ")")]
    if lines[-1].strip() == "api,":
        return 1
    return len(lines)


ALLOWED = {
    "journal/a.py": "import sqlalchemy\nfrom rainer import errors\nfrom ..model import Commit\nfrom . import b\n",
    "journal/b.py": "from rainer.database.engine import connect\n",
    "journal/dialects/postgresql.py": "import asyncpg\nNAME = 'postgresql'\n",
    "database/url.py": "DRIVERS = {'mysql': 'mysql+pymysql'}\n",
    "settings.py": "import os\nfrom rainer import errors\nx = os.environ\n",
    "service/a.py": "from rainer.settings import Settings\nimport rainer.journal\n",
    "api/a.py": "from starlette.requests import Request\nimport rainer.service.a\n",
    "cli/a.py": "import click\nfrom rainer import __version__\nimport rainer.settings\nclick.echo('x')\nprint('x')\n",
    "zk/a.py": "import kazoo\n",
    "__init__.py": "from rainer.client import Client\nfrom rainer.journal import Journal\n",
    "testing.py": "from rainer.mirror import Mirror\n",
    "client/a.py": '"""Talks to what runs on postgresql, and print() is no call here."""\nimport os\nos.getpid()\n',
}


def test_what_the_ladder_allows_is_not_found(tmp_path: Path) -> None:
    assert check_tree(_tree(tmp_path, ALLOWED)) == []


def test_a_violation_reads_as_a_sentence(tmp_path: Path) -> None:
    found = check_tree(_tree(tmp_path, {"model/a.py": "import rainer.api\n"}))
    assert found == [Violation("rainer/model/a.py", 1, "ladder", "model may not import api, which stands above it")]


def _tree(folder: Path, files: dict[str, str]) -> Path:
    package = folder / "rainer"
    for name, source in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, "utf-8")
    return package
