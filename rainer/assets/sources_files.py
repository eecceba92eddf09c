"""A manifest in a file of its own, checked in with the code, and in a lock file: no server at all."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import Final

from rainer.assets.lockfile import LockFile, is_lock, read_file
from rainer.assets.sources import ManifestState, Source
from rainer.errors import InvalidError, RainerError
from rainer.model.manifest import Manifest

log = logging.getLogger("rainer.assets")

LOOK_S: Final = 1.0
"""How often a manifest file is looked at for changes, at most."""


class FileSource(Source):
    """A manifest file, read again when it changes; while what is there cannot be read, the last good one goes on."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.key = path.name
        self.poll_s = LOOK_S
        self._path = path
        self._lock = threading.Lock()
        self._mark = _mark_of(path)
        self._due = time.monotonic() + LOOK_S
        self._state = self._state_of(data)

    def _state_of(self, data: bytes) -> ManifestState:
        return ManifestState(self.key, None, Manifest.parse(data))

    def current(self) -> ManifestState:
        if time.monotonic() >= self._due:
            self._look()
        return self._state

    def _look(self) -> None:
        with self._lock:
            self._due = time.monotonic() + LOOK_S
            mark = _mark_of(self._path)
            if mark == self._mark:
                return
            self._mark = mark
            try:
                state = self._state_of(read_file(self._path))
            except RainerError as e:
                log.warning("the manifest %s cannot be read, the last good one goes on: %s", self._path, e)
                self.error = e
                return
            self.error = None
            if state.manifest != self._state.manifest:
                self._state = state


class LockSource(Source):
    """A lock file, which never changes; its digests protect what comes, from whatever store."""

    def __init__(self, lock: LockFile) -> None:
        self.key, self.namespace, self.store_url = lock.manifest, lock.namespace, lock.store
        self.lock = lock
        self._state = ManifestState(lock.manifest, lock.namespace, lock.assets, lock.version, lock.revision)

    def current(self) -> ManifestState:
        return self._state


def file_source(path: str | os.PathLike[str]) -> FileSource | LockSource:
    """The source that a file is, told by what is in it. Raises InvalidError, InvalidManifest."""
    place = Path(path)
    data = read_file(place)
    if is_lock(data):
        return LockSource(LockFile.parse(data, str(place)))
    if place.suffix == ".lock":
        raise InvalidError(f"{place} is not a lock file of Rainer", hint="make one with `rainer asset lock`")
    return FileSource(place, data)


def _mark_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
