"""The hash chain once more, from its description alone, so that a change of the journal's own code cannot hide here.

hash = SHA-256( previous hash, 32 bytes
              | 0x01 | revision | version | mtime_ms | recorded_ms | changeset: 8 bytes each, big-endian, signed
              | 0x01 if empty, else 0x00 followed by the payload's SHA-256
              | namespace | key | author | comment | commit id or nothing: each UTF-8, after its length in 4 bytes )
With marks the second line begins with 0x02, and the marks follow as one text more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from rainer.journal.row import Row


def recompute(rows: Iterable[Row], namespaces: dict[int, str]) -> list[bytes]:
    """The hash of every row, in order, from 32 zero bytes on."""
    hashes = []
    previous = b"\0" * 32
    for row in rows:
        numbers = (row.revision, row.version, row.mtime_ms, row.recorded_ms, row.changeset)
        texts = (namespaces[row.namespace_id], row.key, row.author, row.comment, row.commit_id or "")
        if row.marks is not None:
            texts = (*texts, row.marks)
        content = previous + (b"\x01" if row.marks is None else b"\x02")
        content += b"".join(number.to_bytes(8, "big", signed=True) for number in numbers)
        content += b"\x01" if row.payload is None else b"\x00" + hashlib.sha256(row.payload).digest()
        for text in texts:
            content += len(text.encode("utf-8")).to_bytes(4, "big") + text.encode("utf-8")
        previous = hashlib.sha256(content).digest()
        hashes.append(previous)
    return hashes
