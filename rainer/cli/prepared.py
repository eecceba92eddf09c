"""pyrainer's prepared form of a commit: metadata in YAML, a line of three dashes, and the payload as it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rainer.errors import InvalidError
from rainer.model import times
from rainer.model.names import check_version

_DIVIDER: Final = re.compile(rb"^---\r?(?:\n|\Z)", re.MULTILINE)
# Line breaks to YAML 1.1 that PyYAML writes as they are and reads back as others: only with escapes they stay.
_ODD_BREAKS: Final = re.compile("[\x85\u2028\u2029]")
_KNOWN: Final = {"key", "version", "author", "comment", "mtime", "empty"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a prepared commit says; what it leaves out is None. `payload` None removes the key."""

    version: int
    payload: bytes | None
    author: str | None
    comment: str
    mtime: datetime | None


def to_bytes(*, version: int, author: str, comment: str, payload: bytes) -> bytes:
    """A commit in the prepared form."""
    import yaml

    readable = not _ODD_BREAKS.search(author + comment)
    header = yaml.safe_dump({"author": author, "comment": comment, "version": version}, allow_unicode=readable)
    return header.encode() + b"---\n" + payload


def from_bytes(data: bytes, key: str) -> Prepared:
    """Read the prepared form of a commit of `key`; InvalidError says what is wrong with it."""
    divider = _DIVIDER.search(data, 1)
    header = _read_header(data[: divider.start()] if divider else data)
    if header.get("key", key) != key:
        raise InvalidError(f"the prepared commit is of key {header['key']!r}, not of {key!r}")
    payload = data[divider.end() :] if divider else b""
    if header.get("empty", False):
        if payload.strip():
            raise InvalidError("the prepared commit says empty, yet a payload follows")
        return _prepared(header, None)
    if divider is None:
        raise InvalidError("the prepared commit has no line `---` between its metadata and its payload")
    return _prepared(header, payload)


def _read_header(raw: bytes) -> dict[str, Any]:
    import yaml

    try:
        header = yaml.safe_load(raw)
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise InvalidError(f"the prepared commit's metadata is not YAML: {' '.join(str(e).split())}") from None
    if not isinstance(header, dict) or "version" not in header:
        raise InvalidError(
            "the prepared commit's metadata has no version", hint="`rainer prepare KEY` prints one to begin with"
        )
    unknown = sorted(str(name) for name in header.keys() - _KNOWN)
    if unknown:
        raise InvalidError(f"the prepared commit's metadata has an unknown member, {unknown[0]!r}")
    for name, kind in (("author", str), ("comment", str), ("empty", bool)):
        if not isinstance(header.get(name, kind()), kind | None):
            raise InvalidError(f"the prepared commit's {name} is {header[name]!r}", hint="put it in quotes")
    return header


def _prepared(header: dict[str, Any], payload: bytes | None) -> Prepared:
    return Prepared(
        version=check_version(header["version"]),
        payload=payload,
        author=header.get("author"),
        comment=header.get("comment") or "",
        mtime=_moment(header.get("mtime")),
    )


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, datetime):  # YAML knows times; without an offset they are meant in UTC there
        return value if value.tzinfo else times.from_ms(times.parse_iso(f"{value.isoformat()}Z"))
    return times.from_ms(times.parse_iso(str(value)))
