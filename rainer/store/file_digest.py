"""A file's SHA-256 in an extended attribute, good for as long as size and mtime are those it was written with.

Best effort: not every system or file system has such attributes, and what is absent is only not known.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_NAME = "user.rainer.sha256"


def remember(path: Path, sha256: str) -> None:
    """Write down the digest of a file whose bytes are all there."""
    if hasattr(os, "setxattr"):
        with suppress(OSError):
            os.setxattr(path, _NAME, f"{sha256} {_state(path.stat())}".encode())


def recall(file: int | Path, status: os.stat_result) -> str | None:
    """The digest of a file whose status was just read, or None if it is not known, or of an earlier state."""
    if not hasattr(os, "getxattr"):
        return None
    try:
        sha256, _, state = os.getxattr(file, _NAME).decode("ascii").partition(" ")
    except (OSError, UnicodeDecodeError):
        return None
    return sha256 if state == _state(status) else None


def _state(status: os.stat_result) -> str:
    return f"{status.st_size:x}-{status.st_mtime_ns:x}"
