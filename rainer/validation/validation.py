"""Validation: every commit of a server is held to the rules in force, whichever way it comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar

from rainer.errors import KeyConflict, PositionGone, UnavailableError, VersionConflict
from rainer.journal import LiveJournal
from rainer.model.commit import Draft
from rainer.model.names import SYSTEM_NAMESPACE
from rainer.model.rules import Rule, is_rule_key
from rainer.validation.checking import (
    Held,
    check_documents,
    check_quickly,
    check_schemas,
    check_size,
    held,
    is_little,
    judge_hook,
    judge_silence,
    proposal_of,
)
from rainer.validation.heads import BROKEN_TOLD_MAX, BrokenHead, TooMany, broken_heads, changed_rules, refusal, too_many
from rainer.validation.hooks import HookDown, HookRefusal, Hooks, Proposed, too_slow, wait_s
from rainer.validation.in_force import InForce, load
from rainer.validation.looking import Looked, SharedLook, look
from rainer.validation.plain import Plain
from rainer.validation.refused import RefusedDraft

log = logging.getLogger("rainer.validation")
T = TypeVar("T")
_HOOKS_AT_ONCE: Final = 8
_LOADS_MAX: Final = 5


class Asked(NamedTuple):
    """Drafts to be checked, the formats of their namespaces, and how: `parsing` is where documents are parsed.

    With `quick` nobody else is troubled: no hook is asked, and no other head is looked at.
    """

    drafts: Sequence[Draft]
    forms: Sequence[str]
    parsing: Executor
    forced: bool = False
    dry_run: bool = False
    quick: bool = False


class Validation:
    """Belongs to one event loop. `tag` is that of the rules in force here, `holds` whether there are any."""

    def __init__(self) -> None:
        self.tag = ""
        self.holds = False
        self.in_force = InForce()
        self.plain = Plain(self.in_force)
        self.hooks = Hooks()
        self._loading: asyncio.Lock | None = None
        # Whoever looks at all heads keeps only those waiting who want to do the same.
        self._heads = ThreadPoolExecutor(1, "rainer-rules")
        self._looking: SharedLook | None = None

    async def follow(self, live: LiveJournal, tag: str) -> str:
        """Bring the rules to what the journal says now; the tag that they and what is remembered of it share."""
        if self._loading is None:
            self._loading = asyncio.Lock()
        async with self._loading:
            for _ in range(_LOADS_MAX):
                state = live.heads.memory.state
                tag = tag if state is None else state.namespaces_tag
                if tag == self.tag:
                    return tag
                try:
                    self._take(await live.in_thread(load, live.reads, self.in_force))
                except PositionGone:
                    continue
                if tag != self.tag:
                    tag = (await live.heads.state()).namespaces_tag
        raise UnavailableError("the rules change all the time", hint="try again")

    def _take(self, found: InForce) -> None:
        if found.documents != self.in_force.documents:
            log.info("the rules of revision %d are in force: %d", found.revision, len(found.rules.all))
        if found.unreadable:
            log.error("the rules cannot be read, and only forced commits pass: %s", found.unreadable)
        self.in_force, self.plain, self.tag, self.holds = found, Plain(found), found.tag, not found.is_idle

    def close(self) -> None:
        """Let go of threads and connections."""
        self._heads.shutdown(wait=False, cancel_futures=True)
        self.hooks.close()

    async def check(self, live: LiveJournal, asked: Asked) -> None:
        """Hold drafts to the rules in force; RefusedDraft tells which breaks which, where and why."""
        in_force = self.in_force
        changes = _rule_documents(asked.drafts)
        if changes:
            after = await _in(asked.parsing, check_documents, in_force, changes, self.hooks)
            if not asked.forced and not asked.quick:
                await self._check_heads(live, in_force, after, asked, next(iter(changes.values()))[0])
            in_force = after
        if asked.forced:
            return
        found = held(in_force, asked.drafts, asked.forms)
        if not found:
            return
        if not (is_little(found) and check_quickly(in_force, found)):
            await _in(asked.parsing, check_schemas, in_force, found)
        if not any(rule.size_factor or rule.hook for one in found for rule in one.rules):
            return
        previous = await _previous(live, asked.drafts, found)
        for one in found:
            check_size(one, previous.get(one.place))
        if not asked.quick:
            await self._ask_hooks(found, previous, asked.dry_run)

    async def _check_heads(self, live: LiveJournal, before: InForce, after: InForce, asked: Asked, place: int) -> None:
        """Refuse a document under which heads would be wrong that nobody mends in the same changeset."""
        rules = changed_rules(before, after) if after.has_schemas else []
        if not rules:
            return
        mended = {(d.namespace, d.key) for d in asked.drafts}

        def find() -> list[BrokenHead]:
            return list(islice(broken_heads(live.reads, after, rules, without=mended), BROKEN_TOLD_MAX + 1))

        try:
            found = await _in(self._heads, find)
        except TooMany:
            raise RefusedDraft(place, too_many()) from None
        if found:
            error = refusal(found[:BROKEN_TOLD_MAX], len(found) > BROKEN_TOLD_MAX)
            raise RefusedDraft(place, error)

    async def follow_now(self, live: LiveJournal) -> InForce:
        """The rules in force at this moment."""
        await self.follow(live, (await live.heads.state()).namespaces_tag)
        return self.in_force

    async def look(self, live: LiveJournal) -> Looked:
        """Which heads break the rules in force; UnavailableError where there are too many to look at.

        Who asks while somebody else's look is going on shares the next one with all who wait: however many ask, one
        look at a time is on its way, and no answer is older than its question.
        """
        if self._looking is None or self._looking.has_begun:
            self._looking = SharedLook(self._looking, lambda: self._look_at_all(live))
        return await self._looking.result()

    async def _look_at_all(self, live: LiveJournal) -> Looked:
        in_force = await self.follow_now(live)
        try:
            return await _in(self._heads, look, live.reads, in_force)
        except TooMany:
            raise UnavailableError("the heads cannot all be looked at in the time there is") from None

    async def _ask_hooks(self, found: Sequence[Held], previous: Mapping[int, bytes | None], dry_run: bool) -> None:
        """Ask every hook about every draft that it concerns, some at a time; the first refusal in order counts."""
        calls = [(one, rule) for one in found for rule in one.rules if rule.hook is not None]
        for start in range(0, len(calls), _HOOKS_AT_ONCE):
            some = calls[start : start + _HOOKS_AT_ONCE]
            answers = await asyncio.gather(
                *(self._ask(rule, proposal_of(one, previous.get(one.place), dry_run=dry_run)) for one, rule in some)
            )
            for (one, rule), said in zip(some, answers, strict=True):
                if isinstance(said, HookDown):
                    log.warning("hook of the rule '%s': %s", rule.text, said)
                    judge_silence(one, rule, said)
                else:
                    judge_hook(one, rule, said)

    async def _ask(self, rule: Rule, proposed: Proposed) -> HookRefusal | HookDown | None:
        begun = self.hooks.begin(rule, proposed)
        try:
            async with asyncio.timeout(wait_s(rule)):
                return await asyncio.shield(asyncio.wrap_future(begun))
        except TimeoutError:
            return too_slow(rule.timeout_s)
        except HookDown as down:
            return down


def _rule_documents(drafts: Sequence[Draft]) -> dict[str, tuple[int, bytes | None]]:
    """The drafts that are rules or schemas: key → place, payload; of several versions the last."""
    return {
        d.key: (place, d.payload)
        for place, d in enumerate(drafts)
        if d.namespace == SYSTEM_NAMESPACE and is_rule_key(d.key)
    }


async def _previous(live: LiveJournal, drafts: Sequence[Draft], found: Sequence[Held]) -> dict[int, bytes | None]:
    """The payload before each draft, by its place: in the same changeset, or of the head that it follows.

    RefusedDraft, with VersionConflict, for a draft that follows what is not there yet.
    """
    last: dict[tuple[str, str], bytes | None] = {}
    earlier = {}
    for place, d in enumerate(drafts):
        if (d.namespace, d.key) in last:
            earlier[place] = last[d.namespace, d.key]
        last[d.namespace, d.key] = d.payload
    for one in found:
        if one.place in earlier or not any(rule.size_factor or rule.hook for rule in one.rules):
            continue
        _, head = await live.head(one.draft.namespace, one.draft.key)
        following = 1 if head.row is None else head.row.version + 1
        if one.draft.version > following:
            # What it would follow is perhaps on its way, and nobody has seen it: it could not be compared.
            conflict = KeyConflict(one.draft.namespace, one.draft.key, following, one.draft.version)
            raise one.refuse(VersionConflict([conflict]))
        if head.row is not None and head.row.payload is not None and one.draft.version == following:
            earlier[one.place] = bytes(head.row.payload)
    return earlier


async def _in(threads: Executor, work: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, work, *arguments)
