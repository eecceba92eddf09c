"""A proposal as its page shows it: each change beside what it follows, what moved, who approved and who still may."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rainer.access.permissions import Asker
from rainer.api.pages import fields
from rainer.api.pages.diffing import Drawn, draw
from rainer.api.proposals import base_of
from rainer.errors import NotFoundError, RainerError, UnavailableError
from rainer.journal.row import Row
from rainer.model.commit import Draft
from rainer.model.identity import ANONYMOUS
from rainer.model.names import SYSTEM_NAMESPACE
from rainer.model.policy import Policy, Rights
from rainer.model.policy_document import KEY as POLICY_KEY
from rainer.model.proposal import Approval, Place, Proposal
from rainer.model.rules import is_rule_key
from rainer.service import Service
from rainer.service.refusals import RefusedDraft

CHANGES: Final = 25
"""So many changes of a proposal are on one page."""
_MARKUP_MAX: Final = 1_500_000
_ROW: Final = 60
"""What each cell of a row adds to a page, whatever stands in it."""
_RULES_PATIENCE_S: Final = 3.0
_ALL_APPROVALS: Final = 1_000
_MOVED_MAX: Final = 25
_WHO_MAX: Final = 12


@dataclass(frozen=True, slots=True)
class How:
    """How differences are drawn: side by side, with how many unchanged lines around; and which of the changes."""

    split: bool
    context: int
    first: int
    only: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """One commit of a proposal, counted from 1. `drawn` is None where the page has no room, or the asker no right."""

    number: int
    draft: Draft
    is_readable: bool
    is_new: bool
    drawn: Drawn | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """A key that has moved since: from which version to which, and by whose commit, where the asker may read it."""

    namespace: str
    key: str
    then: int
    now: int
    by: Row | None


@dataclass(frozen=True, slots=True)
class Given:
    """An approval, and whether it still counts."""

    approval: Approval
    counts: bool


def changes(service: Service, proposal: Proposal, asker: Asker, how: How) -> list[Change]:
    """Some commits of a proposal, each compared with what it follows; takes its time, so it runs in a thread."""
    followed: dict[tuple[str, str], Draft | Row | None] = {}
    bases = {place[:2]: place.version - 1 for place in proposal.places}
    found: list[Change] = []
    size = 0
    for number, draft in enumerate(proposal.drafts, 1):
        at = (draft.namespace, draft.key)
        before = followed.get(at)
        if how.only == number or (how.only is None and how.first < number <= how.first + CHANGES):
            base = before if at in followed else base_of(service, *at, bases[at])
            change = _change(service, number, draft, base, asker, how, size)
            size += room_of(change.drawn)
            found.append(change)
        followed[at] = draft
    return found


def _change(
    service: Service, number: int, draft: Draft, base: Draft | Row | None, asker: Asker, how: How, size: int
) -> Change:
    is_readable = asker.may("read", draft.namespace, draft.key)
    is_new = base is None or base.payload is None
    if size > _MARKUP_MAX or not is_readable:  # who may write what he may not read sees not what he would replace
        return Change(number, draft, is_readable, is_new)
    spaces = service.live.heads.memory.namespaces
    form = spaces[draft.namespace].format if draft.namespace in spaces else "any"
    old = None if base is None or base.payload is None else bytes(base.payload)
    drawn = draw(old, draft.payload, draft.key, form, split=how.split, context=how.context)
    return Change(number, draft, is_readable, is_new, drawn)


def room_of(drawn: Drawn | None) -> int:
    """About how many characters of a page a difference takes."""
    if drawn is None:
        return 0
    return sum(_ROW + len(side.markup) for block in drawn.blocks for row in block.rows for side in row)


def moved(service: Service, places: list[Place], asker: Asker) -> list[Moved]:
    """What the heads of these keys are now, and who committed first what came between."""
    found = []
    for place in places[:_MOVED_MAX]:
        by, now = None, -1
        if asker.may("read", place.namespace, place.key):
            by = base_of(service, place.namespace, place.key, place.version, payload=False)
            try:
                now = service.reads.commit(place.namespace, place.key, None, None, False)[1].version
            except NotFoundError:
                now = 0
        found.append(Moved(place.namespace, place.key, place.version - 1, now, by))
    return found


@dataclass(frozen=True, slots=True)
class Again:
    """A stale proposal as the editor takes it: the text, its line ends, and the version that it was made on."""

    namespace: str
    key: str
    base: int
    text: str
    ends: str


def again(proposal: Proposal, asker: Asker) -> Again | None:
    """What the editor can bring together with what is there now: one text, for who may read and write there."""
    if len(proposal.drafts) != 1 or proposal.drafts[0].payload is None:
        return None
    draft = proposal.drafts[0]
    if not all(asker.may(what, draft.namespace, draft.key) for what in ("read", "write")):
        return None
    try:
        found = fields.editable(draft.payload)
    except fields.NotEditable:
        return None
    return Again(draft.namespace, draft.key, draft.version - 1, found.text, found.ends)


def approvals(service: Service, proposal: Proposal) -> list[Given]:
    """Who approved; of an open proposal, also whose approval would not count any more."""
    if not proposal.is_open or service.proposals.is_open:
        return [Given(one, True) for one in proposal.approvals]
    standing = service.proposals.standing(proposal)
    return [Given(one, one in standing) for one in proposal.approvals]


def who_may(service: Service, proposal: Proposal, asker: Asker) -> list[str]:
    """Whom the policy lets approve of all of a proposal, as it names them; nothing for who may not read the policy."""
    if service.permissions.is_open or not asker.may("read", SYSTEM_NAMESPACE, POLICY_KEY):
        return []
    return sorted(set(_approvers(service.permissions.policy, proposal)))[:_WHO_MAX]


def _approvers(policy: Policy, proposal: Proposal) -> Iterator[str]:
    """Names, globs and groups of the grants that reach all keys; members of the document's own groups by name."""
    for grant in policy.grants:
        if not grant.gives("approve"):
            continue
        if not all(any(target.covers(p.namespace, p.key) for target in grant.on) for p in proposal.places):
            continue
        for who in grant.who:
            group = policy.groups.get(who.removeprefix("group:")) if who.startswith("group:") else None
            for name in group or (who,):
                if name != ANONYMOUS.name and not proposal.is_by(name) and not proposal.approved_by(name):
                    yield name


def obstacle(service: Service, proposal: Proposal) -> str:
    """Why nobody can approve of an open proposal whatever he may; nothing where that is not so."""
    rights: Rights = service.permissions.rights_of(proposal.proposer).rights
    for place in proposal.places:
        if not rights.may("write", place.namespace, place.key):
            return f"{proposal.proposer.name}, who proposed this, may no longer write {place.namespace}/{place.key}"
    return ""


async def refusal(service: Service, proposal: Proposal) -> RainerError | None:
    """What the rules in force say against an open proposal now; None for nothing.

    They are asked when it is approved, too. UnavailableError where they do not answer in a few seconds. Whether every
    head holds to rules that are proposed is seen only then: it may take a minute.
    """
    is_rules = any(d.namespace == SYSTEM_NAMESPACE and is_rule_key(d.key) for d in proposal.drafts)
    try:
        async with asyncio.timeout(_RULES_PATIENCE_S):
            await service.check(proposal.drafts, approvals=_ALL_APPROVALS, dry_run=True, quick=is_rules)
    except RefusedDraft as refused:
        return refused.error
    except TimeoutError:
        raise UnavailableError("the rules could not be asked in time") from None
    return None
