"""A moment for each who asked lately, in a file that the workers of one server have in memory together."""

from __future__ import annotations

import hashlib
import mmap
import struct
from pathlib import Path
from typing import Final

_ENTRY: Final = struct.Struct("=8sd")
_WAYS: Final = 8
_BUCKETS: Final = 4096
_NEVER_S: Final = float("inf")
_SIZE: Final = _BUCKETS * _WAYS * _ENTRY.size


class SharedTimes:
    """Eight places for all whose names have one hash; who comes ninth takes that of the earliest moment.

    There is no lock: two processes that count the same name within the same microsecond may count one question for two,
    and a moment read while it is written may be somebody else's, for that one question. The system's monotonic clock
    is one for all processes.
    """

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), _SIZE)

    @staticmethod
    def make(file: Path) -> None:
        """Make the file, in which nobody has asked yet."""
        file.write_bytes(bytes(_SIZE))

    def get(self, who: str) -> float:
        begin, tag = _place(who)
        for at in range(begin, begin + _WAYS * _ENTRY.size, _ENTRY.size):
            found, time_s = _ENTRY.unpack_from(self._memory, at)
            if found == tag:
                return float(time_s)
        return 0.0

    def put(self, who: str, time_s: float, _now_s: float) -> None:
        begin, tag = _place(who)
        earliest, earliest_s = begin, _NEVER_S
        for at in range(begin, begin + _WAYS * _ENTRY.size, _ENTRY.size):
            found, then_s = _ENTRY.unpack_from(self._memory, at)
            if found == tag:
                earliest = at
                break
            if then_s < earliest_s:
                earliest, earliest_s = at, then_s
        _ENTRY.pack_into(self._memory, earliest, tag, time_s)


def _place(who: str) -> tuple[int, bytes]:
    digest = hashlib.blake2b(who.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    bucket = int.from_bytes(digest[8:12]) % _BUCKETS
    return bucket * _WAYS * _ENTRY.size, digest[:8]
