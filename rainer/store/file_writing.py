"""How a file gets into a folder whole: a temporary beside it, synced, then moved; and what dead writers left."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rainer.store.file_paths import TEMPORARY, is_temporary
from rainer.store.reading import BUFFER_BYTES, opened, tell
from rainer.store.store import Progress

_LEFTOVER_S = 86_400.0
_ROUNDS = 100


@contextmanager
def temporary_beside(target: Path) -> Iterator[Path]:
    """A new, empty file in the target's folder, which is made; removed if it is still there at the end."""
    path = _make_temporary(target.parent)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)  # unless it was moved into place


def _make_temporary(folder: Path) -> Path:
    for left in reversed(range(_ROUNDS)):
        _make_folders(folder)
        path = folder / f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(8)}"
        try:
            path.touch(exist_ok=False)
            return path
        except FileNotFoundError:
            # Somebody's delete has removed the folder, which was empty; once our file is in it, nobody can.
            if not left:
                raise
    raise AssertionError("unreachable")


def _make_folders(folder: Path) -> None:
    if folder.is_dir():
        return
    if folder.parent != folder:
        _make_folders(folder.parent)
    with suppress(FileExistsError, FileNotFoundError):  # another made it, or removed the one above: the caller sees
        folder.mkdir()
        sync_folder(folder.parent)


def copy_in(source: Path | bytes, target: Path, progress: Progress | None) -> str:
    """Write all of a source into a file, sync it, and return its SHA-256."""
    digest = hashlib.sha256()
    with opened(source) as file, target.open("wb", buffering=0) as out:
        while data := file.read(BUFFER_BYTES):
            digest.update(data)
            rest = memoryview(data)
            while rest:
                rest = rest[out.write(rest) or 0 :]
            tell(progress, len(data))
        os.fsync(out.fileno())
    return digest.hexdigest()


def move_new(temporary: Path, target: Path) -> None:
    """Move a file to a name that nobody has; FileExistsError for all but one of those who try at once."""
    if os.name == "nt":
        temporary.rename(target)  # there it never replaces
        return
    try:
        target.hardlink_to(temporary)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        # No hard links here: an empty file of that name decides who wins.
        target.touch(exist_ok=False)
        temporary.replace(target)


def sync_folder(folder: Path) -> None:
    """Make names in a folder outlast a crash of the machine."""
    with suppress(OSError):  # not every system can open a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove what writers of a day ago and before left in a folder."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if is_temporary(entry.name):
                sweep_one(Path(entry.path))


def sweep_one(path: Path) -> None:
    """Remove one temporary file if nobody has written to it for a day."""
    with suppress(OSError):
        if time.time() - path.lstat().st_mtime > _LEFTOVER_S:
            path.unlink()
