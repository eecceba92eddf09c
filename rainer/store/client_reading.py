"""How a file store's client reads: from the local copy where that will do, else from the store by way of a new one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final, TypeVar

from rainer.errors import NoSpace, ObjectNotFound, WrongDigest
from rainer.store.client_files import FileEntry, LocalFiles, Opened, RemoteFiles
from rainer.store.client_names import FileName
from rainer.store.evicting import Evictor
from rainer.store.placing import place, place_link
from rainer.store.store import Progress

_log: Final = logging.getLogger("rainer.store")

T = TypeVar("T")


class Reader:
    """Reads for one client; holds nothing of its own."""

    def __init__(self, local: LocalFiles | None, remote: RemoteFiles | None, evictor: Evictor) -> None:
        self._local, self._remote, self._evictor = local, remote, evictor

    def told(self, path: str) -> FileEntry:
        """What the store knows of a file, or this place where there is no store. Raises ObjectNotFound."""
        if self._remote is not None:
            return self._remote.head(path)
        entry = self._local.entry(path) if self._local is not None else None
        if entry is None:
            raise _missing(path)
        return entry

    def here(self, wanted: FileName, force_refresh: bool) -> FileEntry | None:
        """The local copy, if it will do without asking the store."""
        if self._local is None or (self._remote is not None and (force_refresh or wanted.version is None)):
            return None
        entry = self._local.entry(wanted.path)
        return entry if entry is not None and wanted.version in (None, entry.version) else None

    def get(
        self, wanted: FileName, target: Path, *, add: bool, force_refresh: bool, hard_link: bool,
        progress: Progress | None,
    ) -> FileEntry:  # fmt: skip
        """Save a file at a path."""

        def use(local: LocalFiles, opened: Opened) -> FileEntry:
            with opened.stream:
                if not (hard_link and place_link(local, opened.entry, target)):
                    place(opened.entry, opened.stream, target, progress)
            return opened.entry

        try:
            found = self._by_copy(wanted, force_refresh, add, use)
        except WrongDigest as e:
            if self._local is None or self._remote is None:
                raise
            _log.warning("%s; it is fetched again", e)
            with self._local.exclusive(wanted.path):
                self._local.remove(wanted.path)
            found = self._by_copy(wanted, True, add, use)
        if found is not None:
            return found
        opened = self._open_remote(wanted)
        with opened.stream:
            place(opened.entry, opened.stream, target, progress)
        return opened.entry

    def open(self, wanted: FileName, *, add: bool, force_refresh: bool) -> Opened:
        """Begin to read a file."""
        found = self._by_copy(wanted, force_refresh, add, lambda _local, opened: opened)
        return found if found is not None else self._open_remote(wanted)

    def _by_copy(
        self, wanted: FileName, force_refresh: bool, add: bool, use: Callable[[LocalFiles, Opened], T]
    ) -> T | None:
        """Use the local copy, made if it has to be and `add` allows it; None where the store is to be read instead."""
        local = self._local
        if local is None:
            return None
        try:
            if self.here(wanted, force_refresh) is not None:
                with local.shared(wanted.path):
                    opened = local.open(wanted.path)
                    if opened is not None and wanted.version in (None, opened.entry.version):
                        return use(local, opened)
                    if opened is not None:
                        opened.stream.close()
            if self._remote is None:
                raise _missing(str(wanted))
            if not add:
                return None
            with local.exclusive(wanted.path) as alive:
                return use(local, self._refreshed(local, self._remote, wanted, force_refresh, alive))
        except (OSError, NoSpace) as e:
            if self._remote is None:
                raise
            # Whatever ails the copies, the file is in the store; if it is the target that ails, that comes out there.
            _log.warning("%s is read past the local copies: %s", wanted, e)
            return None

    def _refreshed(
        self, local: LocalFiles, remote: RemoteFiles, wanted: FileName, force_refresh: bool, alive: Callable[[], None]
    ) -> Opened:
        """The local copy, which is now what the store has."""
        with ExitStack() as held:
            kept = None if force_refresh else local.open(wanted.path)
            if kept is not None:
                held.callback(kept.stream.close)
                if wanted.version == kept.entry.version:  # another process has fetched it meanwhile
                    held.pop_all()
                    return kept
            answer = remote.open(wanted.path, None if kept is None else kept.entry)
            if isinstance(answer, Opened):
                return self._added(local, wanted, answer, alive)
            assert kept is not None
            _demand(wanted, answer)
            held.pop_all()
            entry = kept.entry if answer.version == kept.entry.version else local.restamp(kept.entry, answer.version)
            return Opened(entry, kept.stream)

    def _added(self, local: LocalFiles, wanted: FileName, answer: Opened, alive: Callable[[], None]) -> Opened:
        with answer.stream:
            _demand(wanted, answer.entry)
            entry = local.add(wanted.path, answer.entry.version, answer.stream, alive)
        self._evictor.added(entry)
        opened = local.open(wanted.path)
        if opened is None:
            raise OSError(f"the local copy of {entry.name} is gone as soon as it was made")
        return opened

    def _open_remote(self, wanted: FileName) -> Opened:
        assert self._remote is not None
        opened = self._remote.open(wanted.path)
        assert isinstance(opened, Opened)
        try:
            _demand(wanted, opened.entry)
        except ObjectNotFound:
            opened.stream.close()
            raise
        return opened


def demanded(wanted: FileName, entry: FileEntry) -> FileEntry:
    """The entry, if it has the version that the name demands; else ObjectNotFound."""
    _demand(wanted, entry)
    return entry


def _demand(wanted: FileName, entry: FileEntry) -> None:
    if wanted.version not in (None, entry.version):
        raise ObjectNotFound(f"{wanted}: the store has version {entry.version} of it, and keeps no other",
                             hint=f"leave the version away, or ask for {entry.name}")  # fmt: skip


def _missing(name: str) -> ObjectNotFound:
    return ObjectNotFound(f"{name}: there is no such file here, and no store to ask", hint="give a remote_url")


def drain(stream: IO[bytes]) -> int:
    """Read a stream to its end; how many bytes it had."""
    return sum(len(chunk) for chunk in iter(lambda: stream.read(1 << 18), b""))
