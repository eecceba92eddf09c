"""A Journal in a process of its own, for which file permissions hold even as root, asked line by line."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_TOP = Path(__file__).resolve().parents[2]


_PR_CAPBSET_DROP = 24
_CAPABILITIES = (1, 2)  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: why permissions mean nothing to root


def bind(file_bytes_max: int | None = None) -> None:
    """In a new process before its program: have it respect permissions, and perhaps a limit to the size of files."""
    if os.geteuid() == 0:
        for capability in _CAPABILITIES:
            ctypes.CDLL(None, use_errno=True).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    if file_bytes_max is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes_max, resource.RLIM_INFINITY))


class JournalProcess:
    """Calls return what the journal returned (a commit as its key, version and revision), or the error as a dict."""

    def __init__(self, url: str, *, file_bytes_max: int | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.journal_process", url],
            cwd=_TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: bind(file_bytes_max),
        )  # fmt: skip
        self.opened = self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate()
        if kind is None:
            assert self._process.returncode == 0

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process has ended"
        return json.loads(line)

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method; payloads are texts here."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([method, arguments, options]) + "\n")
        self._process.stdin.flush()
        return self._read()

    def append(self, key: str, version: int, payload: str = "x") -> Any:
        return self.call("append", key, payload, version=version, author="me")

    def get(self, key: str) -> Any:
        return self.call("get", key)


def main() -> None:
    """Open the journal named on the command line and do as the lines of stdin say."""
    from rainer.errors import RainerError
    from rainer.journal import Journal

    def answer(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except RainerError as e:
            return {"error": e.as_dict()}

    journal: Any = answer(lambda: Journal(sys.argv[1]))
    if isinstance(journal, dict):
        print(json.dumps(journal), flush=True)
        return
    print(json.dumps("opened"), flush=True)
    with journal:
        for line in sys.stdin:
            method, arguments, options = json.loads(line)
            if method == "append":
                arguments[1] = arguments[1].encode()
            call = getattr(journal, method)
            found = answer(lambda call=call, a=arguments, o=options: _plain(call(*a, **o)))  # type: ignore[misc]
            print(json.dumps(found), flush=True)


def _plain(found: Any) -> Any:
    if hasattr(found, "problems"):
        return found.problems
    return [found.key, found.version, found.revision] if hasattr(found, "version") else str(found)


if __name__ == "__main__":
    main()
