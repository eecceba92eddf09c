"""What the client of a file store works on: files of one name and one version each, here or at a server."""

from __future__ import annotations

import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Final, Protocol

from rainer.errors import StoreUnavailable, WrongDigest
from rainer.store.store import Progress

BUFFER_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of a store: path, version (whole seconds since 1970), size in bytes and SHA-256 where they are known.

    `used_at` is when a local copy was last used, in seconds since 1970.
    """

    path: str
    version: int
    size: int | None
    sha256: str | None = None
    used_at: float | None = None

    @property
    def name(self) -> str:
        """The versioned name, such as `/folder/file@1700000000`."""
        return f"{self.path}@{self.version}"


NOTHING: Final = FileEntry("", 0, 0)
"""What an upload replaces that shall be the first of its name."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to be stored: where it is, what it is, and the version that it shall have.

    Size and SHA-256 are those of the contents, also where the source `is_gzip`, that is holds them compressed.
    With `replaces` it is refused (ConflictError) by a store that has something else by now; NOTHING: anything at all.
    """

    source: Path
    version: int
    size: int
    sha256: str
    compress: bool = True
    progress: Progress | None = None
    is_gzip: bool = False
    replaces: FileEntry | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A file being read. `stream` checks size and SHA-256 at its end (WrongDigest); whoever has it closes it."""

    entry: FileEntry
    stream: IO[bytes]


class LocalFiles(ABC):
    """Files kept here, one version of each name. For any number of threads and processes at once."""

    durable: bool = False
    """Whether what is added must survive a power cut, because it is nowhere else."""

    @abstractmethod
    def shared(self, path: str) -> AbstractContextManager[Callable[[], None]]:
        """Hold the file's lock beside others who read it. The function is a sign of life to those who wait.

        Raises UnavailableError when a holder has given none for as long as one waits.
        """

    @abstractmethod
    def exclusive(self, path: str) -> AbstractContextManager[Callable[[], None]]:
        """Hold the file's lock alone; as `shared`."""

    @abstractmethod
    def entry(self, path: str) -> FileEntry | None:
        """What is kept under the path, or None."""

    @abstractmethod
    def open(self, path: str) -> Opened | None:
        """Read the file; None if it is not kept, or was changed by somebody behind our back. Counts as a use."""

    @abstractmethod
    def link(self, path: str, target: Path) -> bool:
        """Make a hard link to the kept file at `target`, which does not exist; false where that is not possible."""

    @abstractmethod
    def add(self, path: str, version: int, stream: IO[bytes], alive: Callable[[], None]) -> FileEntry:
        """Keep what the stream has, to its end, instead of what was kept. Under the exclusive lock."""

    @abstractmethod
    def add_link(self, upload: Upload, path: str) -> FileEntry | None:
        """Keep a hard link to the upload's own file; None where that is not possible. Under the exclusive lock."""

    @abstractmethod
    def restamp(self, entry: FileEntry, version: int) -> FileEntry:
        """Give what is kept another version: the bytes are the same. Under the exclusive lock."""

    @abstractmethod
    def remove(self, path: str) -> bool:
        """Remove what is kept; false if there was nothing. Under the exclusive lock."""

    @abstractmethod
    def entries(self) -> Iterator[FileEntry]:
        """Everything that is kept, in no particular order."""

    @abstractmethod
    def remove_unused(self, entry: FileEntry) -> bool:
        """Remove a file, unless it was used or changed since `entry` was read, or somebody holds its lock."""

    def sweep(self) -> int:
        """Remove what writers that died left behind; return how many bytes."""
        return 0


class RemoteFiles(ABC):
    """Files at a server, one version of each name; from any number of threads, and after a fork.

    All calls raise ObjectNotFound, StoreUnavailable after their own repetitions, DeniedError and InvalidError.
    """

    @abstractmethod
    def open(self, path: str, unless: FileEntry | None = None) -> Opened | FileEntry:
        """Begin to read a file. If its bytes are those of `unless`, only what the server says of it comes back."""

    @abstractmethod
    def head(self, path: str) -> FileEntry:
        """What the server says of a file."""

    @abstractmethod
    def put(self, path: str, upload: Upload) -> int:
        """Store a file, unless a newer one is there; return the version that is there now."""

    @abstractmethod
    def delete(self, path: str, version: int) -> None:
        """Remove a file, unless it is newer than `version`."""

    @abstractmethod
    def names(self, folder: str, last_modified: int | None) -> Iterator[str]:
        """The paths, from the root and without a leading slash, of what is below a folder and not newer."""

    @abstractmethod
    def entries(self, folder: str) -> Iterator[FileEntry]:
        """All that the server knows of what is below a folder; of a server that cannot tell at once, one by one."""

    def close(self) -> None:  # noqa: B027 - one in memory holds nothing
        """Let go of this process's connections."""


class VerifiedBytes(io.RawIOBase):
    """Chunks as a stream that hashes what passes and, at its end, raises WrongDigest if it is not what was promised."""

    def __init__(
        self, chunks: Iterator[bytes], *, name: str, size: int | None, sha256: str | None,
        close: Callable[[], None],
    ) -> None:  # fmt: skip
        super().__init__()
        self._chunks, self._name, self._size, self._expected = chunks, name, size, sha256
        self._let_go = close
        self._hash = hashlib.sha256()
        self._count = 0
        self._rest = memoryview(b"")
        self._at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest and not self._at_end:
            self._next()
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _next(self) -> None:
        chunk = next(filter(None, self._chunks), b"")
        if not chunk:
            self._at_end = True
            self._check()
            return
        self._hash.update(chunk)
        self._count += len(chunk)
        if self._size is not None and self._count > self._size:
            self._check()  # it need not end for that, and might not
        self._rest = memoryview(chunk)

    def _check(self) -> None:
        if self._size is not None and self._count != self._size:
            raise WrongDigest(f"{self._name}: {self._count:,} bytes came, {self._size:,} were promised", hint=_AGAIN)
        found = self._hash.hexdigest()
        if self._expected is not None and found != self._expected:
            raise WrongDigest(f"{self._name}: SHA-256 {found} came, {self._expected} was promised", hint=_AGAIN)

    def close(self) -> None:
        if not self.closed:
            self._let_go()
        super().close()


_AGAIN: Final = "try again with a forced refresh; if it stays so, what is stored is damaged"


def verified(chunks: Iterator[bytes], entry: FileEntry, close: Callable[[], None]) -> BinaryIO:
    """The chunks of a file as a buffered stream, checked against its entry."""
    raw = VerifiedBytes(chunks, name=entry.name, size=entry.size, sha256=entry.sha256, close=close)
    return io.BufferedReader(raw, BUFFER_BYTES)


class Readable(Protocol):
    """Whatever can be read in portions."""

    def read(self, size: int, /) -> bytes: ...


def read_chunks(stream: Readable) -> Iterator[bytes]:
    """The rest of a stream, a buffer at a time."""
    while chunk := stream.read(BUFFER_BYTES):
        yield chunk


def digest(source: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a file, in one pass."""
    found, size = hashlib.sha256(), 0
    with source.open("rb") as file:
        for chunk in read_chunks(file):
            found.update(chunk)
            size += len(chunk)
    return size, found.hexdigest()


def broke_off(name: str, reason: object) -> StoreUnavailable:
    """The error for an answer that ended too early."""
    return StoreUnavailable(f"{name} broke off on its way: {reason}", hint="try again; nothing of it was kept")
