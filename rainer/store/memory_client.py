"""The file store's client in memory, for tests: the same client over files that live and end with the process."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import IO

from rainer.errors import ConflictError, InvalidError, ObjectNotFound, WrongDigest
from rainer.store.client import Client
from rainer.store.client_files import (
    NOTHING,
    FileEntry,
    LocalFiles,
    Opened,
    RemoteFiles,
    Upload,
    digest,
    read_chunks,
    verified,
)


def memory_client(*, local: bool = True, remote: bool = True, beside: Client | None = None) -> Client:
    """A client whose store and local copies are in memory; without `remote`, or without `local`, as one made so.

    `beside` is a client whose store this one shares.
    """
    store = MemoryRemote() if beside is None else beside.remote_files
    return Client.over(MemoryLocal() if local else None, store if remote else None)


@dataclass(frozen=True, slots=True)
class _Kept:
    entry: FileEntry
    data: bytes

    def opened(self) -> Opened:
        return Opened(self.entry, verified(read_chunks(BytesIO(self.data)), self.entry, lambda: None))


def _changed(expected: FileEntry, there: _Kept | None) -> bool:
    return there is not None if expected is NOTHING else there is None or there.entry.sha256 != expected.sha256


class MemoryRemote(RemoteFiles):
    """A server's files in memory, for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._files: dict[str, _Kept] = {}

    def open(self, path: str, unless: FileEntry | None = None) -> Opened | FileEntry:
        found = self._find(path)
        return found.entry if unless is not None and unless.sha256 == found.entry.sha256 else found.opened()

    def head(self, path: str) -> FileEntry:
        return self._find(path).entry

    def put(self, path: str, upload: Upload) -> int:
        data = upload.source.read_bytes()
        entry, data = _entry_of(path, upload.version, gzip.decompress(data) if upload.is_gzip else data)
        if entry.sha256 != upload.sha256:
            raise WrongDigest(f"{upload.source} is not what SHA-256 {upload.sha256} promises", hint="store it again")
        if upload.progress is not None:
            upload.progress(len(data))
        with self._lock:
            there = self._files.get(path)
            if upload.replaces is not None and _changed(upload.replaces, there):
                raise ConflictError(f"{path} is not what was to be replaced", hint="look, and decide again")
            if there is not None and there.entry.version > upload.version:
                return there.entry.version
            self._files[path] = _Kept(entry, data)
        return upload.version

    def delete(self, path: str, version: int) -> None:
        with self._lock:
            if self._find(path).entry.version <= version:
                del self._files[path]

    def names(self, folder: str, last_modified: int | None) -> Iterator[str]:
        if folder and f"/{folder}" in self._files and not any(self.entries(folder)):
            raise InvalidError(f"'{folder}' is a file, and no folder", hint="list the folder that it is in")
        return (
            entry.path[1:] for entry in self.entries(folder) if last_modified is None or entry.version <= last_modified
        )

    def entries(self, folder: str) -> Iterator[FileEntry]:
        with self._lock:
            kept = sorted(self._files.items())
        prefix = f"/{folder}/" if folder else "/"
        return (found.entry for path, found in kept if path.startswith(prefix))

    def _find(self, path: str) -> _Kept:
        found = self._files.get(path)
        if found is None:
            raise ObjectNotFound(f"{path}: the store has no such file", hint="`rainer store ls` lists what it has")
        return found


class MemoryLocal(LocalFiles):
    """Local copies in memory, for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._files: dict[str, _Kept] = {}
        self._uses = 0

    @contextlib.contextmanager
    def _held(self) -> Iterator[Callable[[], None]]:
        with self._lock:
            yield lambda: None

    def shared(self, path: str) -> contextlib.AbstractContextManager[Callable[[], None]]:
        return self._held()

    def exclusive(self, path: str) -> contextlib.AbstractContextManager[Callable[[], None]]:
        return self._held()

    def entry(self, path: str) -> FileEntry | None:
        found = self._files.get(path)
        return None if found is None else replace(found.entry, used_at=None)

    def open(self, path: str) -> Opened | None:
        with self._lock:
            found = self._files.get(path)
            return None if found is None else self._use(found).opened()

    def link(self, path: str, target: Path) -> bool:
        return False

    def add(self, path: str, version: int, stream: IO[bytes], alive: Callable[[], None]) -> FileEntry:
        entry, data = _entry_of(path, version, b"".join(read_chunks(stream)))
        return self._use(_Kept(entry, data)).entry

    def add_link(self, upload: Upload, path: str) -> FileEntry | None:
        if digest(upload.source) != (upload.size, upload.sha256):
            raise WrongDigest(f"{upload.source} was changed while it was stored", hint="store it again")
        return None

    def restamp(self, entry: FileEntry, version: int) -> FileEntry:
        with self._lock:
            found = self._files[entry.path]
            return self._use(replace(found, entry=replace(found.entry, version=version))).entry

    def remove(self, path: str) -> bool:
        return self._files.pop(path, None) is not None

    def entries(self) -> Iterator[FileEntry]:
        with self._lock:
            return iter([found.entry for found in self._files.values()])

    def remove_unused(self, entry: FileEntry) -> bool:
        with self._lock:
            found = self._files.get(entry.path)
            return found is not None and found.entry.used_at == entry.used_at and self.remove(entry.path)

    def _use(self, kept: _Kept) -> _Kept:
        with self._lock:
            # Later than every use before, also within one tick of the clock.
            self._uses += 1
            used = replace(kept, entry=replace(kept.entry, used_at=time.time() + self._uses * 1e-6))
            self._files[kept.entry.path] = used
            return used


def _entry_of(path: str, version: int, data: bytes) -> tuple[FileEntry, bytes]:
    return FileEntry(path, version, len(data), hashlib.sha256(data).hexdigest()), data
