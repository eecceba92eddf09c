"""A manifest in a file of its own, checked in with the code, and in a lock file: no server at all."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Final, TypeAlias

from rainer.assets.lockfile import LockFile, is_lock, read_file
from rainer.assets.locks import ForkedLock
from rainer.assets.sources import ManifestState, Source
from rainer.errors import InvalidError, InvalidManifest, RainerError
from rainer.model.manifest import Manifest

log = logging.getLogger("rainer.assets")

LOOK_S: Final = 1.0
"""How often a manifest file is looked at for changes, at most."""
_TICK_S: Final = 2.0
"""A file that was changed so short a time ago may be changed again without a trace in its times."""


class FileSource(Source):
    """A manifest file, read again when it changes; while what is there cannot be read, the last good one goes on."""

    def __init__(self, path: Path, data: bytes, mark: _Mark | None) -> None:
        self.key = path.name
        self.place = str(path.absolute())
        self.poll_s = LOOK_S
        self._path = path
        self._lock = ForkedLock()
        self._mark = mark
        self._due = time.monotonic() + LOOK_S
        self._state = self._state_of(data)

    def _state_of(self, data: bytes) -> ManifestState:
        try:
            return ManifestState(self.key, None, Manifest.parse(data))
        except InvalidManifest as e:
            raise InvalidManifest(f"{self._path}: {e.message}", hint=e.hint, **e.details) from None

    def current(self) -> ManifestState:
        if time.monotonic() >= self._due:
            self._look()
        return self._state

    def _look(self) -> None:
        with self._lock:
            self._due = time.monotonic() + LOOK_S
            mark = _mark_of(self._path)
            if mark is None or mark != self._mark:
                self._read_again()
                self._mark = mark

    def _read_again(self) -> None:
        try:
            state = self._state_of(read_file(self._path))
        except RainerError as e:
            if self.error is None or str(self.error) != str(e):
                log.warning("the manifest %s cannot be read, the last good one goes on: %s", self._path, e)
            self.error = e
            return
        self.error = None
        if state.manifest != self._state.manifest:
            self._state = state


class LockSource(Source):
    """A lock file, which never changes; its digests protect what comes, from whatever store."""

    def __init__(self, lock: LockFile, path: Path) -> None:
        self.place = str(path.absolute())
        self.key, self.namespace, self.store_url = lock.manifest, lock.namespace, lock.store
        self.lock = lock
        self._state = ManifestState(lock.manifest, lock.namespace, lock.assets, lock.version, lock.revision)

    def current(self) -> ManifestState:
        return self._state


def file_source(path: str | os.PathLike[str]) -> FileSource | LockSource:
    """The source that a file is, told by what is in it. Raises InvalidError, InvalidManifest."""
    place = Path(path)
    mark = _mark_of(place)  # before it is read: what changes in between is seen at the next look
    data = read_file(place)
    if is_lock(data):
        return LockSource(LockFile.parse(data, str(place)), place)
    if place.suffix == ".lock":
        raise InvalidError(f"{place} is not a lock file of Rainer", hint="make one with `rainer asset lock`")
    return FileSource(place, data, mark)


_Mark: TypeAlias = tuple[int, int, int]


def _mark_of(path: Path) -> _Mark | None:
    """What tells that a file is as it was; None where nothing does."""
    try:
        found = path.stat()
    except OSError:
        return None
    if abs(time.time() - found.st_mtime) < _TICK_S:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
