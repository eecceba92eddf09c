"""Writes a mirror's snapshot to disk, from time to time and at the end, on a thread of its own."""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import Final

from rainer.mirror.feed import Feed
from rainer.mirror.held import HeldHeads
from rainer.mirror.snapshot import SnapshotFile
from rainer.mirror.standing import Standing

log = logging.getLogger("rainer.mirror")

PAUSE_S: Final = 5.0
"""At least so long between two snapshots, and twenty times as long as the last one took."""
_SHARE: Final = 20
_IDLE_S: Final = 600.0
"""Without any change, a snapshot is written anew this often, so that its age stays a little true."""


class Saver:
    """Saves what the mirror holds once it is complete, whenever that has changed."""

    def __init__(self, file: SnapshotFile, held: HeldHeads, feed: Feed, standing: Standing) -> None:
        self._file = file
        self._held = held
        self._feed = feed
        self._standing = standing
        self._ended = threading.Event()
        self._changed = threading.Event()
        self._thread: threading.Thread | None = None
        self._saved: object = None
        self._saved_at = -math.inf
        self._took_s = 0.0
        self._complaint = ""

    def start(self) -> None:
        name = f"rainer-mirror-{self._held._namespace}-snapshot"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def note(self) -> None:
        """Something has changed."""
        self._changed.set()

    def close(self) -> None:
        """Save for the last time, what has changed since or is known to be current since, and end the thread."""
        if self._thread is None:
            return
        self._ended.set()
        self._changed.set()
        self._thread.join()
        self._save()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._changed.wait(_IDLE_S)
            self._changed.clear()
            if self._ended.is_set():
                return
            pause_s = self._saved_at + max(PAUSE_S, _SHARE * self._took_s) - time.monotonic()
            if pause_s > 0 and self._ended.wait(pause_s):
                return
            self._save()

    def _save(self) -> None:
        with self._feed.changed:
            current_ms = self._standing.current_ms
            if not self._standing.is_complete or current_ms is None:
                return
            held, position = self._held._held_all(), self._feed.position
        mark = (position, current_ms)
        if mark == self._saved:
            return
        begun = time.monotonic()
        try:
            self._file.save(held, position, current_ms)
        except OSError as e:
            self._complain(str(e))
        else:
            self._saved, self._complaint = mark, ""
        self._saved_at = time.monotonic()
        self._took_s = self._saved_at - begun

    def _complain(self, why: str) -> None:
        if why != self._complaint:
            self._complaint = why
            log.warning("the snapshot of %s cannot be written: %s", self._held._namespace, why)
