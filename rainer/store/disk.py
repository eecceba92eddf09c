"""Writing to a disk that may be full."""

from __future__ import annotations

import errno
import os
from typing import Final

from rainer.errors import NoSpace

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def write_at(fd: int, portion: memoryview | bytes, at: int) -> None:
    """Write all of a portion at an offset. Raises NoSpace where the disk, a quota or a limit of the system is full."""
    try:
        written = os.pwrite(fd, portion, at)
        while written < len(portion):
            written += os.pwrite(fd, portion[written:], at + written)
    except OSError as e:
        raise translated(e) from e


def translated(error: OSError) -> OSError | NoSpace:
    """NoSpace for an error of the system that says so, else the error itself."""
    if error.errno not in _FULL:
        return error
    return NoSpace(f"the disk has no room for the file: {os.strerror(error.errno)}", hint="make room, and try again")
