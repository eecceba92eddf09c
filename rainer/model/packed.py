"""Packed heads: the one binary form of log batches in ZooKeeper and of a mirror's snapshot on disk.

    <4 bytes magic><u32 length of the header><header: JSON><records><32 bytes: SHA-256 of all before>
    record: <u16 key bytes><u32 data bytes><u32 version><i64 revision, 0 where unknown><u8 kind><key><data>

Numbers are big-endian. `data` is the commit in the ancestor's bytes, also of a removal (its header says empty); for a
payload that is too large for a znode it is a `Parts` instead. Every language reads and writes it: tests/vectors.

A removal of version 0 without data, in a repair, says that the journal never had the key: somebody invented its node by
hand, and whoever holds it forgets it, version and all.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Any, Final, NamedTuple

from rainer.errors import CorruptError

_RECORD: Final = struct.Struct(">HIIqB")
_LENGTH: Final = struct.Struct(">I")
_SUM_BYTES: Final = 32
RECORD_BYTES: Final = _RECORD.size
"""What a record takes beside its key and data."""
FRAME_BYTES: Final = 4 + _LENGTH.size + _SUM_BYTES
"""What a frame takes beside its header and records."""


class Kind(IntEnum):
    """What a record says of its key."""

    HEAD = 0
    REMOVED = 1
    PARTS = 2


class PackedHead(NamedTuple):
    """A key as of its newest commit; `revision` 0 where the source does not tell."""

    key: str
    version: int
    revision: int
    kind: Kind
    data: bytes


def pack_records(heads: Iterable[PackedHead]) -> bytes:
    """The records alone, one after the other."""
    out: list[bytes] = []
    for key, version, revision, kind, data in heads:
        name = key.encode()
        out += (_RECORD.pack(len(name), len(data), version, revision, kind), name, data)
    return b"".join(out)


def unpack_records(records: bytes) -> Iterator[PackedHead]:
    """The records of `pack_records`; CorruptError."""
    at, end = 0, len(records)
    try:
        while at < end:
            name_bytes, data_bytes, version, revision, kind = _RECORD.unpack_from(records, at)
            name = at + RECORD_BYTES
            data = name + name_bytes
            at = data + data_bytes
            if at > end:
                raise CorruptError("the records end in the middle of one")
            yield PackedHead(records[name:data].decode(), version, revision, _KINDS[kind], records[data:at])
    except (struct.error, UnicodeDecodeError, IndexError) as e:
        raise CorruptError(f"the records are damaged: {e}") from None


_KINDS: Final = list(Kind)


def frame(magic: bytes, header: dict[str, Any], records: bytes) -> bytes:
    """Header and records as one checksummed text of bytes; `magic` is four bytes."""
    head = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    body = b"".join((magic, _LENGTH.pack(len(head)), head, records))
    return body + hashlib.sha256(body).digest()


def unframe(magic: bytes, data: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and records of `frame`; CorruptError says what is wrong with it."""
    if len(data) < FRAME_BYTES or data[:4] != magic:
        raise CorruptError(f"the bytes do not begin with {magic!r}, or end too early")
    body, found = data[:-_SUM_BYTES], data[-_SUM_BYTES:]
    if hashlib.sha256(body).digest() != found:
        raise CorruptError("the checksum does not match the bytes")
    start = 4 + _LENGTH.size
    end = start + _LENGTH.unpack_from(body, 4)[0]
    try:
        header = json.loads(body[start:end])
    except (ValueError, RecursionError) as e:
        raise CorruptError(f"the header is not JSON: {e}") from None
    if end > len(body) or not isinstance(header, dict):
        raise CorruptError("the header is not a JSON object, or longer than the bytes")
    return header, body[end:]
