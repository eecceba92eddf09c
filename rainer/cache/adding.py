"""Local files into the cache: copied, hashed as they are written."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from rainer.cache.failures import not_cached
from rainer.cache.materialize import shares
from rainer.cache.names import safe_name
from rainer.cache.parts import Parts
from rainer.cache.pinned import checked_digest
from rainer.errors import InvalidError, NotFoundError, WrongDigest
from rainer.store.fetching import Fetched
from rainer.store.store import ObjectInfo

_PORTION: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Blob:
    """A file that the cache took: its SHA-256 (lower-case hex), its bytes, and where it is now."""

    sha256: str
    size: int
    path: Path


def add(parts: Parts, source: Path | BinaryIO, name: str | None, sha256: str | None) -> Blob:
    """What `AssetCache.add` does."""
    digest = None if sha256 is None else checked_digest(sha256)
    called = name or os.path.basename(str(getattr(source, "name", "") or "file"))  # noqa: PTH119
    if parts.read_only:
        raise not_cached(str(source), str(parts.layout.root), "the cache is read-only", "name one that can be written")
    if not isinstance(source, str | os.PathLike):
        return _add(parts, source, called, digest, None)
    try:
        with Path(source).open("rb") as file:
            return _add(parts, file, called, digest, os.fstat(file.fileno()).st_size)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as e:
        raise NotFoundError(f"there is no file {source}", hint="name a file that exists") from e


def _add(parts: Parts, file: BinaryIO, name: str, digest: str | None, size: int | None) -> Blob:
    begun: list[int] = []

    def fill(number: int) -> Fetched:
        if begun:  # the disk was full, and some of it was made free
            if not file.seekable():
                raise InvalidError("the disk was full while a stream was read, which cannot be read again")
            file.seek(begun[0])
        else:
            begun.append(file.tell() if file.seekable() else 0)
        found, count = _copy(file, number, whole=size is not None)
        if digest not in (None, found):
            raise WrongDigest(
                f"{name} has the SHA-256 {found}, and {digest} was said", hint="it changed: hash it again"
            )
        return Fetched(ObjectInfo(name, count), found, count)

    with parts.turns.take(None) as turn:
        arrived = parts.arrivals.bring(fill, safe_name(name), size, turn)
    assert arrived is not None
    path = parts.warm.put((arrived.sha256, name), arrived.found, arrived.sha256)
    return Blob(arrived.sha256, arrived.found.size, path)


def _copy(file: BinaryIO, number: int, *, whole: bool) -> tuple[str, int]:
    """Copy what a file still holds; the SHA-256 of what is in the copy, and its bytes."""
    digest, count = hashlib.sha256(), 0
    if whole and shares(file.fileno(), number):
        with open(number, "rb", closefd=False) as copy:
            return hashlib.file_digest(copy, "sha256").hexdigest(), os.fstat(number).st_size
    while data := file.read(_PORTION):
        digest.update(data)
        left = memoryview(data)
        while left:
            left = left[os.write(number, left) :]
        count += len(data)
    return digest.hexdigest(), count
