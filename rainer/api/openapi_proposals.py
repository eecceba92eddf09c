"""The calls about proposals, described."""

from __future__ import annotations

from typing import Final

from rainer import limits
from rainer.api.openapi_parts import (
    COMMIT_ID_TEXT,
    NAMESPACE_NAME,
    TEXT,
    TIME,
    Json,
    answer,
    body,
    errors,
    json,
    object_of,
    operation,
    path,
    query,
    ref,
)
from rainer.model.proposal import STATES

_ID: Final = path("id", COMMIT_ID_TEXT | {"pattern": "^[!-~]+$"})
_MAYBE_TEXT: Final[Json] = {"type": ["string", "null"]}
_MAYBE_NUMBER: Final[Json] = {"type": ["integer", "null"]}
_INTEGER: Final[Json] = {"type": "integer"}


def paths() -> Json:
    """Proposals made, listed, read, approved and rejected."""
    decided = errors(400, 403, 404, 408, 409, 413, 422, 500, 503)
    listed = [
        query("state", {"enum": list(STATES)}, "only those that stand so"),
        query("namespace", NAMESPACE_NAME, "only those that change keys of it"),
        query("before", COMMIT_ID_TEXT, "only older ones than this: `next` of the page before"),
        query("limit", {"type": "integer", "minimum": 1, "maximum": limits.PROPOSALS_PAGE_MAX}, "at most so many"),
    ]
    made = {"201": {"description": "kept, and open", "content": json(ref("WholeProposal"))}}
    said = body(ref("Decision")) | {"required": False}
    return {
        "/-/proposals": {
            "get": operation(
                "List proposals", listed,
                answer("those you may read, the newest first", json(ref("Proposals"))) | errors(400, 404, 500, 503),
            ),
            "post": operation("Propose a changeset", [], made | decided, body(ref("Changeset"))),
        },
        "/-/proposals/{id}": {
            "get": operation(
                "Read a proposal", [_ID],
                answer("with its difference", json(ref("WholeProposal"))) | errors(400, 404, 500, 503),
            )
        },
        "/-/proposals/{id}/approve": {
            "post": operation(
                "Approve, and with the last approval commit", [_ID],
                answer("committed, or waiting for others", json(ref("Proposal"))) | decided, said,
            )
        },
        "/-/proposals/{id}/reject": {
            "post": operation(
                "Reject, or take back one's own", [_ID],
                answer("rejected", json(ref("Proposal"))) | decided, body(ref("Decision")),
            )
        },
    }  # fmt: skip


def schemas() -> Json:
    """Proposals, in lists and whole."""
    key = object_of(["namespace", "key", "version"], namespace=TEXT, key=TEXT, version=_INTEGER)
    approval = object_of(["by", "at", "comment"], by=TEXT, at=TIME, comment=TEXT)
    members = {
        "id": TEXT, "state": {"enum": list(STATES)}, "created": TIME, "author": TEXT, "identity": TEXT, "comment": TEXT,
        "base": object_of(["lineage", "revision"], lineage=TEXT, revision=_INTEGER),
        "keys": {"type": "array", "items": key}, "approvals": {"type": "array", "items": approval},
        "decided_by": _MAYBE_TEXT, "decided": _MAYBE_TEXT, "decision": _MAYBE_TEXT, "revision": _MAYBE_NUMBER,
        "approvals_needed": _INTEGER, "approvals_standing": _INTEGER,
    }  # fmt: skip
    payload = {"payload_utf8": TEXT, "payload_base64": TEXT, "empty": {"const": True}}
    base = object_of(["version"], version=_INTEGER, **payload) | {"type": ["object", "null"]}
    commit = object_of(
        ["namespace", "key", "version", "author", "comment", "base", "difference"], namespace=TEXT, key=TEXT,
        version=_INTEGER, author=TEXT, comment=TEXT, mtime=TIME, base=base, difference=TEXT, **payload,
    )  # fmt: skip
    conflicts = {"type": "array", "items": {"type": "object"}}
    whole = members | {"conflicts": conflicts, "commits": {"type": "array", "items": commit}}
    return {
        "Proposal": object_of(list(members), **members),
        "WholeProposal": object_of(list(whole), **whole),
        "Proposals": object_of(
            ["proposals", "next"], proposals={"type": "array", "items": ref("Proposal")}, next=_MAYBE_TEXT
        ),
        "Decision": object_of([], comment=TEXT | {"maxLength": 10_000}) | {"additionalProperties": False},
    }
