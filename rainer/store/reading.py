"""Readings of what is at hand (bytes, an open file), and what every store does alike when one begins."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom, BytesIO, FileIO
from pathlib import Path
from typing import BinaryIO

from rainer.errors import InvalidError, ObjectNotFound, StoreUnavailable, WrongDigest
from rainer.store.store import ObjectInfo, Progress, Reading

BUFFER_BYTES = 256 * 1024


class FileReading(Reading):
    """The bytes from `start` up to before `end` of an open binary file, which is closed with the reading.

    A file that was cut while it was read is StoreUnavailable: what came of it is part of nothing.
    """

    def __init__(
        self, info: ObjectInfo, file: FileIO | BufferedRandom | BytesIO, start: int, end: int | None, size: int
    ) -> None:
        self.info = info
        self._file = file
        try:
            first, last = clip(start, end, size)
        except InvalidError:
            file.close()
            raise
        self._left = last - first
        file.seek(first)

    def readinto(self, buffer: memoryview) -> int:
        wanted = min(len(buffer), self._left)
        if not wanted:
            return 0
        try:
            got = self._file.readinto(buffer[:wanted])
        except OSError as error:
            raise StoreUnavailable(f"{self.info.uri}: {error.strerror or error}") from error
        if not got:
            raise StoreUnavailable(
                f"{self.info.uri} ended {self._left} bytes early: it was cut while it was read", hint="read it again"
            )
        self._left -= got
        return got

    def close(self) -> None:
        self._file.close()


class BytesReading(FileReading):
    """The same of bytes in memory."""

    def __init__(self, info: ObjectInfo, data: bytes, start: int = 0, end: int | None = None) -> None:
        super().__init__(info, BytesIO(data), start, end, len(data))


def clip(start: int, end: int | None, size: int) -> tuple[int, int]:
    """The part of [start, end) that an object of `size` bytes has; empty where it lies behind its end."""
    if start < 0 or (end is not None and end < start):
        raise InvalidError(
            f"there are no bytes {start} up to {end}", hint="a range begins at 0 or above, and ends later"
        )
    first = min(start, size)
    return first, size if end is None else max(first, min(end, size))


def is_wanted(info: ObjectInfo, if_none_match: str | None, if_match: str | None) -> bool:
    """Whether to send an object; false if it is unmodified. Raises ObjectNotFound if `if_match` is of another one."""
    if if_match is not None and info.etag != if_match:
        raise ObjectNotFound(f"{info.uri} is no longer the one with ETag {if_match}", hint="read it from its beginning")
    return if_none_match is None or info.etag != if_none_match


def portions(reading: Reading) -> Iterator[memoryview]:
    """What a reading gives, in views of one buffer: each is good until the next is asked for."""
    buffer = memoryview(bytearray(BUFFER_BYTES))
    while got := reading.readinto(buffer):
        yield buffer[:got]


def read_bytes(reading: Reading) -> bytes:
    """All of a reading at once, which is closed; for what is known to be small."""
    with reading:
        return b"".join(bytes(portion) for portion in portions(reading))


@contextmanager
def opened(source: Path | bytes) -> Iterator[BinaryIO]:
    """A source of `put` as a binary file. Raises InvalidError if there is no such file."""
    if not isinstance(source, Path):
        with BytesIO(source) as memory:
            yield memory
        return
    try:
        file = source.open("rb")
    except OSError as error:
        raise InvalidError(
            f"{source} cannot be read: {error.strerror or error}", hint="name a file that exists and may be read"
        ) from error
    with file:
        yield file


def digest_of(source: Path | bytes, algorithm: str = "sha256") -> tuple[str, int]:
    """The digest, in lower-case hex, and the size of a source of `put`."""
    found, size = hashlib.new(algorithm, usedforsecurity=False), 0
    with opened(source) as file:
        while data := file.read(BUFFER_BYTES):
            found.update(data)
            size += len(data)
    return found.hexdigest(), size


def check_digest(uri: str, found: str, wanted: str | None) -> None:
    """Raise WrongDigest unless the digest found is the one wanted (in any letter case; None wants nothing)."""
    if wanted is not None and found != wanted.lower():
        raise WrongDigest(f"{uri}: the bytes have SHA-256 {found}, not {wanted}", hint="nothing of them was kept")


def tell(progress: Progress | None, size: int) -> None:
    """Tell whoever wants to know of `size` further bytes."""
    if progress is not None and size:
        progress(size)
