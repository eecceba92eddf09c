"""Contents on their way out: a range of them, unpacked; what is read whole is proved before its last byte goes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from rainer.errors import CorruptError
from rainer.model.names import shorten
from rainer.server_store import frames
from rainer.server_store.frames import FRAME_BYTES
from rainer.server_store.places import Places
from rainer.server_store.rows import ZSTD, Contents

_PIECE_BYTES: Final = 1024 * 1024


class ContentsReading:
    """Bytes `start` to `end` of contents, in pieces of at most 1 MiB; for one thread at a time, and to be closed.

    Making one raises ObjectNotFound where nothing lies in the place; reading raises CorruptError for bytes that are not
    those that were put, and StoreUnavailable. Of contents that are read whole the last piece comes only if all have the
    right SHA-256.
    """

    def __init__(self, places: Places, contents: Contents, start: int, end: int) -> None:
        self._contents = contents
        self._digest = hashlib.sha256() if (start, end) == (0, contents.size) else None
        if contents.coding == ZSTD:
            offsets = _offsets(places, contents)
            first, last = start // FRAME_BYTES, max(frames.frames_of(end), start // FRAME_BYTES)
            self._reading = places.open(contents.place, offsets[first], offsets[last])
            self._pieces = self._unpacked(offsets[first : last + 1], start - first * FRAME_BYTES, end - start)
        else:
            self._reading = places.open(contents.place, start, end)
            self._pieces = self._plain(end - start)
        self._held: bytes | None = None

    def read(self) -> bytes:
        """The next piece; empty at the end."""
        if self._digest is None:
            return next(self._pieces, b"")
        if self._held is None:
            self._held = self._next()
        piece, self._held = self._held, self._next() if self._held else b""
        return piece

    def close(self) -> None:
        """Let go of the file or connection."""
        self._reading.close()

    def _next(self) -> bytes:
        """A piece ahead of what is given out, so that the digest is known before the last one is."""
        assert self._digest is not None
        piece = next(self._pieces, b"")
        self._digest.update(piece)
        if not piece and self._digest.digest() != self._contents.sha256:
            raise CorruptError(
                f"what lies in {shorten(self._contents.place, 90)} has another SHA-256",
                hint="put the same file again, or restore a copy of the store",
            )
        return piece

    def _plain(self, left: int) -> Iterator[bytes]:
        while left:
            piece = self._exactly(min(left, _PIECE_BYTES))
            left -= len(piece)
            yield piece

    def _unpacked(self, offsets: list[int], skipped: int, left: int) -> Iterator[bytes]:
        for begin, end in pairwise(offsets):
            piece = frames.unpack(self._exactly(end - begin))[skipped : skipped + left]
            skipped, left = 0, left - len(piece)
            yield piece

    def _exactly(self, size: int) -> bytes:
        data = self._reading.read(size)
        if len(data) != size:
            raise CorruptError(
                f"what lies in {shorten(self._contents.place, 90)} ends too early",
                hint="put the same file again, or restore a copy of the store",
            )
        return data


def _offsets(places: Places, contents: Contents) -> list[int]:
    """Where each frame begins and all end; of a single frame that is known without its table."""
    table_bytes = frames.table_bytes(contents.size)
    packed = contents.stored_size - table_bytes
    if frames.frames_of(contents.size) == 1:
        return [0, packed]
    reading = places.open(contents.place, packed, contents.stored_size)
    try:
        return list(frames.read_table(reading.read(table_bytes), contents.size))
    finally:
        reading.close()
