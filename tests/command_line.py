"""`rainer`, run inside the test's process: the same entry as the real one, with streams that the test holds."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from rainer.cli.invocation import Invocation
from rainer.cli.main import run


@dataclass(frozen=True)
class Result:
    """How a run ended, and what it wrote; `out` is bytes, for payloads are."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The last line of stderr, as the JSON that --json promises of an error."""
        return json.loads(self.err.splitlines()[-1])


class CommandLine:
    """Runs commands with a clean environment, in a folder and with state of their own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, url: str = "") -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.client_factory: Callable[..., Any] | None = None
        for name, value in clean_environment(folder, url).items():
            monkeypatch.setenv(name, value)
        for name in ("VISUAL", "EDITOR", "PAGER"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.chdir(folder)

    def __call__(self, *arguments: str, stdin: bytes = b"", editor: str | None = None) -> Result:
        if editor is not None:
            self.monkeypatch.setenv("VISUAL", editor)
        invocation = Invocation() if self.client_factory is None else Invocation(self.client_factory)
        with _streams(stdin) as (out, err):
            code = run(arguments, invocation)
        return Result(code, out.getvalue(), err.getvalue().decode())

    def ok(self, *arguments: str, stdin: bytes = b"", editor: str | None = None) -> Result:
        """Run, and demand exit code 0."""
        result = self(*arguments, stdin=stdin, editor=editor)
        assert result.code == 0, result
        return result

    @property
    def work_files(self) -> list[Path]:
        """What edits have left behind."""
        return sorted(path for path in (self.folder / "state" / "edit").glob("*/*") if path.is_file())


def clean_environment(folder: Path, url: str = "") -> dict[str, str]:
    """What a run needs to see nothing of the developer's own settings."""
    return {
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "RAINER_STATE_DIR": str(folder / "state"),
        "RAINER_AUTHOR": "ann@example.com",
        "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
    } | ({"RAINER_URL": url} if url else {})


def editor_script(folder: Path, body: str, name: str = "editor.py") -> str:
    """An editor that is Python: `body` sees the file as `path` and its content as `text` (bytes); returns the command.

    What the body leaves in `text` is written back. `turn` counts the editor's runs, from 1.
    """
    script, turns = folder / name, folder / f"{name}.turns"
    indented = "\n".join("    " + line for line in body.strip().splitlines())
    script.write_text(
        "import os, pathlib, signal, sys\n"
        f"turns = pathlib.Path({str(turns)!r})\n"
        "turn = int(turns.read_text()) + 1 if turns.exists() else 1\n"
        "turns.write_text(str(turn))\n"
        "path = pathlib.Path(sys.argv[-1])\n"
        "def edit(text):\n"
        f"{indented}\n"
        "    return text\n"
        "path.write_bytes(edit(path.read_bytes()))\n"
    )
    return f"{sys.executable} {script}"


@contextmanager
def _streams(stdin: bytes) -> Any:
    out, err = io.BytesIO(), io.BytesIO()
    streams = {
        "stdin": io.TextIOWrapper(io.BytesIO(stdin), "utf-8"),
        "stdout": io.TextIOWrapper(out, "utf-8", errors="backslashreplace", write_through=True),
        "stderr": io.TextIOWrapper(err, "utf-8", errors="backslashreplace", write_through=True),
    }
    with mock.patch.multiple(sys, **streams):
        yield out, err
    for stream in streams.values():
        stream.detach()
