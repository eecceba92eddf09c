"""The hash chain: each commit's hash covers the one before it and its own canonical bytes.

Canonical bytes hold the namespace by name (so that renaming one is seen) and the payload by its SHA-256 (so that the
law can have a payload redacted without breaking the chain). Every field is preceded by its length: no two commits
share their canonical bytes. A commit with marks is of form 2, which ends with them; one without is of form 1.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Final

GENESIS: Final = bytes(32)
"""What stands before the first commit."""

_FIXED: Final = struct.Struct(">BqqqqqB")
_LENGTH: Final = struct.Struct(">I")
_FORM: Final = 1
_FORM_WITH_MARKS: Final = 2


def payload_sha256(payload: bytes | None) -> bytes | None:
    """SHA-256 of a payload, None of an empty commit."""
    return None if payload is None else hashlib.sha256(payload).digest()


def link(
    previous: bytes,
    *,
    revision: int,
    namespace: str,
    key: str,
    version: int,
    author: str,
    comment: str,
    mtime_ms: int,
    recorded_ms: int,
    digest: bytes | None,
    commit_id: str | None,
    changeset: int,
    marks: str | None = None,
) -> bytes:
    """The 32-byte hash of a commit whose predecessor in the journal has the hash `previous`; `digest` None is empty."""
    form = _FORM if marks is None else _FORM_WITH_MARKS
    parts = [
        previous,
        _FIXED.pack(form, revision, version, mtime_ms, recorded_ms, changeset, digest is None),
        digest or b"",
    ]
    texts = (namespace, key, author, comment, commit_id or "")
    for text in texts if marks is None else (*texts, marks):
        raw = text.encode()
        parts += (_LENGTH.pack(len(raw)), raw)
    return hashlib.sha256(b"".join(parts)).digest()
