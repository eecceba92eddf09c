"""What kazoo lacks: many reads in one request, and taking a watch back.

`MultiRead` is ZooKeeper's opcode 22 (since 3.6, MultiTransactionRecord of getData); kazoo 2.11 has no name for it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from kazoo.exceptions import EXCEPTIONS
from kazoo.protocol.serialization import (
    GetData,
    int_struct,
    multiheader_struct,
    stat_struct,
    write_string,
)
from kazoo.protocol.states import ZnodeStat

_MZXID: Final = struct.Struct(">8xq")
_END: Final[bytes] = multiheader_struct.pack(-1, True, -1)
_DATA_WATCHES: Final = 2
_ONE: Final = multiheader_struct.pack(GetData.type, False, -1)


class MultiRead:
    """Read these paths in one request; the answer holds `(data, stat)` or the exception of each, in their order."""

    type: ClassVar[int] = 22

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = paths

    def serialize(self) -> bytes:
        parts: list[bytes] = [part for path in self.paths for part in (_ONE, write_string(path), b"\0")]
        return b"".join(parts) + _END

    @classmethod
    def deserialize(cls, data: bytes, at: int) -> list[Any]:
        found: list[Any] = []
        read_kind, read_number, take = multiheader_struct.unpack_from, int_struct.unpack_from, cls.take
        while True:
            kind, is_done, _ = read_kind(data, at)
            at += multiheader_struct.size
            if is_done:
                return found
            number = read_number(data, at)[0]
            at += int_struct.size
            if kind == GetData.type:
                end = at + max(0, number)
                found.append(take(data, at, end))
                at = end + stat_struct.size
            else:
                found.append(EXCEPTIONS[number]())

    @staticmethod
    def take(data: bytes, at: int, end: int) -> Any:
        """What is made of a node whose bytes stand from `at` to `end`, and its stat after them."""
        return data[at:end], ZnodeStat._make(stat_struct.unpack_from(data, end))

    @staticmethod
    def made_of(data: bytes, stat: Any) -> Any:
        """The same, of what a plain read brought."""
        return data, stat

    @staticmethod
    def size_of(value: Any) -> int:
        """How many bytes of data there were."""
        return len(value[0])


class MultiData(MultiRead):
    """The same, and of each node only its data: no object for its stat."""

    @staticmethod
    def take(data: bytes, at: int, end: int) -> Any:
        return data[at:end]

    @staticmethod
    def made_of(data: bytes, stat: Any) -> Any:
        return data

    @staticmethod
    def size_of(value: Any) -> int:
        return len(value)


class MultiLook(MultiRead):
    """The same, and of each node only `(bytes of data, mzxid)`, for whoever looks at all nodes again and again."""

    @staticmethod
    def take(data: bytes, at: int, end: int) -> Any:
        return end - at, _MZXID.unpack_from(data, end)[0]

    @staticmethod
    def made_of(data: bytes, stat: Any) -> Any:
        return len(data), stat.mzxid

    @staticmethod
    def size_of(value: Any) -> int:
        size: int = value[0]
        return size


class RemoveDataWatches:
    """Forget the watches on this node's data and being there (ZooKeeper's opcode 18, since 3.5)."""

    type: ClassVar[int] = 18

    def __init__(self, path: str) -> None:
        self.path = path

    def serialize(self) -> bytes:
        return b"".join((write_string(self.path), int_struct.pack(_DATA_WATCHES)))

    @classmethod
    def deserialize(cls, data: bytes, at: int) -> None:
        return None
