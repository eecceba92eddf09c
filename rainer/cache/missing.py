"""The list of what was wanted and could not be had: the ancestor's YAML, to be fetched where there is network.

One `- URL` a line, added by single appends under the file's own lock, so that no process takes another's line away.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rainer.cache import forks, locking
from rainer.cache.failures import log
from rainer.store.store import shown

NAME: Final = "missing_assets.yaml"
_WAIT_S: Final = 5.0
_BLOCK_LINE: Final = re.compile(r"(- .*|#.*|---.*|\s*)")
_BYTES_MAX: Final = 64 * 1024 * 1024


class MissingList:
    """The list at `path`, for any number of threads and processes.

    `opened` opens its file with the given flags, and makes it, where it is in a folder with permissions of its own.
    """

    def __init__(self, path: Path, opened: Callable[[str, int], int] | None = None) -> None:
        self.path: Final = path
        self._opened: Final = opened or _opened
        self._known: tuple[tuple[int, int, int], frozenset[str]] | None = None

    def add(self, uri: str) -> bool:
        """Put a URI on the list if it is not there; false if it could not be, which is logged."""
        import yaml  # a twentieth of the time in which a process that fetches begins; few miss anything

        try:
            self._add(uri)
        except (OSError, ValueError, yaml.YAMLError) as e:
            log().warning("%s cannot be put on the list %s: %s", shown(uri), self.path, e)
            return False
        return True

    def read(self) -> list[str]:
        """What is on the list; empty if there is none. Raises OSError, ValueError."""
        try:
            return _parse(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return []

    def _add(self, uri: str) -> None:
        number = self._opened(str(self.path), os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            locking.lock(number, exclusive=True, wait_s=_WAIT_S)
            if uri not in self._listed(number):
                self._append(number, uri)
        finally:
            forks.close_file(number)

    def _listed(self, number: int) -> frozenset[str]:
        found = os.fstat(number)
        mark = found.st_ino, found.st_size, found.st_mtime_ns
        if self._known is None or self._known[0] != mark:
            self._known = mark, frozenset(_parse(_text(number)))
        return self._known[1]

    def _append(self, number: int, uri: str) -> None:
        import yaml

        text = _text(number)
        line = yaml.safe_dump([uri], width=1 << 20, allow_unicode=True)
        if all(_BLOCK_LINE.fullmatch(old) for old in text.split("\n")):
            os.write(number, ("" if text.endswith("\n") or not text else "\n").encode() + line.encode())
        else:  # written by hand, in another form of YAML
            data = yaml.safe_dump([*_parse(text), uri], width=1 << 20, allow_unicode=True).encode()
            os.ftruncate(number, 0)
            os.write(number, data)


def _opened(path: str, flags: int) -> int:
    try:
        return forks.open_file(path, flags, 0o666)
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return forks.open_file(path, flags, 0o666)


def _text(number: int) -> str:
    return os.pread(number, _BYTES_MAX, 0).decode("utf-8")


def _parse(text: str) -> list[str]:
    import yaml

    loaded = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    if loaded is None:
        return []
    if not isinstance(loaded, list):
        raise ValueError("it is no list")
    return [str(item) for item in loaded]
