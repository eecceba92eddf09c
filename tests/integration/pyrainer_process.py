"""pyrainer as its users run it: its own process, its own imports, nothing of ours on its path."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Done:
    """How a run of pyrainer ended."""

    code: int
    out: str
    err: str


@dataclass
class Pyrainer:
    """Runs pyrainer against one namespace of a server."""

    folder: Path
    url: str
    scratch: Path

    def python(self, code: str) -> Done:
        """Run a program that imports pyrainer; `client` is a RainerClient of the namespace."""
        head = f"import json\nfrom pyrainer.http import RainerClient\nclient = RainerClient({self.url!r})\n"
        return self._run(["-c", head + textwrap.dedent(code)])

    def answer(self, code: str) -> Any:
        """What an expression over `client` gives, by way of JSON."""
        done = self.python(f"print(json.dumps({code}))")
        assert done.code == 0, done
        return json.loads(done.out)

    def command(self, *words: str, stdin: str = "", editor: str | None = None) -> Done:
        """Run pyrainer's command line; `editor` is a program that $EDITOR runs on the text of the file `path`."""
        environment = {"TMPDIR": str(self.scratch)}
        if editor is not None:
            script = self.scratch / "editor.py"
            script.write_text(
                "import sys, pathlib\npath = pathlib.Path(sys.argv[1])\ntext = path.read_text()\n" + editor
            )
            environment["EDITOR"] = f"{sys.executable} {script}"
        return self._run(["-m", "pyrainer.rainer", "--url", self.url, *words], stdin, environment)

    def _run(self, words: list[str], stdin: str = "", environment: dict[str, str] | None = None) -> Done:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAINER_", "PYTHON", "COV"))}
        done = subprocess.run(
            [sys.executable, *words],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
            cwd=self.scratch,
            env=kept | {"PYTHONPATH": str(self.folder), "PYTHONUTF8": "1", "NO_COLOR": "1"} | (environment or {}),
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def saved_work(self, done: Done) -> str:
        """The text of the file in which pyrainer says that it saved the work."""
        found = re.search(r"Your work is saved in: (\S+)", done.out)
        assert found, done
        return Path(found[1]).read_text("utf-8")
