"""What a mirror holds of a key: the commit, or, until somebody reads it, the ancestor's bytes of it.

Bytes are checked when they come in, so that what is held can always be read: a pattern proves the form that all our own
programs write, anything else is parsed at once. To parse 100,000 commits takes half a second, to prove them a quarter
of that, and most are never read.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from rainer import limits
from rainer.errors import CorruptError
from rainer.model.commit import Commit
from rainer.model.packed import Kind, PackedHead
from rainer.model.serialization import from_bytes, to_bytes

Unread: TypeAlias = tuple[bytes, int, int]
"""The commit's bytes, its version, and its revision (0 where the source does not tell)."""
Held: TypeAlias = Commit | Unread

# Days that every year has; the 29th of February is left to the parser, like everything else that is rare.
_DAY: Final = rb"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
_TIME: Final = rb"(?!0000)\d{4}-" + _DAY + rb"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z"
_TEXT: Final = rb'[^"\\\x00-\x1f]*'
_PROVEN: Final = re.compile(
    rb'([1-9]\d{0,8})\n(\{"key":"(' + _TEXT + rb')","version":([1-9]\d{0,9}),"author":"' + _TEXT + rb'","comment":"'
    + _TEXT + rb'","mtime":"' + _TIME + rb'","empty":(true|false)\})\n'
)  # fmt: skip


def check(head: PackedHead) -> tuple[int, bool]:
    """The version of a head that came in and whether it is a removal; CorruptError for bytes that are not its commit's.

    A head of version 0 is whatever its bytes say; otherwise version and kind must be theirs.
    """
    key, told, _, kind, data = head
    found = _PROVEN.match(data)
    if found is not None and _is_proven(found, key, data):
        version, removed = int(found[4]), found[5] == b"true"
    else:
        version, removed = _parsed(key, data)
    if told and version != told:
        raise CorruptError(f"the bytes are of version {version}, not of version {told}")
    if told and removed is not (kind is Kind.REMOVED):
        raise CorruptError(f"the bytes of version {version} and what was told of them differ in whether it is empty")
    return version, removed


def _is_proven(found: re.Match[bytes], key: str, data: bytes) -> bool:
    length, header, name, version, empty = found.groups()
    if not header.isascii():
        try:
            header.decode()
        except UnicodeDecodeError:
            return False
    payload_bytes = len(data) - found.end() - 1
    return (
        int(length) == len(header)
        and name == key.encode()
        and int(version) <= limits.VERSION_MAX
        and data.endswith(b"\n")
        and (payload_bytes == 0 if empty == b"true" else payload_bytes >= 0)
    )


def _parsed(key: str, data: bytes) -> tuple[int, bool]:
    commit = from_bytes(data)
    if commit.key != key:
        raise CorruptError(f"the bytes are of another key, {commit.key!r}")
    return commit.version, commit.is_empty


def head_of(key: str, data: bytes, revision: int = 0) -> PackedHead:
    """The head that a commit's bytes are, with version and kind as they say; CorruptError."""
    version, removed = check(PackedHead(key, 0, revision, Kind.HEAD, data))
    return PackedHead(key, version, revision, Kind.REMOVED if removed else Kind.HEAD, data)


def read(key: str, held: Held, namespace: str) -> Commit:
    """The commit of what is held; cannot fail for what `check` has passed."""
    if type(held) is Commit:
        return held
    data, _, revision = held  # type: ignore[misc]
    commit = from_bytes(data, namespace=namespace)
    # Made a line ago and seen by nobody: to fill it in is cheaper than to make it twice, and the key is held already.
    object.__setattr__(commit, "key", key)
    object.__setattr__(commit, "revision", revision or None)
    return commit


def version_of(held: Held) -> int:
    """The version of what is held."""
    return held[1] if isinstance(held, tuple) else held.version


def is_same(held: Held, data: bytes, version: int) -> bool:
    """Whether the bytes of a version say what is held already."""
    if version_of(held) != version:
        return False
    return data == (held[0] if isinstance(held, tuple) else to_bytes(held))


def pack(key: str, held: Held) -> PackedHead:
    """What is held, to be kept elsewhere."""
    if isinstance(held, tuple):
        data, version, revision = held
        return PackedHead(key, version, revision, Kind.HEAD, data)
    return PackedHead(key, held.version, held.revision or 0, Kind.HEAD, to_bytes(held))
