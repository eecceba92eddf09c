"""How a row of the journal looks on the wire: headers in the ancestor's letter case, and its JSON metadata."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rainer.journal.head_memory import Head
from rainer.journal.row import Row, State
from rainer.model import times
from rainer.model.headers import encode_text

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
_TEXT = b"text/plain; charset=UTF-8"
_BYTES = b"application/octet-stream"
_NO_CACHE = (b"Cache-Control", b"no-cache")


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
        (b"Content-Type", _TEXT if _is_utf8(body) else _BYTES),
        (b"Content-Length", b"%d" % len(body)),
        (KEY, key),
        (VERSION, b"%d" % row.version),
        (AUTHOR, author),
        (COMMENT, comment),
        (MODIFIED_TIME, times.format_iso(row.mtime_ms).encode()),
        (EMPTY, b"Yes" if row.is_empty else b"No"),
        (COMMIT_REVISION, b"%d" % row.revision),
        (b"ETag", etag),
        _NO_CACHE,
    ]
    if not (author_whole and comment_whole):
        headers.append((META, b"Partial"))
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
        if self.feed:
            out["recorded"], out["changeset"] = times.format_iso(row.recorded_ms), row.changeset
        if row.payload is not None:
            self._add_payload(out, bytes(row.payload))
        return out

    def _add_payload(self, out: dict[str, Any], payload: bytes) -> None:
        if self.payload_utf8:
            with contextlib.suppress(UnicodeDecodeError):  # what is not text can only be had as base64
                out["payload_utf8"] = payload.decode()
        if self.payload_base64:
            out["payload_base64"] = base64.b64encode(payload).decode()


ANCESTOR = MetaForm()


def feed_body(
    state_members: Mapping[str, Any], rows: list[Row], form: MetaForm, names: dict[int, str]
) -> dict[str, Any]:
    """A page of the feed as JSON members."""
    return {**state_members, "changes": [form.meta(r, names.get(r.namespace_id, "")) for r in rows]}
