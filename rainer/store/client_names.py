"""Names of files in a file store, `/folder/file` or `/folder/file@version`; a version is whole seconds since 1970."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from rainer.errors import InvalidError
from rainer.limits import ASSET_PATH_BYTES_MAX

VERSION_MAX: Final = 253_402_300_799
"""The last second of the year 9999: beyond it no date of HTTP's form exists."""

_COMPONENT_BYTES_MAX: Final = 255
_VERSION: Final = re.compile(r"\d{1,12}", re.ASCII)
_HINT: Final = "a name is such as /folder/file, and with its version /folder/file@1700000000"


@dataclass(frozen=True, slots=True)
class FileName:
    """A name taken apart: the path with its leading slash, and the version if one was given."""

    path: str
    version: int | None = None

    def __str__(self) -> str:
        return self.path if self.version is None else f"{self.path}@{self.version}"

    @classmethod
    def parse(cls, text: str) -> FileName:
        """Read `/path` or `/path@version`; InvalidError for anything that filetracker 2.3.3 refuses, and some more.

        filetracker takes empty components and `.`, which name the same file twice, control characters and paths of
        any length; we take none of them.
        """
        if not isinstance(text, str):
            raise InvalidError(f"a file's name must be text, not {type(text).__name__}", hint=_HINT)
        path, at, version = text.partition("@")
        if "@" in version or "/" in version:
            raise InvalidError(f"name {text!r}: an @ may only stand before the version at its end", hint=_HINT)
        return cls(check_path(path), check_version(version, text) if at else None)


def check_version(version: str | int, name: str) -> int:
    """The version as a number; InvalidError says whose it is."""
    text = str(version)
    if isinstance(version, bool) or not _VERSION.fullmatch(text) or int(text) > VERSION_MAX:
        raise InvalidError(f"name {name!r}: version {text!r} is not a number of whole seconds since 1970", hint=_HINT)
    return int(text)


def check_path(path: str) -> str:
    """The path of a file as it is, if it can be one: absolute, with no `..`, `.` or empty component, no control
    character, no `@`, at most 1,024 bytes and 255 a component."""
    if not path.startswith("/"):
        raise InvalidError(f"name {path!r} does not begin with /", hint=_HINT)
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in path):
        raise InvalidError(f"name {path!r} holds a control character or half of a pair", hint=_HINT)
    if "@" in path:
        raise InvalidError(f"name {path!r}: an @ may only stand before the version at its end", hint=_HINT)
    if len(path.encode()) > ASSET_PATH_BYTES_MAX:
        raise InvalidError(f"name {path[:80]!r}… is longer than {ASSET_PATH_BYTES_MAX} bytes", hint=_HINT)
    for component in path[1:].split("/"):
        if component in ("", ".", ".."):
            raise InvalidError(f"name {path!r} holds the component {component!r}", hint=_HINT)
        if len(component.encode()) > _COMPONENT_BYTES_MAX:
            raise InvalidError(
                f"name {path!r}: {component[:40]!r}… is longer than {_COMPONENT_BYTES_MAX} bytes", hint=_HINT
            )
    return path


def check_prefix(prefix: str) -> str:
    """A folder's path without slashes around it, empty for the root."""
    return check_path("/" + prefix.strip("/"))[1:] if prefix.strip("/") else ""
