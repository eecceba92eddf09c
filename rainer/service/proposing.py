"""Proposals as a server handles them: made, looked at, approved and committed, rejected.

Whether a proposal is committed, the journal alone decides: its id is its commit's. The table follows, at once or, where
the server died in between, at the next look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from rainer import limits
from rainer.access.permissions import Asker, Permissions
from rainer.errors import (
    ApprovalRequired,
    CommitIdReused,
    DeniedError,
    InvalidError,
    KeyConflict,
    NamespaceNotFound,
    RainerError,
    UnavailableError,
    VersionConflict,
)
from rainer.journal import LiveJournal
from rainer.journal.group import Kept, Submission
from rainer.model import names, times
from rainer.model.commit import Draft
from rainer.model.identity import Identity
from rainer.model.marks import Marks
from rainer.model.proposal import COMMITTED, OPEN, REJECTED, STALE, Approval, Proposal
from rainer.proposals import ProposalTable, judging
from rainer.proposals.table import unknown
from rainer.service.refusals import RefusedDraft

T = TypeVar("T")
log = logging.getLogger("rainer.service")
_TRIES: Final = 20
"""How often an approval is begun again because others approved meanwhile."""
_AT_ONCE: Final = 256
_ALL: Final = 1_000


class Serving(Protocol):
    """What this needs of the service."""

    @property
    def live(self) -> LiveJournal: ...
    @property
    def permissions(self) -> Permissions: ...
    async def check(self, drafts: Sequence[Draft], *, approvals: int = 0) -> str: ...
    async def commit(
        self, submission: Submission, *, approvals: int = 0, guard: Callable[[], Awaitable[None]] | None = None
    ) -> Kept: ...
    async def follow_rules(self) -> str: ...
    def approvals_needed(self, namespace: str, key: str) -> int: ...


class Proposing:
    """Belongs to the service's event loop."""

    def __init__(self, table: ProposalTable, service: Serving) -> None:
        self.table = table
        self._service = service

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked who he is, so that nobody can propose or approve anything."""
        return self._service.permissions.is_open

    # Made and looked at

    async def create(self, drafts: Sequence[Draft], by: Identity) -> Proposal:
        """Keep a changeset until others approve of it.

        It is checked like a commit: RefusedDraft, VersionConflict. DeniedError where nobody is told from another.
        """
        self.check_known(by, "propose")
        judging.check_one_author(drafts)
        await self._service.check(drafts, approvals=_ALL)
        state = await self._service.live.heads.state()  # before the heads, which are at least as new
        places = judging.places_of(drafts, await self._heads((d.namespace, d.key) for d in drafts))
        base = (state.lineage, state.revision)
        return await self._in_thread(self.table.create, drafts, places, by, base)

    async def find(self, proposal_id: str, asker: Asker) -> Proposal:
        """A proposal as it stands now; NotFoundError for none, and for one that the asker may not see."""
        found = await self._in_thread(self.table.find, names.check_commit_id(proposal_id))
        if not self.sees(asker, found):
            raise unknown(proposal_id)  # in the words for one that is not there
        return await self._looked_at(found)

    async def page(
        self, asker: Asker, *, state: str | None, namespace: str | None, before: str | None, limit: int
    ) -> tuple[list[Proposal], str | None]:
        """Proposals that the asker may see, the newest first, and behind which one to go on; None at the end."""
        if before is not None:
            names.check_commit_id(before)
        elif state in (COMMITTED, STALE):  # those of which only the journal knows it yet
            for waiting in await self._in_thread(partial(self.table.list, OPEN, limit=limits.PROPOSALS_OPEN_MAX)):
                await self._looked_at(waiting)
        found = await self._in_thread(partial(self.table.list, state, before=before, limit=limit))
        last = found[-1].id if len(found) == limit else None
        seen = [
            one for one in found
            if self.sees(asker, one) and (namespace is None or any(p.namespace == namespace for p in one.places))
        ]  # fmt: skip
        now = [await self._looked_at(one) for one in seen]
        return [one for one in now if state in (None, one.state)], last

    async def conflicts(self, proposal: Proposal) -> list[KeyConflict]:
        """Where the heads are not those that a proposal was made on."""
        return judging.moved(proposal.places, await self._heads(place[:2] for place in proposal.places))

    async def count_open(self) -> int:
        """How many wait."""
        return await self._in_thread(self.table.count_open)

    def needed(self, proposal: Proposal) -> int:
        """How many others must approve of it, by the rules in force: at least one."""
        return max(1, *(self._service.approvals_needed(place.namespace, place.key) for place in proposal.places))

    def standing(self, proposal: Proposal) -> list[Approval]:
        """The approvals that count now."""
        return judging.standing(proposal, partial(self._may_approve, proposal))

    # Decided

    async def approve(self, proposal_id: str, asker: Asker, comment: str = "") -> Proposal:
        """Approve, and with the last approval that is needed commit, or say why that cannot be.

        Of two who approve the last one at once, one commits; ProposalDecided tells the other. To approve again changes
        nothing. DeniedError; ProposalStale; RefusedDraft where the rules in force refuse it, which leaves it open.
        """
        self.check_known(asker.identity, "approve")
        for _ in range(_TRIES):
            found = await self.find(proposal_id, asker)
            if not found.is_open:
                return await self._decided(found, asker.identity)
            self._check_approver(found, asker)
            done = await self._approve(found.with_approval(asker.identity, times.now_ms(), comment), found, asker)
            if done is not None:
                return done
        raise UnavailableError(f"everybody approves of {proposal_id} at once", hint="try again")

    def _check_approver(self, proposal: Proposal, asker: Asker) -> None:
        judging.check_other(proposal, asker.identity)
        proposer = self._service.permissions.rights_of(proposal.proposer)
        for place in proposal.places:
            asker.demand("approve", place.namespace, place.key)
        for place in proposal.places:
            if not proposer.may("write", place.namespace, place.key):
                raise DeniedError(
                    f"{proposal.proposer.name}, who proposed this, may no longer write {place.namespace}/{place.key}",
                    hint="propose it yourself, and have somebody else approve",
                )

    async def _approve(self, approved: Proposal, before: Proposal, asker: Asker) -> Proposal | None:
        """Commit it if that is enough, else keep the approval; None if somebody was quicker: look again."""
        standing = judging.standing(approved, partial(self._may_approve, approved))
        if len(standing) >= self.needed(approved):
            try:
                return await self._commit(approved, judging.marks_of(approved, standing), len(standing), asker)
            except RefusedDraft as refused:
                if not isinstance(refused.error, ApprovalRequired):
                    raise
        if approved is before or await self._in_thread(self.table.approve, approved):
            return await self._looked_at(await self._in_thread(self.table.find, approved.id))
        return None

    async def _commit(self, proposal: Proposal, marks: Marks, approvals: int, asker: Asker) -> Proposal | None:
        submission = Submission(proposal.drafts, proposal.id, marks=marks.to_text())
        guard = partial(self._check_open, proposal.id)
        try:
            kept = await self._service.commit(submission, approvals=approvals, guard=guard)
        except _NotOpen:
            return None
        except (VersionConflict, CommitIdReused):
            return await self._decided(await self._in_thread(self.table.settle, proposal), asker.identity)
        landed = Marks.from_text(kept[0].marks) or Marks()
        said = proposal.approvals[-1].comment if landed == marks else ""  # else another was first
        try:
            settled = await self._in_thread(self.table.settle, proposal, said)
        except RainerError as e:  # the commit stands, and the next look says so
            log.warning("proposal %s is committed, and the table does not say so yet: %s", proposal.id, e)
            if landed.proposal != proposal.id:
                raise
            revision = max(row.revision for row in kept)
            settled = replace(proposal, state=COMMITTED, decided_by=landed.approved_by, revision=revision)
        return await self._decided(settled, asker.identity)

    async def _check_open(self, proposal_id: str) -> None:
        """After the rules were looked up: a rejection that comes later moves them, and this is asked again."""
        if not (await self._in_thread(self.table.find, proposal_id)).is_open:
            raise _NotOpen

    async def reject(self, proposal_id: str, asker: Asker, comment: str) -> Proposal:
        """Reject a proposal: who may approve of it may, and who made it. ProposalDecided if somebody was first."""
        self.check_known(asker.identity, "reject")
        if not comment.strip():
            raise InvalidError("a rejection says why", hint='{"comment": …}, or `rainer reject ID -m WHY`')
        found = await self.find(proposal_id, asker)
        if not found.is_by(asker.identity.name):
            for place in found.places:
                asker.demand("approve", place.namespace, place.key)
        if found.is_open:
            found = await self._in_thread(self.table.reject, found.id, asker.identity.name, comment)
        if found.state == REJECTED and found.decided_by == asker.identity.name:
            return found
        raise judging.refusal(found, await self.conflicts(found))

    async def _decided(self, proposal: Proposal, identity: Identity) -> Proposal:
        """A decided proposal to whoever decided it; to anybody else, that it is decided."""
        if proposal.state == COMMITTED and judging.is_deciders(proposal, identity.name):
            return proposal
        raise judging.refusal(proposal, await self.conflicts(proposal))

    # What that takes

    def check_known(self, by: Identity, what: str) -> None:
        """DeniedError where identity is off, and for whoever is nobody in particular; `what` he would do."""
        self._refuse_open()
        judging.check_known(by, what)

    def _refuse_open(self) -> None:
        if self.is_open:
            raise DeniedError(
                "proposals need two people, and this server asks nobody who he is",
                hint="turn identity on: `rainer serve --identity`; without it anybody may commit",
            )

    def sees(self, asker: Asker, proposal: Proposal) -> bool:
        """Whether somebody is told of a proposal: who may read all of it, and who made it."""
        if asker.identity.name and proposal.is_by(asker.identity.name):
            return True
        return all(asker.may("read", place.namespace, place.key) for place in proposal.places)

    def _may_approve(self, proposal: Proposal, identity: Identity) -> bool:
        asker = self._service.permissions.rights_of(identity)
        return all(asker.may("approve", place.namespace, place.key) for place in proposal.places)

    async def _looked_at(self, proposal: Proposal) -> Proposal:
        """A proposal as it is by the journal's word, which the table then has, too; the rules are those of now."""
        if proposal.state != OPEN:
            return proposal
        moved = await self.conflicts(proposal)
        await self._service.follow_rules()
        if not moved:
            return proposal
        return await self._in_thread(self.table.settle, proposal)

    async def _heads(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], judging.Head]:
        wanted = list(dict.fromkeys(keys))
        found: dict[tuple[str, str], judging.Head] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            portion = wanted[start : start + _AT_ONCE]
            found.update(zip(portion, await asyncio.gather(*(self._head(*one) for one in portion)), strict=True))
        return found

    async def _head(self, namespace: str, key: str) -> judging.Head:
        try:
            _, head = await self._service.live.head(namespace, key)
        except NamespaceNotFound:  # a backup from before it was made
            return 0, 0
        return (0, 0) if head.row is None else (head.row.version, head.row.revision)

    async def _in_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        return await self._service.live.in_thread(call, *arguments)


def demand_approvals(
    needed: Callable[[str, str], int], drafts: Sequence[Draft], approvals: int, *, is_open: bool
) -> None:
    """RefusedDraft, with ApprovalRequired, for the first draft whose key needs the approval of more than so many."""
    for number, draft in enumerate(drafts):
        wanted = needed(draft.namespace, draft.key)
        if wanted <= approvals:
            continue
        others = "of somebody else" if wanted == 1 else f"of {wanted} others"
        hint = f"propose it: `rainer propose {draft.key}`, and have somebody else `rainer approve` it"
        if is_open:
            hint = (
                "nobody can approve while identity is off: turn it on (`rainer serve --identity`), or force the commit"
            )
        error = ApprovalRequired(
            f"{draft.namespace}/{draft.key} changes only with the approval {others}", hint=hint,
            namespace=draft.namespace, key=draft.key, approvals_needed=wanted,
        )  # fmt: skip
        raise RefusedDraft(number, error)


class _NotOpen(Exception):
    """Somebody decided the proposal meanwhile."""
