"""An import's commits, held to the rules in force when it begins: history, too, must not break them unseen."""

from __future__ import annotations

from rainer.journal import Journal
from rainer.model.commit import Draft
from rainer.validation.checking import Held, check_schemas, check_size, held, judge_hook, judge_silence, proposal_of
from rainer.validation.hooks import HookDown, Hooks
from rainer.validation.in_force import load
from rainer.validation.refused import RefusedDraft


class RowGuard:
    """Belongs to one import. Holds the last payload of each key that a rule is about, for what compares with it."""

    def __init__(self, journal: Journal) -> None:
        self._forms = {space.name: space.format for space in journal.namespaces().values()}
        self._in_force = load(journal.reads)
        self._hooks = Hooks()
        self._last: dict[str, bytes | None] = {}

    @property
    def tag(self) -> str:
        """Of the rules in force."""
        return self._in_force.tag

    def close(self) -> None:
        """Close connections to hooks."""
        self._hooks.close()

    def check(self, draft: Draft, *, is_new: bool) -> None:
        """Hold a new commit to the rules: RuleBroken; UnavailableError where a hook is down that must not be."""
        found = held(self._in_force, [draft], [self._forms.get(draft.namespace, "any")])
        if not found:
            return
        previous = self._last.get(draft.key)
        if is_new:
            try:
                check_schemas(self._in_force, found)
                check_size(found[0], previous)
                self._ask(found[0], previous)
            except RefusedDraft as refused:
                raise refused.error from None
        self._last[draft.key] = draft.payload

    def _ask(self, one: Held, previous: bytes | None) -> None:
        proposed = proposal_of(one, previous)
        for rule in one.rules:
            if rule.hook is not None:
                try:
                    judge_hook(one, rule, self._hooks.ask(rule, proposed))
                except HookDown as down:
                    judge_silence(one, rule, down)
