"""How a file store's client writes: to the store first, then here, under one version in both places."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from rainer.errors import ConflictError, NoSpace, ObjectNotFound
from rainer.store.client_files import NOTHING, FileEntry, LocalFiles, RemoteFiles, Upload, read_chunks, verified
from rainer.store.client_names import FileName
from rainer.store.evicting import Evictor

_log: Final = logging.getLogger("rainer.store")
_TRIES: Final = 10
"""How often a version is chosen anew because somebody else was faster."""


class Writer:
    """Writes for one client; holds nothing of its own."""

    def __init__(self, local: LocalFiles | None, remote: RemoteFiles | None, evictor: Evictor) -> None:
        self._local, self._remote, self._evictor = local, remote, evictor

    def put(
        self, wanted: FileName, upload: Upload, local: LocalFiles | None, remote: RemoteFiles | None, hard_link: bool
    ) -> FileEntry:
        """Store a file in the places given; what is there afterwards, which is another where that is newer."""
        with ExitStack() as held:
            alive, local = self._held(held, wanted, local, remote)
            upload = replace(upload, progress=_both(upload, alive))
            for left in range(_TRIES - 1, -1, -1):
                ready = self._versioned(wanted, upload, local, remote)
                entry = FileEntry(wanted.path, ready.version, ready.size, ready.sha256)
                try:
                    there = _put(entry, ready, local, remote)
                    break
                except ConflictError:
                    if ready.replaces is None or not left:
                        raise
            if there != entry.version:
                return FileEntry(wanted.path, there, None)
            if local is not None:
                self._keep(local, entry, ready, hard_link, alive)
            return entry

    def _held(
        self, held: ExitStack, wanted: FileName, local: LocalFiles | None, remote: RemoteFiles | None
    ) -> tuple[Callable[[], None], LocalFiles | None]:
        """The file's lock, and the local copies if they can be used: without them the store still can."""
        if local is None:
            return _unwatched, None
        try:
            return held.enter_context(local.exclusive(wanted.path)), local
        except OSError as e:
            if remote is None:
                raise
            _log.warning("%s is stored without a copy here: %s", wanted, e)
            return _unwatched, None

    def delete(self, wanted: FileName) -> bool:
        """Remove a file everywhere, unless it is newer than the name says; whether it was removed."""
        if self._remote is None:
            return self._delete_here(wanted)
        try:
            if not self._delete_there(wanted):
                return False
        except ObjectNotFound:
            self._forget_here(wanted)
            raise
        self._forget_here(wanted)
        return True

    def _delete_there(self, wanted: FileName) -> bool:
        assert self._remote is not None
        told = self._remote.head(wanted.path)
        if wanted.version is not None and told.version > wanted.version:
            return False
        # Not by this moment's clock alone: the file's version may be of a clock that is ahead of it.
        self._remote.delete(wanted.path, max(told.version, int(time.time()) if wanted.version is None else 0))
        return True

    def _forget_here(self, wanted: FileName) -> None:
        """Remove the local copy of what the store has no more; where that fails, it is not what was asked for."""
        try:
            self._delete_here(wanted, missing_ok=True)
        except OSError as e:
            _log.warning("%s is not in the store any more, but the copy here cannot be removed: %s", wanted, e)

    def _delete_here(self, wanted: FileName, *, missing_ok: bool = False) -> bool:
        if self._local is None:
            return False
        with self._local.exclusive(wanted.path):
            kept = self._local.entry(wanted.path)
            if kept is None and not missing_ok:
                raise ObjectNotFound(
                    f"{wanted}: there is no such file here", hint="`rainer store ls --local` lists all"
                )
            if kept is None or (wanted.version is not None and kept.version > wanted.version):
                return False
            return self._local.remove(wanted.path)

    def _versioned(
        self, wanted: FileName, upload: Upload, local: LocalFiles | None, remote: RemoteFiles | None
    ) -> Upload:
        """With the version asked for, or this second; never one that is taken: no two contents share a full name."""
        if wanted.version is not None:
            return replace(upload, version=wanted.version)
        kept = local.entry(wanted.path) if local is not None else None
        there = None
        if remote is not None:
            try:
                there = remote.head(wanted.path)
            except ObjectNotFound:
                there = NOTHING
        taken = [entry.version for entry in (kept, there) if entry is not None]
        return replace(upload, version=max([int(time.time()), *(version + 1 for version in taken)]), replaces=there)

    def _keep(
        self, local: LocalFiles, entry: FileEntry, upload: Upload, hard_link: bool, alive: Callable[[], None]
    ) -> None:
        try:
            if hard_link and local.add_link(upload, entry.path) is not None:
                return
            file = upload.source.open("rb")
            with verified(read_chunks(file), entry, file.close) as stream:
                local.add(entry.path, entry.version, stream, alive)
        except (OSError, NoSpace) as e:
            if self._remote is None:
                raise
            _log.warning("%s is stored, but no copy of it is kept here: %s", entry.name, e)
            return
        self._evictor.added(entry)


def _put(entry: FileEntry, upload: Upload, local: LocalFiles | None, remote: RemoteFiles | None) -> int:
    """Send it; the version that is there then."""
    if remote is not None:
        return remote.put(entry.path, upload)
    kept = local.entry(entry.path) if local is not None else None
    return max(entry.version, kept.version if kept is not None else 0)


def _unwatched() -> None:
    """The sign of life of who holds no lock."""


def _both(upload: Upload, alive: Callable[[], None]) -> Callable[[int], None]:
    def tell(count: int) -> None:
        alive()
        if upload.progress is not None:
            upload.progress(count)

    return tell
