"""A file put where its user wants it: whole or not at all, with its version as mtime."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import IO

from rainer.store.client_files import FileEntry, LocalFiles, read_chunks
from rainer.store.local_files import out_of_space
from rainer.store.store import Progress


def place(entry: FileEntry, stream: IO[bytes], target: Path, progress: Progress | None = None) -> None:
    """Write a stream to a path, whose folder is made if need be; what is no regular file is written into."""
    target = _real(target)
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            _copy(stream, file, progress)
        return
    temporary = _beside(target)
    try:
        with out_of_space(target), temporary.open("xb") as file:
            _copy(stream, file, progress)
        os.utime(temporary, (entry.version, entry.version))
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def place_link(local: LocalFiles, entry: FileEntry, target: Path) -> bool:
    """Make a hard link to a local copy at a path; false where that is not possible."""
    target = _real(target)
    if target.exists() and not target.is_file():
        return False
    temporary = _beside(target)
    try:
        if not local.link(entry.path, temporary):
            return False
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)  # where both were the same file, replacing one by the other does nothing
    return True


def _real(target: Path) -> Path:
    return target.resolve() if target.is_symlink() else target


def _beside(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f".{target.name[:200]}.{secrets.token_hex(6)}.part")


def _copy(stream: IO[bytes], file: IO[bytes], progress: Progress | None) -> None:
    for chunk in read_chunks(stream):
        file.write(chunk)
        if progress is not None:
            progress(len(chunk))
