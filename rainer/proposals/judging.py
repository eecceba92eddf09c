"""Judging proposals: whose they are, who may decide them, and what is said of those that are decided. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rainer.errors import (
    ConflictError,
    DeniedError,
    InvalidError,
    KeyConflict,
    ProposalDecided,
    ProposalStale,
    VersionConflict,
)
from rainer.model import names
from rainer.model.commit import Draft
from rainer.model.identity import ANONYMOUS, Identity
from rainer.model.marks import Marks
from rainer.model.proposal import COMMITTED, REJECTED, Approval, Place, Proposal, plain_name

_BETWEEN = ", "

Head = tuple[int, int]
"""Version and revision of a key's head; zeros for a key that never was."""


def check_known(identity: Identity, what: str) -> None:
    """DeniedError for whoever has no name that was proved: he could be anybody, also the other one of two."""
    if identity.source == ANONYMOUS.source:
        raise DeniedError(
            f"nobody in particular may {what}: two people must be told apart", hint="sign in: RAINER_TOKEN, --token"
        )


def check_one_author(drafts: Iterable[Draft]) -> None:
    """InvalidError for commits of several authors: the one who may not approve must be one."""
    authors = sorted({draft.author for draft in drafts})
    if len(authors) > 1:
        raise InvalidError(
            f"a proposal has one author, and this one has {len(authors)}: {names.shorten(authors[0])} and others",
            hint="make a proposal for each",
        )


def check_other(proposal: Proposal, identity: Identity) -> None:
    """DeniedError for whoever made the proposal, in his own name or another's."""
    if proposal.is_by(identity.name):
        raise DeniedError(
            f"proposal {proposal.id} is by {identity.name}, and nobody approves their own",
            hint="somebody else may: ask one who has `approve` on its keys",
        )


def places_of(drafts: Iterable[Draft], heads: dict[tuple[str, str], Head]) -> list[Place]:
    """What a proposal is bound to: each of its keys with the head it follows.

    VersionConflict names every key that is not offered in version order from its head.
    """
    reached: dict[tuple[str, str], int] = {}
    conflicts: dict[tuple[str, str], KeyConflict] = {}
    places = []
    for draft in drafts:
        at = (draft.namespace, draft.key)
        if at not in reached:
            reached[at] = heads[at][0]
            places.append(Place(*at, draft.version, heads[at][1]))
        if draft.version == reached[at] + 1:
            reached[at] = draft.version
        else:
            conflicts.setdefault(at, KeyConflict(*at, reached[at] + 1, draft.version))
    if conflicts:
        raise VersionConflict(list(conflicts.values()))
    return places


def moved(places: Iterable[Place], heads: dict[tuple[str, str], Head]) -> list[KeyConflict]:
    """The keys whose heads are not those that the proposal was made on."""
    return [
        KeyConflict(place.namespace, place.key, heads[place[:2]][0] + 1, place.version)
        for place in places
        if heads[place[:2]] != (place.version - 1, place.base_revision)
    ]


def standing(proposal: Proposal, may_approve: Callable[[Identity], bool]) -> list[Approval]:
    """The approvals that count now: of those who are others, and may still approve."""
    return [one for one in proposal.approvals if not proposal.is_by(one.by.name) and may_approve(one.by)]


def marks_of(proposal: Proposal, approvals: Iterable[Approval]) -> Marks:
    """What the server says of a proposal's commits."""
    proposer = proposal.proposer.name
    return Marks(
        identity=None if proposer == proposal.author else proposer,
        approved_by=_BETWEEN.join(one.by.name for one in approvals),
        proposal=proposal.id,
    )


def is_deciders(proposal: Proposal, name: str) -> bool:
    """Whether somebody of that name is who decided, or one of those."""
    deciders = proposal.decided_by or ""
    return plain_name(name) in {plain_name(one) for one in (deciders, *deciders.split(_BETWEEN))}


def refusal(proposal: Proposal, conflicts: list[KeyConflict]) -> ConflictError:
    """What there is to say to whoever would decide a proposal that is decided; `conflicts` of a stale one."""
    if proposal.state == COMMITTED:
        return ProposalDecided(
            f"proposal {proposal.id} was approved by {proposal.decided_by} before,"
            f" and committed as revision {proposal.revision}",
            hint=f"`rainer proposal show {proposal.id}`", state=proposal.state, revision=proposal.revision,
        )  # fmt: skip
    if proposal.state == REJECTED:
        return ProposalDecided(
            f"proposal {proposal.id} was rejected by {proposal.decided_by}: {proposal.decision}",
            hint="propose it anew, if it should be looked at again", state=proposal.state,
        )  # fmt: skip
    first = conflicts[0] if conflicts else None
    where = (
        f"version {first.provided} of {first.key!r} was proposed, and {first.expected} is next" if first else "it moved"
    )
    more = f" (and {len(conflicts) - 1} more)" if len(conflicts) > 1 else ""
    return ProposalStale(
        f"proposal {proposal.id} was made on what is not there any more: {where}{more}",
        hint=f"`rainer propose --again {proposal.id}` makes a new one on what is there now",
        state=proposal.state, conflicts=[conflict.as_dict() for conflict in conflicts],
    )  # fmt: skip
