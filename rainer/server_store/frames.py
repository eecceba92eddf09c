"""Contents in frames of zstd, so that a range is read without all that stands before it.

The form is zstd's own "seekable format" (contrib/seekable_format in its sources): frames of 1 MiB, each with its own
checksum, and after the last one a skippable frame with the size of each. `zstd -d` reads it as one file.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from rainer.errors import CorruptError

FRAME_BYTES: Final = 1024 * 1024
LEVEL: Final = 3
WORTH: Final = 0.9
"""Contents are compressed if that makes their first frame smaller than this part of it."""
_ENTRY: Final = struct.Struct("<II")
_HEAD: Final = struct.Struct("<II")
_FOOT: Final = struct.Struct("<IBI")
_SKIPPABLE: Final = 0x184D2A5E
_SEEKABLE: Final = 0x8F92EAB1


class FrameWriter:
    """Compresses one frame after another; for one thread."""

    def __init__(self) -> None:
        import zstandard

        self._compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        self._sizes: list[tuple[int, int]] = []

    def frame(self, data: bytes | bytearray) -> bytes:
        """A frame of these bytes, of which all but the last have FRAME_BYTES."""
        packed = self._compressor.compress(data)
        self._sizes.append((len(packed), len(data)))
        return packed

    def table(self) -> bytes:
        """What stands after the last frame."""
        entries = b"".join(_ENTRY.pack(*sizes) for sizes in self._sizes)
        head = _HEAD.pack(_SKIPPABLE, len(entries) + _FOOT.size)
        return head + entries + _FOOT.pack(len(self._sizes), 0, _SEEKABLE)


def frames_of(size: int) -> int:
    """How many frames contents of so many bytes have."""
    return -(-size // FRAME_BYTES)


def table_bytes(size: int) -> int:
    """How long the table of contents of `size` bytes is."""
    return _HEAD.size + frames_of(size) * _ENTRY.size + _FOOT.size


def read_table(table: bytes, size: int) -> Sequence[int]:
    """Where each frame begins and, last, where all end; CorruptError for what is not the table of `size` bytes."""
    count = frames_of(size)
    try:
        head, foot = _HEAD.unpack_from(table), _FOOT.unpack_from(table, len(table) - _FOOT.size)
        sizes = list(_ENTRY.iter_unpack(table[_HEAD.size : -_FOOT.size]))
    except struct.error as e:
        raise _corrupt() from e
    whole = [FRAME_BYTES] * (count - 1) + [size - FRAME_BYTES * (count - 1)]
    is_right = head == (_SKIPPABLE, len(table) - _HEAD.size) and foot == (count, 0, _SEEKABLE)
    if not is_right or [unpacked for _, unpacked in sizes] != whole:
        raise _corrupt()
    return list(accumulate((packed for packed, _ in sizes), initial=0))


def unpack(frame: bytes) -> bytes:
    """The bytes of one frame; CorruptError if they are not what was packed."""
    import zstandard

    try:
        return zstandard.ZstdDecompressor().decompress(frame, max_output_size=FRAME_BYTES)
    except zstandard.ZstdError as e:
        raise _corrupt() from e


def _corrupt() -> CorruptError:
    return CorruptError("stored contents are damaged", hint="put the same file again, or restore a copy of the store")
