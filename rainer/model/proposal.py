"""A proposal: a changeset that waits for others to approve of it, bound to the heads that it was made on."""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from rainer.model import times
from rainer.model.commit import Draft
from rainer.model.identity import Identity

OPEN, COMMITTED, REJECTED, STALE = "open", "committed", "rejected", "stale"
STATES: Final = (OPEN, COMMITTED, REJECTED, STALE)
ID_PREFIX: Final = "p"


class Place(NamedTuple):
    """A key of a proposal, the version of its first commit there, and the revision of the head that this follows.

    0 stands for a key that never was.
    """

    namespace: str
    key: str
    version: int
    base_revision: int


class Approval(NamedTuple):
    """Who approved, when (milliseconds since 1970), and what he said."""

    by: Identity
    at_ms: int
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal; without `drafts` where these were not read.

    `author` is whose commits they will be, `proposer` who asked for them, as he was proved then. `edits` counts what
    was written of it since. Of a decided one: `decided_by` (names), `decided_ms`, what was said (`decision`), and the
    `revision` of the commit.
    """

    id: str
    created_ms: int
    author: str
    proposer: Identity
    comment: str
    places: tuple[Place, ...]
    base_lineage: str
    base_revision: int
    drafts: tuple[Draft, ...] = field(default=(), repr=False)
    state: str = OPEN
    approvals: tuple[Approval, ...] = ()
    edits: int = 0
    decided_by: str | None = None
    decided_ms: int | None = None
    decision: str | None = None
    revision: int | None = None

    @property
    def is_open(self) -> bool:
        return self.state == OPEN

    def is_by(self, name: str) -> bool:
        """Whether somebody of that name made it, in his own name or another's; letter case and spelling forms aside."""
        return plain_name(name) in (plain_name(self.author), plain_name(self.proposer.name))

    def approved_by(self, name: str) -> bool:
        """Whether somebody of that name approved."""
        return any(plain_name(one.by.name) == plain_name(name) for one in self.approvals)

    def with_approval(self, by: Identity, at_ms: int, comment: str) -> Proposal:
        """The same with one approval more; a second one of the same name changes nothing."""
        if self.approved_by(by.name):
            return self
        return replace(self, approvals=(*self.approvals, Approval(by, at_ms, comment)))

    def members(self) -> dict[str, Any]:
        """Its JSON members, but for its commits' payloads."""
        given = [{"by": a.by.name, "at": times.format_iso(a.at_ms), "comment": a.comment} for a in self.approvals]
        return {
            "id": self.id,
            "state": self.state,
            "created": times.format_iso(self.created_ms),
            "author": self.author,
            "identity": self.proposer.name,
            "comment": self.comment,
            "base": {"lineage": self.base_lineage, "revision": self.base_revision},
            "keys": [{"namespace": p.namespace, "key": p.key, "version": p.version} for p in self.places],
            "approvals": given,
            "decided_by": self.decided_by,
            "decided": None if self.decided_ms is None else times.format_iso(self.decided_ms),
            "decision": self.decision,
            "revision": self.revision,
        }


def plain_name(name: str) -> str:
    """A name as it is compared where two people must be two: `Bob@X` and `bob@x` are one."""
    return unicodedata.normalize("NFKC", name).casefold()


# As they are kept


def changeset_text(drafts: Iterable[Draft]) -> bytes:
    """Drafts as they are kept: JSON, each complete in itself."""
    return json.dumps([_members(d) for d in drafts], ensure_ascii=False, separators=(",", ":")).encode()


def drafts_in(text: bytes) -> tuple[Draft, ...]:
    """The drafts of `changeset_text`."""
    return tuple(_draft(members) for members in json.loads(text))


def _members(d: Draft) -> dict[str, Any]:
    members = {"namespace": d.namespace, "key": d.key, "version": d.version, "author": d.author, "comment": d.comment}
    if d.mtime_ms is not None:
        members["mtime_ms"] = d.mtime_ms
    return members | payload_members(d.payload)


def payload_members(payload: bytes | None) -> dict[str, Any]:
    """A payload as changesets write it: `payload_utf8`, `payload_base64`, or `empty` for none."""
    if payload is None:
        return {"empty": True}
    try:
        return {"payload_utf8": payload.decode()}
    except UnicodeDecodeError:
        return {"payload_base64": base64.b64encode(payload).decode()}


def payload_in(members: dict[str, Any]) -> bytes | None:
    """The payload in such members; None where they say that it is empty."""
    if "payload_base64" in members:
        return base64.b64decode(members["payload_base64"])
    text = members.get("payload_utf8")
    return None if text is None else str(text).encode()


def _draft(members: dict[str, Any]) -> Draft:
    return Draft(
        members["namespace"], members["key"], members["version"], payload_in(members), members["author"],
        members["comment"], members.get("mtime_ms"),
    )  # fmt: skip


def identity_text(identity: Identity) -> str:
    """An identity as it is kept."""
    return json.dumps(_identity_members(identity), ensure_ascii=False)


def identity_in(text: str) -> Identity:
    """The identity of `identity_text`."""
    return _identity(json.loads(text))


def approvals_text(approvals: Sequence[Approval]) -> str:
    """Approvals as they are kept."""
    told = [{"by": _identity_members(a.by), "at_ms": a.at_ms, "comment": a.comment} for a in approvals]
    return json.dumps(told, ensure_ascii=False)


def approvals_in(text: str) -> tuple[Approval, ...]:
    """The approvals of `approvals_text`."""
    return tuple(Approval(_identity(one["by"]), one["at_ms"], one["comment"]) for one in json.loads(text))


def places_text(places: Sequence[Place]) -> str:
    """Places as they are kept."""
    return json.dumps(places, ensure_ascii=False, separators=(",", ":"))


def places_in(text: str) -> tuple[Place, ...]:
    """The places of `places_text`."""
    return tuple(Place(*one) for one in json.loads(text))


def _identity_members(identity: Identity) -> dict[str, Any]:
    return {"name": identity.name, "source": identity.source, "groups": sorted(identity.groups)}


def _identity(members: dict[str, Any]) -> Identity:
    return Identity(members["name"], members["source"], frozenset(members["groups"]))
