"""A file of the cache out into the open: as a reflink where that can be, else a copy, on request a hard link."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Final, Literal, TypeAlias

from rainer.errors import InvalidError

How: TypeAlias = Literal["auto", "copy", "hardlink"]
_FICLONE: Final = 0x40049409
_PORTION: Final = 1 << 22


def materialize(source: str | os.PathLike[str], target: str | os.PathLike[str], how: How = "auto") -> str:
    """Put a writable file with the contents of `source` at `target`, whole or not at all, and say how: "reflink",
    "copy" or "hardlink".

    "auto" shares the blocks where the file system can (btrfs, XFS, APFS through a copy) and copies elsewhere; "copy"
    always copies. A hard link is made only when asked for, for it is the cache's own file: it stays read-only, and
    who writes to it all the same damages the cache. What is at `target` is replaced; its folder must be there.
    Raises OSError, InvalidError for another `how`.
    """
    if how not in ("auto", "copy", "hardlink"):
        raise InvalidError(f"{how!r} is no way to bring out a file", hint="say auto, copy or hardlink")
    goal = Path(target)
    temporary = goal.with_name(f".{goal.name[:200]}.{os.urandom(4).hex()}.new")
    try:
        if how == "hardlink":
            os.link(source, temporary)
            used = "hardlink"
        else:
            used = _write(source, temporary, may_share=how == "auto")
        temporary.replace(goal)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if how == "hardlink":
        with contextlib.suppress(OSError):  # of two names of one file, rename leaves both where they are
            temporary.unlink()
    return used


def _write(source: str | os.PathLike[str], path: Path, *, may_share: bool) -> str:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        return copy_bytes(os.fspath(source), number, may_share=may_share)
    finally:
        os.close(number)


def copy_bytes(source: str, number: int, *, may_share: bool = True) -> str:
    """Fill an empty open file with another's bytes: "reflink" or "copy"."""
    with open(source, "rb", buffering=0) as file:  # noqa: PTH123
        if may_share and shares(file.fileno(), number):
            return "reflink"
        if may_share and _copies_inside(file.fileno(), number):
            return "copy"
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        os.lseek(number, 0, os.SEEK_SET)
        while data := file.read(_PORTION):
            left = memoryview(data)
            while left:
                left = left[os.write(number, left) :]
    return "copy"


def shares(source: int, target: int) -> bool:
    """Have an empty open file share the blocks of another; false where the file system cannot."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True


def _copies_inside(source: int, target: int) -> bool:
    """Let the kernel copy; false where it cannot, and then from the beginning by hand."""
    copy = getattr(os, "copy_file_range", None)
    if copy is None:
        return False
    left = os.fstat(source).st_size
    try:
        while left:
            done = copy(source, target, left)
            if not done:
                break
            left -= done
    except OSError:
        return False
    return not left
