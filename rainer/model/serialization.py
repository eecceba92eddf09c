"""The ancestor's byte form of a commit, as it stands in znodes and in its MySQL table (contracts: original Rainer).

<length of header in decimal>\\n<header: JSON of key, version, author, comment, mtime, empty>\\n<payload bytes>\\n
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from rainer import limits
from rainer.errors import CorruptError
from rainer.model import times
from rainer.model.commit import Commit
from rainer.model.marks import Marks

_LENGTH = re.compile(rb"([0-9]{1,9})\n")


_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def to_bytes(commit: Commit) -> bytes:
    """The ancestor's bytes of a commit; the header's length counts bytes of UTF-8.

    Marks, where there are any, are members more, which readers pass over that do not know them.
    """
    marks = {} if commit.marks is None else commit.marks.members()
    return _joined(commit.meta() | marks, commit.payload or b"")


def pack(key: str, version: int, author: str, comment: str, mtime_ms: int, is_empty: bool, payload: bytes) -> bytes:
    """The same of a commit's members, where there are too many commits to make one of each."""
    meta = {
        "key": key, "version": version, "author": author, "comment": comment, "mtime": times.format_iso(mtime_ms),
        "empty": is_empty,
    }  # fmt: skip
    return _joined(meta, payload)


def _joined(meta: dict[str, Any], payload: bytes) -> bytes:
    header = _encode(meta).encode()
    return b"%d\n%s\n%s\n" % (len(header), header, payload)


def from_bytes(data: bytes, *, namespace: str = "diary") -> Commit:
    """Read the ancestor's bytes, raising CorruptError that says which part is wrong.

    Members of the header that are not known are passed over; a missing comment is the empty text and a missing
    `empty` is false, as older writers left them out. The commit's payload is verbatim.
    """
    start, end = header_span(data)
    if data[end : end + 1] != b"\n" or data[-1:] != b"\n" or len(data) < end + 2:
        raise CorruptError(f"the commit's bytes end before their header of {end - start} bytes and payload do")
    return from_parts(data[start:end], data[end + 1 : -1], namespace=namespace)


def header_span(data: bytes) -> tuple[int, int]:
    """Where the header begins and ends, as the first bytes of a commit tell; it may end beyond `data`. CorruptError."""
    m = _LENGTH.match(data)
    if not m:
        raise CorruptError("no header length at the start of the commit's bytes")
    return m.end(), m.end() + int(m[1])


def from_parts(raw: bytes, payload: bytes, *, namespace: str = "diary") -> Commit:
    """The commit of a header, alone, and a payload; CorruptError."""
    try:
        header = json.loads(raw.decode())
        key, version, author = header["key"], header["version"], header.get("author", "")
        comment, empty = header.get("comment", ""), header.get("empty", False)
        mtime = times.from_ms(times.parse_iso(header["mtime"]))
    except KeyError as e:
        raise CorruptError(f"the commit's header lacks {e}") from None
    except (ValueError, AttributeError, TypeError, RecursionError) as e:
        raise CorruptError(f"the commit's header is not the JSON of a commit: {e}") from None
    except Exception as e:
        raise CorruptError(f"the commit's header: {e}") from None
    fits = (
        isinstance(key, str) and key and type(version) is int and 0 < version <= limits.VERSION_MAX
        and isinstance(author, str) and isinstance(comment, str) and isinstance(empty, bool)
    )  # fmt: skip
    if not fits:
        raise CorruptError("a member of the commit's header has the wrong type or is out of range")
    if not all(_is_text(member) for member in (key, author, comment)):
        raise CorruptError("the commit's header holds a lone surrogate, which is not text")
    if empty and payload:
        raise CorruptError("the commit's header says empty, yet a payload follows")
    return Commit(
        key, version, None if empty else payload, author, comment, mtime, empty, namespace,
        marks=Marks.from_members(header),
    )  # fmt: skip


def _is_text(member: str) -> bool:
    # JSON can spell half a character, which no database and no wire would take later.
    try:
        member.encode()
    except UnicodeEncodeError:
        return False
    return True
