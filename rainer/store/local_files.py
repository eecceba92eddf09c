"""Files kept in a folder of this machine: the file store client's cache, or all it has.

    entries/ab/<SHA-256 of the path>.json        what is kept under a path: version, size, SHA-256, and in which file
    entries/ab/<SHA-256 of the path>.<random>    that file, read-only
    locks/                                       see local_locks

The record is replaced in one step when its file is complete, so a reader finds the old file or the new one, and what a
dead writer left is a file that no record names. A record's mtime is when the file was last used. filetracker 2.3.3
(client/local_data_store.py) keeps a file under its own name and takes its mtime for the version; there a name cannot
be another's folder, a torn write looks like a file, and use leaves no trace to evict by.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Final

from rainer.errors import NoSpace, WrongDigest
from rainer.store.client_files import FileEntry, LocalFiles, Opened, Upload, digest, read_chunks, verified
from rainer.store.local_locks import Locks

_TRIES: Final = 5
_ORPHAN_AGE_S: Final = 3_600.0
_OURS: Final = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class _Record:
    """What stands in a record: the entry, and the file with the size and mtime that it had when it was complete."""

    path: str
    version: int
    size: int
    sha256: str
    file: str
    mtime_ns: int

    def entry(self, used_at: float | None = None) -> FileEntry:
        return FileEntry(self.path, self.version, self.size, self.sha256, used_at)


class FolderFiles(LocalFiles):
    """Files in a folder, which is made on the first use. For threads, processes and forked children at once.

    A lock's holder may be silent for `lock_timeout_s` until those who wait give up. Where flock does nothing, nothing
    breaks: the same file may only be fetched twice.
    """

    def __init__(self, folder: Path, *, lock_timeout_s: float, durable: bool = False) -> None:
        self.folder = folder
        self.durable = durable
        self._entries = folder / "entries"
        self._locks = Locks(folder / "locks", lock_timeout_s)

    def shared(self, path: str) -> AbstractContextManager[Callable[[], None]]:
        return self._locks.hold(_digest(path), path, exclusive=False)

    def exclusive(self, path: str) -> AbstractContextManager[Callable[[], None]]:
        return self._locks.hold(_digest(path), path, exclusive=True)

    def entry(self, path: str) -> FileEntry | None:
        record = self._read(self._record_path(path))
        return None if record is None else record.entry()

    def open(self, path: str) -> Opened | None:
        opened = self._open(path)
        if opened is None:
            return None
        record, file = opened
        entry = record.entry()
        return Opened(entry, verified(read_chunks(file), entry, file.close))

    def link(self, path: str, target: Path) -> bool:
        opened = self._open(path)
        if opened is None:
            return False
        record, file = opened
        with file:
            try:
                os.link(self._record_path(path).with_name(record.file), target)
            except FileExistsError:
                raise
            except OSError:
                return False
        return True

    def add(self, path: str, version: int, stream: IO[bytes], alive: Callable[[], None]) -> FileEntry:
        place = self._new_place(path)
        found, size = hashlib.sha256(), 0
        try:
            with place.open("xb") as file, out_of_space(place):
                for chunk in read_chunks(stream):
                    file.write(chunk)
                    found.update(chunk)
                    size += len(chunk)
                    alive()
                file.flush()
                os.fchmod(file.fileno(), 0o444)
                os.utime(file.fileno(), (version, version))
                if self.durable:
                    os.fsync(file.fileno())
            return self._keep(place, path, version, size, found.hexdigest())
        except BaseException:
            place.unlink(missing_ok=True)
            raise

    def add_link(self, upload: Upload, path: str) -> FileEntry | None:
        place = self._new_place(path)
        try:
            os.link(upload.source, place)
        except OSError:
            return None
        try:
            if digest(place) != (upload.size, upload.sha256):
                raise WrongDigest(f"{upload.source} was changed while it was stored", hint="store it again")
            return self._keep(place, path, upload.version, upload.size, upload.sha256)
        except BaseException:
            place.unlink(missing_ok=True)
            raise

    def restamp(self, entry: FileEntry, version: int) -> FileEntry:
        place = self._record_path(entry.path)
        record = self._read(place)
        if record is None or record.sha256 != entry.sha256:
            return entry
        self._write(place, replace(record, version=version))
        return replace(entry, version=version)

    def remove(self, path: str) -> bool:
        place = self._record_path(path)
        record = self._read(place)
        place.unlink(missing_ok=True)
        if record is None:
            return False
        place.with_name(record.file).unlink(missing_ok=True)
        return True

    def entries(self) -> Iterator[FileEntry]:
        for place in self._entries.glob("*/*.json"):
            with contextlib.suppress(OSError):
                used_at = place.stat().st_mtime
                record = self._read(place)
                if record is not None:
                    yield record.entry(used_at)

    def remove_unused(self, entry: FileEntry) -> bool:
        place = self._record_path(entry.path)
        with self._locks.try_exclusive(_digest(entry.path)) as taken:
            if not taken:
                return False
            try:
                if place.stat().st_mtime != entry.used_at:
                    return False
            except FileNotFoundError:
                return False
            return self.remove(entry.path)

    def sweep(self) -> int:
        freed = 0
        for place in self._entries.glob("*/*"):
            if _OURS.fullmatch(place.name):
                freed += self._sweep(place)
        return freed

    def _sweep(self, place: Path) -> int:
        # The age counts where flock does nothing; elsewhere a writer at work holds the lock.
        with self._locks.try_exclusive(place.name.partition(".")[0]) as taken, contextlib.suppress(FileNotFoundError):
            record = self._read(place.with_name(place.name.partition(".")[0] + ".json"))
            known = place.stat()
            is_named = record is not None and record.file == place.name
            if taken and not is_named and time.time() - known.st_ctime > _ORPHAN_AGE_S:
                place.unlink()
                return known.st_size
        return 0

    # How it is done.

    def _record_path(self, path: str) -> Path:
        name = _digest(path)
        return self._entries / name[:2] / f"{name}.json"

    def _new_place(self, path: str) -> Path:
        record = self._record_path(path)
        record.parent.mkdir(parents=True, exist_ok=True)
        return record.with_name(f"{record.stem}.{secrets.token_hex(8)}")

    def _open(self, path: str) -> tuple[_Record, IO[bytes]] | None:
        place = self._record_path(path)
        for _ in range(_TRIES):
            record = self._read(place)
            if record is None:
                return None
            try:
                file = place.with_name(record.file).open("rb")
            except FileNotFoundError:
                continue  # replaced in between: the record is another by now
            found = os.fstat(file.fileno())
            if (found.st_size, found.st_mtime_ns) != (record.size, record.mtime_ns):
                file.close()
                return None
            with contextlib.suppress(OSError):
                os.utime(place)
            return record, file
        return None

    def _read(self, place: Path) -> _Record | None:
        try:
            return _Record(**json.loads(place.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None  # what a power cut left of a record is as good as none

    def _keep(self, place: Path, path: str, version: int, size: int, sha256: str) -> FileEntry:
        record_path = self._record_path(path)
        old = self._read(record_path)
        record = _Record(path, version, size, sha256, place.name, place.stat().st_mtime_ns)
        self._write(record_path, record)
        if old is not None and old.file != place.name:
            place.with_name(old.file).unlink(missing_ok=True)
        return record.entry()

    def _write(self, place: Path, record: _Record) -> None:
        temporary = place.with_name(f"{place.stem}.{secrets.token_hex(8)}")
        try:
            with out_of_space(place), temporary.open("xb") as file:
                file.write(json.dumps(asdict(record)).encode())
                if self.durable:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(place)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if self.durable:
            _sync_folder(place.parent)


@contextlib.contextmanager
def out_of_space(place: Path) -> Iterator[None]:
    """Turn the disk's refusal of more bytes into NoSpace."""
    try:
        yield
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(f"{place.parent}: {e.strerror}", hint="make room, or `rainer store clean`") from None
        raise


def _digest(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
