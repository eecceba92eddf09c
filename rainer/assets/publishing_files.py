"""Local files on their way into a store: looked at once, and held to what they were then."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rainer.errors import InvalidError
from rainer.model.names import shorten

_PORTION_BYTES: Final = 1024 * 1024
_READ_HINT: Final = "name a file that exists and that you may read"


@dataclass(frozen=True, slots=True)
class Source:
    """A file to publish: its SHA-256 (lower-case hex) and size in bytes, and what told the system of it then."""

    file: Path
    sha256: str
    size: int
    seen: tuple[int, int, int, int]

    def check_unchanged(self) -> None:
        """Raise InvalidError if the file is another one by now, or was written to."""
        try:
            now = _seen(self.file.stat())
        except OSError as error:
            raise _unreadable(self.file, error) from error
        if now != self.seen:
            raise _changed(self.file)


def read_source(file: str | os.PathLike[str]) -> Source:
    """Hash a file. Raises InvalidError for what is no plain file, cannot be read, or changes meanwhile.

    An empty file is a file. A link is followed. What is changed in place without a trace in size and times is noticed
    by the upload, which is held to the digest.
    """
    path = Path(os.path.abspath(os.fspath(file)))  # noqa: PTH100 - resolve() would lose the name of a link
    try:
        _check_plain(path, path.stat())  # before it is opened: to open a pipe is to wait for its writer
        with path.open("rb", buffering=0) as opened:
            before = os.fstat(opened.fileno())
            _check_plain(path, before)
            digest, size = hashlib.sha256(), 0
            buffer = memoryview(bytearray(_PORTION_BYTES))
            # No further than its size was: a file that grows faster than it is read would never end.
            while size <= before.st_size and (got := opened.readinto(buffer)):
                digest.update(buffer[:got])
                size += got
            after = os.fstat(opened.fileno())
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if _seen(before) != _seen(after) or size != after.st_size:
        raise _changed(path)
    return Source(path, digest.hexdigest(), size, _seen(after))


def files_below(folder: str | os.PathLike[str], under: str = "/") -> dict[str, Path]:
    """All files in a folder and its folders, by the asset paths they would get below `under`; for the many-calls.

    Links to files count as files. Raises InvalidError for what is no folder or cannot be read, for links to folders
    (they may lead in circles), and for what is neither file nor folder: nothing is left out in silence.
    """
    top = Path(folder)
    if not top.is_dir():
        raise InvalidError(f"{shorten(str(top), 300)} is not a folder", hint="name a folder, or publish a single file")
    begin = under.rstrip("/")
    return {f"{begin}/{file.relative_to(top).as_posix()}": file for file in sorted(_walk(top))}


def _walk(folder: Path) -> Iterator[Path]:
    try:
        found = list(folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error) from error
    for member in found:
        if member.is_dir() and not member.is_symlink():
            yield from _walk(member)
        elif member.is_file():
            yield member
        else:
            what = "a link to a folder" if member.is_dir() else "neither a file nor a folder"
            raise InvalidError(f"{shorten(str(member), 300)} is {what}", hint="remove it, or publish file by file")


def _check_plain(path: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise InvalidError(
            f"{shorten(str(path), 300)} is a folder, and an asset is one file",
            hint="publish a folder's files with the calls for many (files_below), or pack it into one file",
        )
    if not stat.S_ISREG(found.st_mode):
        raise InvalidError(f"{shorten(str(path), 300)} is not a plain file", hint="write its contents to a file first")


def _seen(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _changed(path: Path) -> InvalidError:
    return InvalidError(
        f"{shorten(str(path), 300)} changed while it was published; nothing of it was committed",
        hint="wait until its writer is done, then publish it again",
    )


def _unreadable(path: Path, error: Exception) -> InvalidError:
    reason = getattr(error, "strerror", None) or str(error)
    return InvalidError(f"{shorten(str(path), 300)} cannot be read: {reason}", hint=_READ_HINT)
