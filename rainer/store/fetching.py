"""From a store into an open file: hashed as the bytes pass, taken up again after a break, verified at the end."""

from __future__ import annotations

import fcntl
import hashlib
import os
from typing import Final, NamedTuple

from rainer.errors import NoSpace, StoreUnavailable, WrongDigest
from rainer.limits import MiB
from rainer.store.disk import write_at
from rainer.store.ranges import RANGE_BYTES, fetch_ranges
from rainer.store.source import Source, StartOver
from rainer.store.store import Ahead, ObjectInfo, Progress, Reading, Store, shown

RANGES_ABOVE_BYTES: Final = 64 * MiB
"""Larger objects come in several ranges at a time."""


class Fetched(NamedTuple):
    """What came: what the store says of the object, and the SHA-256 (lower-case hex) and size in bytes of what is in
    the file."""

    info: ObjectInfo
    sha256: str
    size: int


def fetch(
    store: Store, uri: str, fd: int, *, size: int | None = None, sha256: str | None = None,
    if_none_match: str | None = None, progress: Progress | None = None, ahead: Ahead | None = None,
) -> Fetched | None:  # fmt: skip
    """Read an object into an empty open file, from its beginning; None if it still has the ETag `if_none_match`.

    `size` (bytes) and `sha256` (lower-case hex) are what it must be, and without a `sha256` the one that the store
    itself tells, if it does: WrongDigest if it is not. A connection that breaks is taken up where it broke, if the
    object is still the same; one that changed meanwhile is read anew, once.
    `ahead` is the whole object, asked for already. Objects above 64 MiB come in ranges side by side if the file is open
    for reading too. `progress` hears of each portion, and of a negative one when the object is read anew. On any error
    the file's contents are worth nothing.
    Raises WrongDigest, StoreUnavailable, NoSpace, ObjectNotFound and CredentialsError. Holds 256 KiB a thread.
    """
    job = _Job(store, uri, fd, size, sha256, progress)
    try:
        return job.run(if_none_match) if ahead is None else job.read(ahead.open())
    except StartOver:
        job.forget()
    try:
        return job.run(if_none_match)
    except StartOver as e:
        raise StoreUnavailable(f"{shown(uri)}: {e}, twice", hint="try again when it is no longer being written") from e


class _Job:
    """One call of `fetch`."""

    def __init__(
        self, store: Store, uri: str, fd: int, size: int | None, sha256: str | None, progress: Progress | None
    ) -> None:
        self.store, self.uri, self.fd = store, uri, fd
        self.size, self.sha256, self.progress = size, sha256, progress
        self.told = 0

    def run(self, if_none_match: str | None) -> Fetched | None:
        in_ranges = self.size is not None and self.size > RANGES_ABOVE_BYTES and _is_readable(self.fd)
        return self.read(self.store.open(self.uri, end=RANGE_BYTES if in_ranges else None, if_none_match=if_none_match))

    def read(self, reading: Reading | None) -> Fetched | None:
        if reading is None:
            return None
        with reading:
            info = reading.info
            self._expect(info)
            source = Source(self.store, self.uri, info, is_checked=self.sha256 is not None)
            return self._read(reading, source)

    def forget(self) -> None:
        """Throw away what came so far."""
        os.ftruncate(self.fd, 0)
        if self.progress is not None and self.told:
            self.progress(-self.told)
        self.told = 0

    def _expect(self, info: ObjectInfo) -> None:
        """Refuse what has the wrong size before it comes."""
        if self.size is not None and info.size is not None and info.size != self.size:
            raise WrongDigest(
                f"{shown(self.uri)} has {info.size} bytes, and {self.size} were promised",
                hint="somebody replaced the object, or the promise belongs to another one",
            )
        if info.size is not None and info.size > RANGES_ABOVE_BYTES:
            _expect_room(self.fd, info)

    def _read(self, reading: Reading, source: Source) -> Fetched:
        total = source.info.size
        if total is not None and total > RANGES_ABOVE_BYTES and source.can_be_split and _is_readable(self.fd):
            return self._checked(source, fetch_ranges(source, reading, self.fd, total, self._tell), total)
        digest, fd, told = hashlib.sha256(), self.fd, self.progress is not None
        limit = self.size

        def take(portion: memoryview, at: int) -> None:
            if limit is not None and at + len(portion) > limit:
                raise WrongDigest(f"{shown(self.uri)} has more than the {limit} bytes that were promised")
            digest.update(portion)
            write_at(fd, portion, at)
            if told:
                self._tell(len(portion))

        count = source.stream(reading, 0, total, take)
        return self._checked(source, digest.hexdigest(), count)

    def _checked(self, source: Source, sha256: str, size: int) -> Fetched:
        told = source.info.sha256 if self.sha256 is None else None
        if (self.size in (None, size)) and (self.sha256 in (None, sha256)) and told in (None, sha256):
            return Fetched(source.info, sha256, size)
        if source.is_patched:
            raise StartOver("what came after a break does not fit what came before")
        raise WrongDigest(
            f"{shown(self.uri)} came as {size} bytes of SHA-256 {sha256}; promised were"
            f" {'any number' if self.size is None else self.size} of {self.sha256 or told or 'any'}",
            hint="somebody replaced the object, or what lies between altered it; nothing was kept",
        )

    def _tell(self, count: int) -> None:
        self.told += count
        if self.progress is not None:
            self.progress(count)


def _is_readable(fd: int) -> bool:
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR


def _expect_room(fd: int, info: ObjectInfo) -> None:
    """Find out before a long download that it cannot end well."""
    disk = os.fstatvfs(fd)
    free = disk.f_bavail * disk.f_frsize
    if info.size is not None and free < info.size and disk.f_blocks:
        raise NoSpace(
            f"{shown(info.uri)} has {info.size} bytes, and the disk has room for {free}",
            hint="make room, and try again",
        )
