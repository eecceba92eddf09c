"""How a service commits: every draft held to what holds now, whichever way it came, and then handed to the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from typing import Final

from rainer.access.permissions import Permissions
from rainer.errors import RainerError
from rainer.journal import LiveJournal, Namespace
from rainer.journal.group import Kept, RulesMoved, Submission
from rainer.journal.journal import check_payload
from rainer.journal.row import open_namespace
from rainer.model import names
from rainer.model.commit import Draft
from rainer.service.governing import Governing
from rainer.service.proposing import demand_approvals
from rainer.service.refusals import RefusedDraft
from rainer.service.rehearsing import force, rehearsed, stands
from rainer.validation import Validation
from rainer.validation.validation import Asked

_PARSE_BYTES_MAX: Final = 16 * 1024
_CHECKS_MAX: Final = 3
"""How often a submission is checked anew because the rules moved before it was committed."""


class Committing:
    """The part of Service that commits. Belongs to the service's event loop."""

    __slots__ = ()

    governing: Governing
    validation: Validation
    _parsing: Executor

    @property
    def live(self) -> LiveJournal:
        """The journal on this loop."""
        raise NotImplementedError

    @property
    def permissions(self) -> Permissions:
        """Who may what."""
        raise NotImplementedError

    async def namespace_for_writing(self, name: str) -> Namespace:
        """The namespace of that name, as far as this process knows; NamespaceNotFound or NamespaceClosed."""
        found = self.live.heads.memory.namespaces.get(name)
        if found is None:
            found = await self.live.namespace(names.check_namespace(name))
        if found.is_closed:  # perhaps it was opened again since
            await self.live.heads.state()
            return open_namespace(self.live.heads.memory.namespaces, name)
        return found

    def approvals_needed(self, namespace: str, key: str) -> int:
        """How many others must approve of a change of a key, by the rules in force as last checked."""
        return self.validation.in_force.rules.approvals(namespace, key)

    async def follow_rules(self) -> str:
        """Have the rules in force that this process knows of; the tag of these."""
        tag = (self.live.heads.memory.state or await self.live.heads.state()).namespaces_tag
        return tag if tag == self.validation.tag else await self.validation.follow(self.live, tag)

    async def check(
        self, drafts: Sequence[Draft], *, approvals: int = 0, forced: bool = False, dry_run: bool = False,
        quick: bool = False,
    ) -> str:  # fmt: skip
        """Hold drafts to their namespaces' rules, and return the tag of these; RefusedDraft tells which breaks which.

        `approvals` is how many others have approved of them. `forced` sets aside what rules of validation say, and
        nothing else. `quick` is for who is still typing: neither hooks nor other heads are asked.

        Much that must be parsed is parsed beside the loop, in a thread of its own, so that neither other calls nor
        other reads wait for it.
        """
        # Before the first rule is looked up: one that is newer than the tag only means another check.
        rules = await self.follow_rules()
        asks = self.validation.holds
        spaces = []
        for place, d in enumerate(drafts):
            try:
                spaces.append(await self.namespace_for_writing(d.namespace))
                if d.namespace == names.SYSTEM_NAMESPACE:
                    asks = True
                    await self.governing.check(d)
            except RainerError as refusal:
                raise RefusedDraft(place, refusal) from refusal
        work = sum(len(d.payload or b"") for d, s in zip(drafts, spaces, strict=True) if s.format != "any")
        if work > _PARSE_BYTES_MAX:
            await asyncio.get_running_loop().run_in_executor(self._parsing, _check_all, drafts, spaces)
        else:
            _check_all(drafts, spaces)
        if asks:
            asked = Asked(drafts, [s.format for s in spaces], self._parsing, forced, dry_run, quick)
            try:
                await self.validation.check(self.live, asked)
            except RefusedDraft:
                if (await self.live.heads.state()).namespaces_tag == rules:
                    raise
                # By rules that another process has changed since.
                return await self.check(drafts, approvals=approvals, forced=forced, dry_run=dry_run, quick=quick)
        if self.validation.holds and not forced:
            demand_approvals(self.approvals_needed, drafts, approvals, is_open=self.permissions.is_open)
        return rules

    def check_at_once(self, d: Draft) -> str | None:
        """As `check` for one draft of which it is plain that it breaks no rule, without waiting; None for any other.

        Nothing but what `check` would say: whatever it would have to ask, refuse, or think about is left to it.
        """
        memory = self.live.heads.memory
        state, space = memory.state, memory.namespaces.get(d.namespace)
        if state is None or space is None or space.is_closed or d.namespace == names.SYSTEM_NAMESPACE:
            return None
        rules = state.namespaces_tag
        if rules != self.validation.tag:
            return None
        is_plain = self.validation.plain.keeps(d, space.format) if self.validation.holds else None
        if is_plain is False or (d.payload is not None and len(d.payload) > space.payload_bytes_max):
            return None
        if is_plain is None and d.payload is not None and space.format != "any":
            return None
        return rules

    async def commit(
        self,
        submission: Submission,
        *,
        approvals: int = 0,
        guard: Callable[[], Awaitable[None]] | None = None,
        forced: bool = False,
    ) -> Kept:
        """Check a submission and commit it; RefusedDraft if one of its drafts breaks a rule.

        With `forced` no rule of validation is asked, and the commits are marked.
        `guard` is asked after each check, and may raise: if rules move after it was, it is asked again.
        """
        tries_left = _CHECKS_MAX
        if forced:
            submission = force(submission)
        while True:
            tries_left -= 1
            try:
                rules = self.check_at_once(submission.drafts[0]) if len(submission.drafts) == 1 and not forced else None
                if rules is None:
                    rules = await self.check(submission.drafts, approvals=approvals, forced=forced)
            except RefusedDraft:
                if await stands(self.live, submission):  # a repetition, and the rules are newer than its first time
                    return await self.live.commit(submission)
                raise
            if guard is not None:
                await guard()
            try:
                return await self.live.commit(submission._replace(rules=rules))
            except RulesMoved:  # others changed them, or the database is a restored one
                if not tries_left:
                    raise
                await self.live.heads.state()  # brings them as they are now

    async def rehearse(self, submission: Submission, *, approvals: int = 0, forced: bool = False) -> Kept:
        """What `commit` would answer now, without committing anything: the rows as they would be, or the refusal."""
        if forced:
            submission = force(submission)
        await self.live.heads.state()  # nothing else will tell that the rules have moved
        await self.check(submission.drafts, approvals=approvals, forced=forced, dry_run=True)
        return await rehearsed(self.live, submission)


def _check_all(drafts: Sequence[Draft], spaces: Sequence[Namespace]) -> None:
    for place, (d, space) in enumerate(zip(drafts, spaces, strict=True)):
        try:
            check_payload(space, d.key, d.payload)
        except RainerError as refusal:
            raise RefusedDraft(place, refusal) from refusal
