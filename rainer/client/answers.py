"""Answers that grant, turned into commits, pages of the feed and namespaces; an ancestor's lack some members."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rainer.client.refusals import foreign
from rainer.client.transport import Answer
from rainer.errors import RainerError
from rainer.model import times
from rainer.model.commit import Commit
from rainer.model.headers import decode_text
from rainer.model.marks import Marks
from rainer.model.position import Position


@dataclass(frozen=True, slots=True)
class Changes:
    """One page of the feed, oldest first; everything that matches up to `revision` has been delivered.

    `lineage`, `revision` and `chain` (hexadecimal) say where the journal stood, `more` that the next page is there.
    """

    lineage: str
    revision: int
    chain: str
    more: bool
    commits: tuple[Commit, ...]

    @property
    def position(self) -> Position:
        """Where to go on from, in the form in which positions are kept and compared."""
        return Position(self.lineage, self.revision, bytes.fromhex(self.chain))


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace: the `format` that its payloads must parse as, its largest payload in bytes, whether it is closed."""

    name: str
    format: str
    payload_bytes_max: int
    closed: bool


def is_ancestor(answer: Answer) -> bool:
    """Whether the answer came from an ancestor's server, which tells no revision."""
    return "x-rainer-revision" not in answer.headers


def revision_of(answer: Answer, header: str = "x-rainer-revision") -> int | None:
    text = answer.headers.get(header, "")
    return int(text) if text.isascii() and text.isdigit() else None


def json_object(answer: Answer) -> dict[str, Any]:
    """The JSON object of a 200; InvalidError where it holds something else."""
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError) as e:
        raise foreign(answer, f"its body is not JSON ({e})") from None
    if not isinstance(body, dict):
        raise foreign(answer, "its body is not a JSON object")
    return body


def commit_of_headers(answer: Answer, key: str, namespace: str) -> tuple[Commit, bool]:
    """The commit that a GET of a key answered, and whether author and comment are whole in it.

    An ancestor writes what Latin-1 lacks as a question mark and does not say so: there, only plain text is whole.
    The key is the one asked for, for the same reason.
    """
    headers = answer.headers
    try:
        author, comment = _text(headers, "x-rainer-author"), _text(headers, "x-rainer-comment")
        is_empty = headers.get("x-rainer-empty", "no").strip().lower() in ("yes", "true", "1")
        commit = Commit(
            key=key,
            version=int(headers["x-rainer-version"]),
            payload=None if is_empty else answer.body,
            author=author,
            comment=comment,
            mtime=times.from_ms(times.parse_iso(headers["x-rainer-modified-time"].strip())),
            is_empty=is_empty,
            namespace=namespace,
            revision=revision_of(answer, "x-rainer-commit-revision"),
            marks=Marks.from_text(headers.get("x-rainer-marks")),
        )
    except KeyError as e:
        raise foreign(answer, f"the header {e} is missing") from None
    except (ValueError, RainerError) as e:
        raise foreign(answer, f"a header cannot be read: {e}") from None
    if is_ancestor(answer):
        return commit, (author + comment).isascii() and "?" not in author + comment
    return commit, headers.get("x-rainer-meta", "").strip().lower() != "partial"


def commit_of_meta(answer: Answer, meta: Any, namespace: str) -> Commit:
    """The commit of one JSON meta; its payload is None where the answer carries none."""
    try:
        # The first ancestors did not write `empty` at all.
        is_empty = meta.get("empty") is True
        revision = meta.get("revision")
        return Commit(
            key=_member(meta, "key", str),
            version=_member(meta, "version", int),
            payload=None if is_empty else _payload(meta),
            author=meta.get("author") or "",
            comment=meta.get("comment") or "",
            mtime=times.from_ms(times.parse_iso(_member(meta, "mtime", str))),
            is_empty=is_empty,
            namespace=meta.get("namespace") or namespace,
            revision=None if revision is None else int(revision),
            marks=Marks.from_members(meta),
        )
    except KeyError as e:
        raise foreign(answer, f"a commit lacks {e}") from None
    except (ValueError, TypeError, AttributeError, RainerError) as e:
        raise foreign(answer, f"a commit cannot be read: {e}") from None


def array_of(answer: Answer, body: Mapping[str, Any], member: str) -> list[Any]:
    """The array of that name in the body of a 200; else InvalidError."""
    found = body.get(member)
    if not isinstance(found, list):
        raise foreign(answer, f"its body has no array {member!r}")
    return found


def changes_of(answer: Answer, namespace: str) -> Changes:
    """A page of the feed."""
    body = json_object(answer)
    commits = [commit_of_meta(answer, meta, namespace) for meta in array_of(answer, body, "changes")]
    try:
        chain = bytes.fromhex(body["chain"]).hex()
        return Changes(str(body["lineage"]), int(body["revision"]), chain, bool(body.get("more")), tuple(commits))
    except (KeyError, TypeError, ValueError) as e:
        raise foreign(answer, f"its position cannot be read: {e}") from None


def namespace_of(answer: Answer, body: Any) -> Namespace:
    """One namespace's settings."""
    try:
        return Namespace(body["name"], body["format"], int(body["payload_bytes_max"]), bool(body["closed"]))
    except (KeyError, TypeError, ValueError) as e:
        raise foreign(answer, f"a namespace cannot be read: {e}") from None


def _text(headers: Mapping[str, str], name: str) -> str:
    # http.client hands header bytes on as Latin-1, one character a byte.
    return decode_text(headers.get(name, "").strip(" \t").encode("latin-1"))


def _member(meta: Any, name: str, kind: type) -> Any:
    value = meta[name]
    if type(value) is not kind:
        raise TypeError(f"{name} is {type(value).__name__}")
    return value


def _payload(meta: Mapping[str, Any]) -> bytes | None:
    encoded = meta.get("payload_base64")
    if encoded is not None:
        return base64.b64decode(encoded, validate=True)
    text: str | None = meta.get("payload_utf8")
    return None if text is None else text.encode()
