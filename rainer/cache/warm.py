"""What this process was given before: one lookup, one stat."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable
from pathlib import Path
from typing import Final

from rainer.cache.blobs import Blobs, Found

TOUCH_S: Final = 30.0
"""A file in steady use is marked as used this often: so often that what was given out just now is young for all
others (eviction.YOUNG_S), and is there when its path is opened."""
_MAX: Final = 200_000


class WarmFile:
    """A file that was found whole by this process."""

    __slots__ = ("path", "sha256", "size", "text", "touch_at")

    def __init__(self, found: Found, sha256: str) -> None:
        self.path: Final = Path(found.path)
        self.text: Final = found.path
        self.size: Final = found.size
        self.sha256: Final = sha256
        self.touch_at = time.monotonic() + TOUCH_S


class Warm:
    """The files given out by one cache object, by what was asked for. Threads may use it without a lock."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self.files: dict[Hashable, WarmFile] = {}

    def get(self, key: Hashable, size: int | None) -> WarmFile | None:
        """A file that is still there and has its size; None otherwise, also for another size than asked for."""
        file = self.files.get(key)
        if file is None or size not in (None, file.size):
            return None
        try:
            if os.stat(file.text).st_size != file.size:  # noqa: PTH116 - 1 µs dearer with a Path
                return None
        except OSError:
            return None
        now = time.monotonic()
        if now > file.touch_at:
            file.touch_at = now + TOUCH_S
            self._blobs.touch(file.sha256)
        return file

    def put(self, key: Hashable, found: Found, sha256: str) -> Path:
        """Remember what was found, and hand out its path."""
        if len(self.files) >= _MAX:
            self.files.clear()
        file = self.files[key] = WarmFile(found, sha256)
        return file.path
