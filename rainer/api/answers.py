"""How a row of the journal looks on the wire: headers in the ancestor's letter case, and its JSON metadata."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rainer.journal.head_memory import Head
from rainer.journal.listing import Cells
from rainer.journal.row import Row, State
from rainer.model import times
from rainer.model.headers import encode_text
from rainer.model.marks import members_of

RawHeaders = list[tuple[bytes, bytes]]


class WireName(bytes):
    """A header's name that keeps its letter case.

    uvicorn puts every name through `lower()`; the ancestor's JVM client looks names up case-sensitively.
    """

    __slots__ = ()

    def lower(self) -> bytes:
        return self


KEY, VERSION = WireName(b"X-Rainer-Key"), WireName(b"X-Rainer-Version")
AUTHOR, COMMENT = WireName(b"X-Rainer-Author"), WireName(b"X-Rainer-Comment")
MODIFIED_TIME, EMPTY = WireName(b"X-Rainer-Modified-Time"), WireName(b"X-Rainer-Empty")
REVISION, LINEAGE = WireName(b"X-Rainer-Revision"), WireName(b"X-Rainer-Lineage")
COMMIT_REVISION, META = WireName(b"X-Rainer-Commit-Revision"), WireName(b"X-Rainer-Meta")
MARKS = WireName(b"X-Rainer-Marks")
CACHED, AGE = WireName(b"X-Rainer-Cached"), WireName(b"X-Rainer-Age")
READABLE = WireName(b"X-Rainer-Readable")
"""Stands for what the asker may read; who follows the feed repeats it, and is told to reload when it has changed."""
REMOVED = WireName(b"X-Rainer-Removed")
_TEXT = b"text/plain; charset=UTF-8"
_BYTES = b"application/octet-stream"
_NO_CACHE = (b"cache-control", b"no-cache")


@dataclass(frozen=True, slots=True)
class CommitAnswer:
    """A commit made ready to send: everything but where the journal stands."""

    headers: RawHeaders
    body: bytes
    etag: bytes


def answer_of(head: Head) -> CommitAnswer:
    """The answer for a remembered head, made once."""
    if head.answer is None:
        assert head.row is not None
        head.answer = commit_answer(head.row)
    answer: CommitAnswer = head.answer
    return answer


def commit_answer(row: Row) -> CommitAnswer:
    """Payload and headers of one commit."""
    body = b"" if row.payload is None else bytes(row.payload)
    etag = etag_of(bytes(row.hash))
    author, author_whole = encode_text(row.author)
    comment, comment_whole = encode_text(row.comment)
    key, _ = encode_text(row.key)
    headers = [
        (b"content-type", _TEXT if _is_utf8(body) else _BYTES),
        (b"content-length", b"%d" % len(body)),
        (KEY, key),
        (VERSION, b"%d" % row.version),
        (AUTHOR, author),
        (COMMENT, comment),
        (MODIFIED_TIME, times.format_iso(row.mtime_ms).encode()),
        (EMPTY, b"Yes" if row.is_empty else b"No"),
        (COMMIT_REVISION, b"%d" % row.revision),
        (b"etag", etag),
        _NO_CACHE,
    ]
    if not (author_whole and comment_whole):
        headers.append((META, b"Partial"))
    if row.marks:
        marks, is_whole = encode_text(row.marks)
        if is_whole:
            headers.append((MARKS, marks))
    return CommitAnswer(headers, body, etag)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def etag_of(digest: bytes) -> bytes:
    """An ETag of a hash of the chain: equal tags mean equal history."""
    return b'"%s"' % digest[:16].hex().encode()


def matches(if_none_match: bytes | None, etag: bytes) -> bool:
    """Whether an If-None-Match header names this ETag, weakly or not."""
    if not if_none_match:
        return False
    return if_none_match.strip() == b"*" or any(
        part.strip().removeprefix(b"W/") == etag for part in if_none_match.split(b",")
    )


def state_headers(state: State) -> RawHeaders:
    """Where the journal stood when a read was made."""
    return [
        (REVISION, b"%d" % state.revision),
        (LINEAGE, state.lineage.encode()),
    ]


@dataclass(frozen=True, slots=True)
class MetaForm:
    """Which members beside the ancestor's six a meta carries."""

    payload_utf8: bool = False
    payload_base64: bool = False
    revisions: bool = False
    feed: bool = False

    @property
    def payloads(self) -> bool:
        return self.payload_utf8 or self.payload_base64

    def meta(self, row: Row, namespace: str = "") -> dict[str, Any]:
        """The JSON metadata of a row; a payload that is not UTF-8 has no `payload_utf8`."""
        out: dict[str, Any] = {
            "key": row.key,
            "version": row.version,
            "author": row.author,
            "comment": row.comment,
            "mtime": times.format_iso(row.mtime_ms),
            "empty": bool(row.is_empty),
        }
        if self.revisions:
            out["namespace"], out["revision"] = namespace, row.revision
            if row.marks:
                out |= members_of(row.marks)
        if self.feed:
            out["recorded"], out["changeset"] = times.format_iso(row.recorded_ms), row.changeset
        if row.payload is not None:
            self._add_payload(out, bytes(row.payload))
        return out

    def listed(self, found: list[Cells], namespace: str) -> dict[str, dict[str, Any]]:
        """Key → JSON metadata of the heads of a list, the members that `meta` gives them; one pass for each extra."""
        iso = times.format_iso
        out: dict[str, dict[str, Any]] = {
            key: {
                "key": key, "version": version, "author": author, "comment": comment, "mtime": iso(mtime_ms),
                "empty": is_empty == 1,
            }
            for key, version, author, comment, mtime_ms, is_empty, _, _, _, _ in found
        }  # fmt: skip
        if self.revisions:
            for cells, meta in zip(found, out.values(), strict=True):
                meta["namespace"], meta["revision"] = namespace, cells[6]
                if cells[7]:
                    meta |= members_of(cells[7])
        if self.payloads:
            for cells, meta in zip(found, out.values(), strict=True):
                if cells[8] is not None:
                    self._add_payload(meta, cells[8])
        return out

    def _add_payload(self, out: dict[str, Any], payload: bytes) -> None:
        if self.payload_utf8:
            try:  # noqa: SIM105 - a context for each row of a list costs as much as the row
                out["payload_utf8"] = payload.decode()
            except UnicodeDecodeError:
                pass  # what is not text can only be had as base64
        if self.payload_base64:
            out["payload_base64"] = base64.b64encode(payload).decode()


ANCESTOR = MetaForm()


def feed_body(
    state_members: Mapping[str, Any], rows: list[Row], form: MetaForm, names: dict[int, str]
) -> dict[str, Any]:
    """A page of the feed as JSON members."""
    return {**state_members, "changes": [form.meta(r, names.get(r.namespace_id, "")) for r in rows]}
