"""What a stranger does first: clone, `make run`, and type what it prints; then `make test`."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import sysconfig
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

from tests.services.process_service import ProcessService, ServiceError
from tests.services.required import required_services

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("make_run")]

TOP = Path(__file__).resolve().parents[2]

# What `make test` and pytest hand down to us, and a stranger's shell does not have.
_HANDED_DOWN = re.compile(r"RAINER_|PYTEST_|PYTHON|MAKE|MFLAGS|VIRTUAL_ENV$|ARGS$|WORKERS$|TIMES$")
_NO_INDEX = re.compile(r"after connection broken by '?(\w+)")


def _environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not _HANDED_DOWN.match(name)} | more


def _cannot(reason: str) -> NoReturn:
    """Skip, or fail where the run must be whole."""
    if required_services():
        pytest.fail(f"RAINER_TEST_REQUIRE allows no skip: {reason}", pytrace=False)
    pytest.skip(reason)


class MadeServer(ProcessService):
    """`make run` in a clone. Its end is asked of the server below make, which hands the exit code on."""

    name = "make run"
    start_timeout_s = 900.0  # the first one installs

    def __init__(self, clone: Path, data: Path) -> None:
        super().__init__(environment=_environment())
        self.clone = clone
        self.data = data

    @classmethod
    def available(cls) -> str | None:
        return None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/diary"

    @property
    def server(self) -> psutil.Process:
        """The process that serves; make waits for it."""
        (child,) = psutil.Process(self.pid).children()
        return child

    def end(self, number: signal.Signals) -> int:
        """Send the server a signal; make's exit code."""
        assert self._process is not None
        self.server.send_signal(number)
        code = self._process.wait(self.stop_timeout_s)
        self._forget()
        return code

    def _prepare(self) -> None:
        pass

    def _command(self) -> Sequence[str]:
        settings = f"RAINER_PORT={self.port}", f"RAINER_DATA_DIR={self.data}"
        return [
            "env",
            *settings,
            "make",
            "-C",
            str(self.clone),
            "--no-print-directory",
            f"PYTHON={sys.executable}",
            "run",
        ]

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/healthz", timeout=2).close()
            return True
        return False


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is committed, and nothing else that lies in our checkout."""
    if not (TOP / ".git").exists():
        _cannot("this is no git checkout, there is nothing to clone")
    folder = tmp_path_factory.mktemp("clone") / "rainer"
    subprocess.run(["git", "clone", "--quiet", str(TOP), str(folder)], env=_environment(), check=True)
    return folder


@pytest.fixture(scope="module")
def made(clone: Path) -> Iterator[MadeServer]:
    server = MadeServer(clone, clone.parent / "data")
    try:
        server.start()
    except ServiceError as error:
        server.close()
        found = _NO_INDEX.search(str(error))
        if found:
            _cannot(f"pip reaches no package index here: {found[1]}")
        raise
    yield server
    if server.running:
        server.kill()
    server.close()


def _make(clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-C", str(clone), "--no-print-directory", *words],
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def test_make_lists_its_targets(clone: Path) -> None:
    done = _make(clone, "help")
    assert (done.returncode, done.stderr) == (0, "")
    names = set(re.findall(r"^  make (\S+) +\S", done.stdout, re.MULTILINE))
    pages = "".join((clone / page).read_text("utf-8") for page in ("README.md", "CONTRIBUTING.md"))
    promised = set(re.findall(r"^(?:\| `)?make ([a-z]+)", pages, re.MULTILINE))
    assert {"run", "test", "bench"} <= promised <= names
    assert _make(clone).stdout == done.stdout


def _printed_commands(made: MadeServer) -> list[str]:
    lines = made.output.splitlines()
    return [line.strip() for line in lines[lines.index("Next, in another terminal:") + 1 :]]


def test_it_prints_where_it_serves_and_what_to_do_next(made: MadeServer) -> None:
    lines = made.output.splitlines()
    assert f"Rainer serves {made.url}" in lines
    flag = f"--url {made.url}"
    assert _printed_commands(made) == [
        f"rainer {flag} {words}" for words in ("edit hello.json", "log hello.json", "list")
    ]
    assert made.server.cmdline()[-1] == "serve"


def test_what_it_prints_works(made: MadeServer, tmp_path: Path) -> None:
    """Typed into a second terminal in the clone, as README.md says, with an editor that is a copy of a file."""
    (tmp_path / "work.json").write_text('{"hello": "world"}\n')
    environment = _environment(HOME=str(tmp_path), EDITOR=f"cp {tmp_path / 'work.json'}", RAINER_AUTHOR="a stranger")

    def type_in(command: str, keys: str = "") -> str:
        script = f'export PATH="$PWD/.venv/bin:$PATH"\n{command}'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=made.clone,
            env=environment,
            input=keys,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout

    edit, log, show_all = _printed_commands(made)
    type_in(edit, "To say hello\ny\n")
    assert type_in(f"rainer --url {made.url} show hello.json") == '{"hello": "world"}\n'
    told = type_in(log)
    assert "Author: a stranger" in told
    assert "    To say hello" in told
    assert '+{"hello": "world"}' in told
    assert type_in(show_all).split("\t")[::3] == ["hello.json", "a stranger"]
    assert type_in(f"RAINER_DATA_DIR={made.data} rainer verify").count(":1:") == 1
    assert (made.data / "journal.db").is_file()


def test_it_ends_with_0_when_it_is_asked_to(made: MadeServer, tmp_path: Path) -> None:
    """A second one, which has nothing left to install."""
    with MadeServer(made.clone, tmp_path / "data") as other:
        assert "Installing" not in other.output
        assert other.end(signal.SIGTERM) == 0
        assert "Traceback" not in other.output
        assert "Error" not in other.output


@pytest.mark.skipif("MAKELEVEL" in os.environ, reason="`make test` is just what runs these tests")
def test_make_test_runs_tests_in_the_clone(made: MadeServer) -> None:
    """A few of them: all would run this one, too.

    What it needs beside the server's libraries it finds where this run has them: to unpack it all again takes minutes.
    """
    (folder,) = (made.clone / ".venv" / "lib").glob("python*/site-packages")
    (folder / "this_run.pth").write_text(f"{sysconfig.get_path('purelib')}\n", "utf-8")
    done = _make(made.clone, f"PYTHON={sys.executable}", "test", "ARGS=tests/unit/test_model_commit.py", "WORKERS=0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^[=]+ \d+ passed", done.stdout, re.MULTILINE), done.stdout
