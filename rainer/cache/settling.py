"""Whether the system has had the time to bring a file's bytes to the disk, for the cache does not wait for that."""

from __future__ import annotations

import os
import time
from typing import Final

from rainer.cache.layout import Layout

SETTLED_S: Final = 120.0
"""So long after its last byte a file is on the disk: Linux writes out what is 30 s old, every 5 s."""
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def is_settled(layout: Layout, folder: str) -> bool:
    """Whether a power cut cannot have torn the files in a blob's folder.

    It can have if they came before this machine was started, and nothing shows that it ran on for a while after: the
    folder's time, which is that of the last use, is the witness. Who has hashed such a file sets it, and so it is done
    once. Of files whose bytes came out of order, a power cut can leave the right size and holes in the middle.
    """
    try:
        used_at = os.stat(folder).st_mtime  # noqa: PTH116 - on the way of every file
    except OSError:
        return True  # it is gone, which others see
    started_at = time.time() - time.clock_gettime(_CLOCK)
    if used_at >= started_at:
        return True
    came_at = [entry.stat(follow_symlinks=False).st_mtime for entry in layout.entries(folder)]
    return all(used_at - at >= SETTLED_S for at in came_at)
