"""What `--json` prints: commits and other things as JSON, lists with one element a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rainer.model.difference import decode

if TYPE_CHECKING:
    from rainer.cli.terminal import Output
    from rainer.model.commit import Commit


def commit_record(commit: Commit, *, payload: bool = False) -> dict[str, Any]:
    """A commit as the server's JSON has it: six members, namespace, revision, and if wanted the payload."""
    record = commit.meta() | {"namespace": commit.namespace, "revision": commit.revision}
    record |= {} if commit.marks is None else commit.marks.members()
    return record | (payload_members(commit.payload) if payload else {})


def marks_words(commit: Commit) -> str:
    """What the server says of a commit, in words: `forced`, `approved by bob`; the empty text where it says nothing."""
    marks = commit.marks
    if marks is None:
        return ""
    proposal = f" (proposal {marks.proposal})" if marks.proposal else ""
    words = (
        "forced" if marks.forced else "",
        f"approved by {marks.approved_by}{proposal}" if marks.approved_by else "",
        f"committed by {marks.identity}" if marks.identity else "",
    )
    return ", ".join(filter(None, words))


def payload_members(payload: bytes | None) -> dict[str, str]:
    """A payload as `payload_utf8`, or as `payload_base64` where it is not text; of an empty commit nothing."""
    if payload is None:
        return {}
    try:
        return {"payload_utf8": payload.decode()}
    except UnicodeDecodeError:
        import base64

        return {"payload_base64": base64.b64encode(payload).decode()}


def print_record(out: Output, record: Mapping[str, Any]) -> None:
    """Print one JSON object, indented."""
    out.stream.write(_dump(out, record, indent=2) + "\n")


def print_list(out: Output, records: Iterable[Mapping[str, Any]]) -> None:
    """Print a JSON array as its elements come, each on a line of its own."""
    lead = "["
    for record in records:
        out.stream.write(f"{lead}\n{_dump(out, record)}")
        lead = ","
    out.stream.write("[]\n" if lead == "[" else "\n]\n")


def _dump(out: Output, record: Mapping[str, Any], indent: int | None = None) -> str:
    # On a terminal in ASCII: JSON leaves C1 controls and direction overrides as they are.
    return json.dumps(record, ensure_ascii=out.terminal, indent=indent)


def first_line(comment: str) -> str:
    """The first line of a comment that says anything, for lists."""
    return next((line.strip() for line in comment.splitlines() if line.strip()), "")


def size_text(payload: bytes | None) -> str:
    """The size of a payload in words, such as `12 lines, 340 bytes`."""
    if payload is None:
        return "empty"
    size = f"{len(payload):,} byte{'' if len(payload) == 1 else 's'}"
    if decode(payload) is None:
        return f"binary, {size}"
    lines = payload.count(b"\n") + (not payload.endswith(b"\n") and payload != b"")
    return f"{lines:,} line{'' if lines == 1 else 's'}, {size}"
