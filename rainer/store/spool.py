"""A whole object in a temporary file: read to its end and checked before anybody sees a byte of it."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from rainer.errors import NoSpace, StoreUnavailable, WrongDigest
from rainer.store.reading import BytesReading, FileReading, portions
from rainer.store.store import ObjectInfo, Reading

SMALL_BYTES = 1024 * 1024
"""Up to so much stays in memory, where a file would cost more than it saves."""

_FULL = {errno.ENOSPC, errno.EDQUOT}


class Spool:
    """An object at hand: `source` is what `Store.put` takes, good until `close`; `reading` outlives it."""

    def __init__(self, info: ObjectInfo, source: Path | bytes, size: int, sha256: str) -> None:
        self.info = info
        self.source = source
        self.size = size
        self.sha256 = sha256

    def reading(self, start: int = 0, end: int | None = None) -> Reading:
        """The object's bytes, for who asked for them."""
        if isinstance(self.source, bytes):
            return BytesReading(self.info, self.source, start, end)
        return _SpoolReading(self.info, self.source, start, end, self.size)

    def close(self) -> None:
        """Remove the file, where the system lets go of a file that is still read; else the reading does."""
        if isinstance(self.source, Path):
            with suppress(OSError):
                self.source.unlink(missing_ok=True)


class _SpoolReading(FileReading):
    def __init__(self, info: ObjectInfo, path: Path, start: int, end: int | None, size: int) -> None:
        super().__init__(info, FileIO(path, "rb"), start, end, size)
        self._path = path

    def close(self) -> None:
        super().close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def spool(reading: Reading, folder: Path | None, *, algorithm: str = "sha256", digest: str | None = None) -> Spool:
    """Read an object to its end and close the reading.

    Raises WrongDigest if the bytes do not have `digest` (by `algorithm`), nor the size and SHA-256 that the reading's
    info promises; StoreUnavailable if they break off; NoSpace if the temporary folder has no room for them.
    """
    with reading, _removed_on_error(folder) as target:
        found = hashlib.new(algorithm, usedforsecurity=False)
        sha256 = found if algorithm == "sha256" else hashlib.sha256()
        for portion in portions(reading):
            found.update(portion)
            if sha256 is not found:
                sha256.update(portion)
            target.write(portion)
        result = Spool(reading.info, target.finish(), target.size, sha256.hexdigest())
        _check(result, found.hexdigest(), digest, algorithm)
    return result


def _check(result: Spool, found: str, digest: str | None, algorithm: str) -> None:
    info = result.info
    if digest is not None and found != digest:
        raise WrongDigest(f"{info.uri}: the bytes have {algorithm.upper()} {found}, not {digest}")
    if info.sha256 is not None and result.sha256 != info.sha256:
        raise WrongDigest(f"{info.uri}: the bytes have SHA-256 {result.sha256}, the store says {info.sha256}")
    if info.size is not None and result.size != info.size:
        raise StoreUnavailable(f"{info.uri}: {result.size} bytes came of {info.size}", hint="read it again")


class _Target:
    """Bytes in memory that go to a file when they become many."""

    def __init__(self, folder: Path | None) -> None:
        self.size = 0
        self.path: Path | None = None
        self._folder = folder
        self._memory = bytearray()
        self._file: FileIO | None = None

    def write(self, data: memoryview) -> None:
        self.size += len(data)
        if self._file is None and self.size <= SMALL_BYTES:
            self._memory += data
            return
        if self._file is None:
            descriptor, name = tempfile.mkstemp(prefix="rainer-spool-", dir=self._folder)
            self.path, self._file = Path(name), FileIO(descriptor, "wb")
            self._write_all(memoryview(self._memory))
            self._memory = bytearray()
        self._write_all(data)

    def _write_all(self, data: memoryview) -> None:
        assert self._file is not None
        while data:
            data = data[self._file.write(data) or 0 :]

    def finish(self) -> Path | bytes:
        self.close()
        return self.path if self.path is not None else bytes(self._memory)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


@contextmanager
def _removed_on_error(folder: Path | None) -> Iterator[_Target]:
    target = _Target(folder)
    try:
        yield target
    except BaseException as error:
        target.close()
        if target.path is not None:
            target.path.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _FULL:
            where = folder or Path(tempfile.gettempdir())
            raise NoSpace(f"{where}: {os.strerror(error.errno)}", hint="make room, or name another folder") from error
        raise
