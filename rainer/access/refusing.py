"""Why credentials are refused: told to the log, and not to who sent them."""

from __future__ import annotations

import logging
import time
from typing import Final

log = logging.getLogger("rainer.access")
_SKIPPED_S: Final = 1.0


class RefusalLog:
    """For one thread. A line a second at most: whoever guesses must not fill the disk."""

    def __init__(self) -> None:
        self._skipped, self._told_s = 0, 0.0

    def note(self, reason: str) -> None:
        """Say why, or count it for the next line."""
        now_s = time.monotonic()
        if now_s - self._told_s < _SKIPPED_S:
            self._skipped += 1
            return
        more = f" (and {self._skipped} more before)" if self._skipped else ""
        self._told_s, self._skipped = now_s, 0
        log.warning("credentials are refused: %s%s", reason, more)
