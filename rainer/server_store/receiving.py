"""A file on its way in: hashed, bounded and compressed as its bytes pass, in a temporary file until it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from rainer.errors import InvalidError, NoSpace, ObjectNotFound, StoreUnavailable, TooLargeError, WrongDigest
from rainer.limits import MiB
from rainer.server_store.frames import FRAME_BYTES, WORTH, FrameWriter
from rainer.server_store.places import storing
from rainer.server_store.rows import IDENTITY, ZSTD

_GZIP: Final = 31
_PIECE_BYTES: Final = 1024 * 1024
_SYNC_EVERY_BYTES: Final = 64 * MiB
"""So much goes to the disk at once, lest the journal's COMMITs wait behind gigabytes that are still in memory."""
_LOOK_EVERY_BYTES: Final = 8 * MiB
_RESERVE_BYTES: Final = 256 * MiB
_RESERVE_PART: Final = 50
"""So much of a disk, or 256 MiB, files leave free: the journal, which may lie there too, needs some."""


@dataclass(frozen=True, slots=True)
class Received:
    """A file that came whole: the temporary file that has it, and what is known of it."""

    path: Path
    sha256: bytes
    size: int
    coding: str
    stored_size: int

    @property
    def suffix(self) -> str:
        return ".zst" if self.coding == ZSTD else ""


@dataclass(frozen=True, slots=True)
class Expected:
    """What its sender says of a file: digest and size of the contents, where it says so."""

    sha256: bytes | None = None
    size: int | None = None


class Receiving:
    """For one thread at a time. Whoever makes one calls `discard` in the end, whatever happens.

    `write` raises TooLargeError, InvalidError for what is not gzip, NoSpace and StoreUnavailable.
    """

    def __init__(self, spool: Path, size_bytes_max: int, *, is_gzip: bool) -> None:
        self._spool, self._size_max, self._is_gzip = spool, size_bytes_max, is_gzip
        self._path: Path | None = None
        self._file: IO[bytes] | None = None
        self._digest = hashlib.sha256()
        self._size = self._stored_size = 0
        self._look_at, self._sync_at = 0, _SYNC_EVERY_BYTES
        self._frame = bytearray()
        self._frames: FrameWriter | None = None
        self._is_decided = False
        self._inflater = zlib.decompressobj(_GZIP) if is_gzip else None

    def write(self, data: bytes) -> None:
        """Take the next bytes as they were sent."""
        if self._inflater is None:
            self._take(data)
            return
        try:
            self._inflate(data)
        except zlib.error as e:
            raise InvalidError(f"the body is not gzip: {e}", hint="leave out Content-Encoding") from None

    def finish(self, expected: Expected) -> Received:
        """The file, if it is whole and what its sender said; else WrongDigest, or InvalidError."""
        if self._inflater is not None and not (self._inflater.eof and not self._inflater.unconsumed_tail):
            raise InvalidError("the body's gzip ends in the middle", hint="send it again")
        if self._frame or not self._is_decided:
            self._flush()
        if self._frames is not None:
            self._store(self._frames.table())
        self._check(expected)
        assert self._file is not None
        assert self._path is not None
        with storing(self._path):
            self._file.close()
        coding = ZSTD if self._frames is not None else IDENTITY
        return Received(self._path, self._digest.digest(), self._size, coding, self._stored_size)

    def discard(self) -> None:
        """Remove the temporary file if it is still there."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _inflate(self, data: bytes) -> None:
        while data:
            assert self._inflater is not None
            if self._inflater.eof:  # gzip may be several one after another
                self._inflater = zlib.decompressobj(_GZIP)
            self._take(self._inflater.decompress(data, _PIECE_BYTES))
            data = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail

    def _take(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._size_max:
            raise too_large(self._size, self._size_max)
        self._digest.update(data)
        view = memoryview(data)
        while view:
            room = FRAME_BYTES - len(self._frame)
            self._frame += view[:room]
            view = view[room:]
            if len(self._frame) == FRAME_BYTES:
                self._flush()

    def _flush(self) -> None:
        """Write what was gathered; with the first frame it is decided whether compression is worth while."""
        data, self._frame = bytes(self._frame), bytearray()
        if not self._is_decided:
            self._is_decided = True
            frames = FrameWriter()
            packed = frames.frame(data)
            if len(packed) < len(data) * WORTH:
                self._frames = frames
                self._store(packed)
                return
        self._store(data if self._frames is None else self._frames.frame(data))

    def _store(self, data: bytes) -> None:
        try:
            self._append(data)
        except ObjectNotFound as e:
            raise StoreUnavailable(
                f"the folder {self._spool} for what is received is gone, or cannot be made", hint="see store_contents"
            ) from e

    def _append(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._begin()
        assert self._path is not None
        with storing(self._path):
            if self._stored_size >= self._look_at:
                self._look_at = self._stored_size + _LOOK_EVERY_BYTES
                _check_room(self._spool)
            self._file.write(data)
            self._file.flush()  # a sweep goes by when it grew last
            self._stored_size += len(data)
            if self._stored_size >= self._sync_at:
                self._sync_at = self._stored_size + _SYNC_EVERY_BYTES
                os.fsync(self._file.fileno())

    def _begin(self) -> IO[bytes]:
        path = self._spool / f"{os.getpid()}-{secrets.token_hex(8)}"
        with storing(path):
            self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path = path
            return path.open("xb")

    def _check(self, expected: Expected) -> None:
        if expected.size is not None and expected.size != self._size:
            raise WrongDigest(
                f"{self._size} bytes came, and {expected.size} were announced", hint="send it again; nothing was kept"
            )
        if expected.sha256 is not None and expected.sha256 != self._digest.digest():
            raise WrongDigest(
                f"what came has SHA-256 {self._digest.hexdigest()}, and {expected.sha256.hex()} was announced",
                hint="send it again; nothing was kept",
            )


def _check_room(folder: Path) -> None:
    """Raise NoSpace while there still is some, for others."""
    disk = shutil.disk_usage(folder)
    reserve = min(_RESERVE_BYTES, disk.total // _RESERVE_PART)
    if disk.free < reserve:
        raise NoSpace(
            f"no room for the file in {folder}: {disk.free // MiB} MiB are free, and the last {reserve // MiB} stay so",
            hint="make room, or set store_contents",
        )


def too_large(size: int, size_max: int) -> TooLargeError:
    """The error for a file over the limit."""
    return TooLargeError(
        f"the file has {size} bytes or more, over the {size_max} that this server takes",
        hint="raise store_file_bytes_max, or put it into another store", limit=size_max,
    )  # fmt: skip
