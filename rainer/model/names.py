"""Which keys, namespaces, versions, authors and ids the journal takes.

A key must be a name that ZooKeeper takes as well, for each head becomes a znode: hence no slash, no control characters,
nothing beyond the Basic Multilingual Plane (ZooKeeper refuses surrogates).
"""

from __future__ import annotations

import re
from typing import Final

from rainer import limits
from rainer.errors import InvalidError, TooLargeError

DEFAULT_NAMESPACE: Final = "diary"
SYSTEM_NAMESPACE: Final = "rainer"
"""Holds the documents that the server itself obeys: policy, rules and schemas."""

_KEY: Final = re.compile("[^/\x00-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\uffff\U00010000-\U0010ffff]+")
_NAMESPACE: Final = re.compile(r"[a-z][a-z0-9._-]*")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_COMMIT_ID: Final = re.compile(r"[\x21-\x7e]+")
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


def check_key(key: str) -> str:
    """Return `key` if it is 1 to 255 bytes of UTF-8 that the journal and ZooKeeper can name; else InvalidError."""
    if not _KEY.fullmatch(key) or key in (".", ".."):
        raise InvalidError(
            f"key {shorten(key)} is not allowed: {_why_not_key(key)}",
            hint="a key is 1 to 255 bytes of UTF-8 without '/', control characters or characters beyond U+FFEF",
        )
    if len(key) * 3 > limits.KEY_BYTES_MAX and len(key.encode()) > limits.KEY_BYTES_MAX:
        raise InvalidError(
            f"key {shorten(key)} has {len(key.encode())} bytes, over the {limits.KEY_BYTES_MAX} that a key may have"
        )
    return key


def _why_not_key(key: str) -> str:
    if not key:
        return "it is empty"
    if key in (".", ".."):
        return "'.' and '..' are not names"
    bad = next((c for c in key if not _KEY.fullmatch(c)), "?")
    return "it holds a '/'" if bad == "/" else f"it holds U+{ord(bad):04X}"


def may_begin_key(prefix: str) -> bool:
    """Whether a key can begin with `prefix`; the empty text begins every key."""
    return not prefix or _KEY.fullmatch(prefix) is not None


def is_namespace(name: str) -> bool:
    """Whether a namespace can be called so."""
    return len(name) <= limits.NAMESPACE_CHARS_MAX and _NAMESPACE.fullmatch(name) is not None


def check_namespace(name: str) -> str:
    """Return `name` if it is 1 to 64 of `a-z 0-9 . _ -` beginning with a letter; else InvalidError."""
    if not is_namespace(name):
        raise InvalidError(
            f"namespace {shorten(name)} is not allowed",
            hint="a namespace is 1 to 64 of a-z 0-9 . _ - and begins with a letter",
        )
    return name


def parse_version(text: str) -> int:
    """Read a version written in plain decimal, 1 to 2147483647, no sign and no leading zero; else InvalidError."""
    if _VERSION.fullmatch(text):
        version = int(text)
        if version <= limits.VERSION_MAX:
            return version
    raise InvalidError(
        f"version {shorten(text)} is not a whole number from 1 to {limits.VERSION_MAX}",
        hint="versions are written in plain decimal without leading zeros",
    )


def check_version(version: object) -> int:
    """Return `version` if it is an int (not a bool) from 1 to 2147483647; else InvalidError."""
    if isinstance(version, int) and not isinstance(version, bool) and 1 <= version <= limits.VERSION_MAX:
        return version
    raise InvalidError(f"version {ascii(version)[:60]} is not a whole number from 1 to {limits.VERSION_MAX}")


def check_author(author: str) -> str:
    """Return `author` if it is 1 to 1,000 bytes of text on one line; else InvalidError."""
    if not author:
        raise InvalidError("the author is empty", hint="name who makes this commit")
    check_text("author", author, limits.AUTHOR_BYTES_MAX)
    if not author.isprintable():
        bad = _UNPRINTABLE.search(author)
        if bad:
            raise InvalidError(f"the author {shorten(author)} holds the control character U+{ord(bad[0]):04X}")
    return author


def check_comment(comment: str) -> str:
    """Return `comment` if it is at most 65,536 bytes of text without NUL; it may be empty and have several lines."""
    check_text("comment", comment, limits.COMMENT_BYTES_MAX)
    return comment


def check_text(what: str, text: str, bytes_max: int | None = None) -> None:
    """InvalidError for what no database can keep as text, and TooLargeError for what is over `bytes_max`."""
    if text.isascii():
        size = len(text)
    else:
        try:
            size = len(text.encode())
        except UnicodeEncodeError as e:
            raise InvalidError(
                f"the {what} holds a lone surrogate, U+{ord(text[e.start]):04X}, which is not text"
            ) from None
    if bytes_max is not None and size > bytes_max:
        raise TooLargeError(f"the {what} has {size} bytes, over the limit of {bytes_max}", limit=bytes_max)
    if "\0" in text:
        raise InvalidError(f"the {what} holds U+0000, which not every database can keep", hint="remove the NUL")


def check_commit_id(commit_id: str) -> str:
    """Return `commit_id` if it is 1 to 64 visible ASCII characters; else InvalidError."""
    if len(commit_id) > limits.COMMIT_ID_CHARS_MAX or not _COMMIT_ID.fullmatch(commit_id):
        raise InvalidError(
            f"commit id {shorten(commit_id)} is not allowed", hint="1 to 64 visible ASCII characters, such as a UUID"
        )
    return commit_id


def shorten(text: str, chars_max: int = 60) -> str:
    """Quote text for an error message, cut to `chars_max` characters, with anything unprintable escaped."""
    return ascii(text) if len(text) <= chars_max else ascii(text[:chars_max]) + "…"
