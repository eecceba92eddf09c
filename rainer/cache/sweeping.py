"""Removing what is nobody's: temporary files of the dead, and refs whose file is gone."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Final

from rainer.cache import forks, locking
from rainer.cache.gate import Gate
from rainer.cache.layout import Layout
from rainer.cache.refs import Refs, read

_UNLOCKED_S: Final = 3600.0
"""Where nothing can be locked, a temporary file is nobody's when it has not grown for so long."""
_BATCH: Final = 200


def sweep_temporaries(layout: Layout, gate: Gate, *, dry_run: bool = False) -> tuple[int, int]:
    """Remove the temporary files whose writers are dead; how many, and their bytes. Raises OSError.

    With the gate held alone, for small ones are made under it and never locked.
    """
    if not layout.entries(layout.tmp):
        return 0, 0
    files = size = 0
    with gate.exclusive() as held:
        if not held.is_alone:
            return 0, 0
        works = layout.locks_work()
        for entry in layout.entries(layout.tmp):
            with contextlib.suppress(FileNotFoundError):
                found = entry.stat(follow_symlinks=False)
                if _swept(entry.path, found.st_mtime, works, dry_run):
                    files, size = files + 1, size + found.st_size
    return files, size


def _swept(path: str, mtime: float, locks_work: bool, dry_run: bool) -> bool:
    """Whether a file is nobody's, and gone. It is kept locked until it is: its maker may just be about to lock it, and
    then sees what became of it."""
    if not locks_work:
        if abs(time.time() - mtime) <= _UNLOCKED_S:
            return False
        if not dry_run:
            os.unlink(path)  # noqa: PTH108
        return True
    number = forks.open_file(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        is_orphan = locking.is_unlocked(number)
        if is_orphan and not dry_run:
            os.unlink(path)  # noqa: PTH108
        return is_orphan
    finally:
        forks.close_file(number)


def sweep_empty(layout: Layout, gate: Gate) -> None:
    """Remove the folders that hold no file, which who died in the middle left behind. Raises OSError."""
    empty = [folder.path for folder in layout.blob_folders() if not layout.entries(folder.path)]
    for start in range(0, len(empty), _BATCH):
        with gate.exclusive():
            for path in empty[start : start + _BATCH]:
                with contextlib.suppress(OSError):  # it is not empty any more
                    os.rmdir(path)  # noqa: PTH106


def sweep_refs(layout: Layout, gate: Gate, refs: Refs) -> int:
    """Remove the refs whose file was evicted, for nothing is left to compare with; how many. Raises OSError."""
    lost = [ref for ref in refs.all() if not os.path.isdir(layout.blob_folder(ref.sha256))]  # noqa: PTH112
    removed = 0
    for start in range(0, len(lost), _BATCH):
        with gate.exclusive():
            for ref in lost[start : start + _BATCH]:
                now = read(refs.path(ref.uri))  # it may have come again meanwhile
                if now is not None and not os.path.isdir(layout.blob_folder(now.sha256)):  # noqa: PTH112
                    removed += refs.remove(ref.uri)
    return removed
