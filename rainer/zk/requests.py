"""What kazoo lacks: many reads in one request.

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
    read_buffer,
    stat_struct,
    write_string,
)
from kazoo.protocol.states import ZnodeStat

_MZXID: Final = struct.Struct(">8xq")
_END: Final[bytes] = multiheader_struct.pack(-1, True, -1)
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
        while True:
            kind, is_done, _ = multiheader_struct.unpack_from(data, at)
            at += multiheader_struct.size
            if is_done:
                return found
            if kind == GetData.type:
                value, at = read_buffer(data, at)
                found.append((value or b"", ZnodeStat._make(stat_struct.unpack_from(data, at))))
                at += stat_struct.size
            else:
                found.append(EXCEPTIONS[int_struct.unpack_from(data, at)[0]]())
                at += int_struct.size


class MultiLook(MultiRead):
    """The same, and of each node only `(bytes of data, mzxid)`, for whoever looks at all nodes again and again."""

    @classmethod
    def deserialize(cls, data: bytes, at: int) -> list[Any]:
        found: list[Any] = []
        read_kind, read_length = multiheader_struct.unpack_from, int_struct.unpack_from
        read_zxid = _MZXID.unpack_from
        while True:
            kind, is_done, _ = read_kind(data, at)
            at += multiheader_struct.size
            if is_done:
                return found
            if kind == GetData.type:
                size = max(0, read_length(data, at)[0])
                at += int_struct.size + size
                found.append((size, read_zxid(data, at)[0]))
                at += stat_struct.size
            else:
                found.append(EXCEPTIONS[read_length(data, at)[0]]())
                at += int_struct.size
