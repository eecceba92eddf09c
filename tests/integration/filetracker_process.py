"""filetracker's own client as its users run it: its own process, and nothing of ours imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Done:
    """How a run of filetracker ended."""

    code: int
    out: str
    err: str


# One expression after the other, each with clients of its own; the library prints to stdout, the answers go past it.
_ANSWERER = """
import json, os, sys
from filetracker.client import Client, FiletrackerError
answers, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    ask = json.loads(line)
    os.chdir(ask["scratch"])
    client = Client(remote_url=ask["url"], cache_dir="cache")
    remote = Client(remote_url=ask["url"], local_store=None)
    try:
        told = {"value": eval(ask["code"])}
    except FiletrackerError as e:
        told = {"refusal": str(e)}
    except Exception as e:
        told = {"failure": repr(e)}
    print(json.dumps(told), file=answers, flush=True)
"""


class Answerer:
    """A process of filetracker's that evaluates expressions; for as long as `with` lasts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Answerer:
        self._process = _start(self.folder, self.folder, ["-c", _ANSWERER], stdin=subprocess.PIPE)
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.communicate(timeout=30)

    def ask(self, code: str, url: str, scratch: Path) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"code": code, "url": url, "scratch": str(scratch)}) + "\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


@dataclass
class Filetracker:
    """Runs filetracker 2.3.3 against the store at `url`; its cache and its files are in `scratch`."""

    answerer: Answerer
    url: str
    scratch: Path

    def start(self, code: str) -> subprocess.Popen[str]:
        """Begin a program with a `client` of the store, and `remote`, which keeps no copies."""
        head = (
            "import json, os, sys\nfrom filetracker.client import Client, FiletrackerError\n"
            f"client = Client(remote_url={self.url!r}, cache_dir={str(self.scratch / 'cache')!r})\n"
            f"remote = Client(remote_url={self.url!r}, local_store=None)\n"
        )
        return _start(self.answerer.folder, self.scratch, ["-c", head + textwrap.dedent(code)])

    def python(self, code: str) -> Done:
        """Run such a program to its end."""
        return end(self.start(code))

    def answer(self, code: str) -> Any:
        """What an expression gives, by way of JSON."""
        told = self.answerer.ask(code, self.url, self.scratch)
        assert "value" in told, told
        return told["value"]

    def refusal(self, code: str) -> str:
        """The message of the FiletrackerError that an expression raises."""
        told = self.answerer.ask(code, self.url, self.scratch)
        assert "refusal" in told, told
        return str(told["refusal"])

    def shell(self, *words: str) -> Done:
        """Run its command line, without a cache where the words name none."""
        settings = ["-r", self.url, "-c", str(self.scratch / "shell-cache")]
        return end(_start(self.answerer.folder, self.scratch, ["-m", "filetracker.client.shell", *settings, *words]))


def _start(folder: Path, scratch: Path, words: list[str], stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RAINER_", "FILETRACKER_", "PYTHON", "COV"))
    }
    return subprocess.Popen(
        [sys.executable, *words],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if stdin == subprocess.DEVNULL else subprocess.DEVNULL,
        encoding="utf-8",
        cwd=scratch,
        env=kept | {"PYTHONPATH": str(folder), "PYTHONUTF8": "1", "HOME": str(scratch)},
    )


def end(process: subprocess.Popen[str]) -> Done:
    """Wait for a program that was started."""
    try:
        out, err = process.communicate(timeout=120)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return Done(process.returncode, out, err)
