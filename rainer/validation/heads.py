"""Which heads break the rules: asked when a rule or a schema changes, and by whoever wants to know."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

from rainer.errors import NamespaceNotFound, RuleBroken
from rainer.journal.listing import HeadRow
from rainer.journal.reads import Reads
from rainer.journal.row import Namespace, State
from rainer.model.names import SYSTEM_NAMESPACE
from rainer.model.rules import Rule
from rainer.validation.checking import fault_of
from rainer.validation.in_force import InForce

LOOK_S: Final = 60.0
"""How long all heads may be looked at before a new rule is taken."""
BROKEN_TOLD_MAX: Final = 10


class BrokenHead(NamedTuple):
    """A head that breaks a rule."""

    namespace: str
    key: str
    version: int
    rule: str
    message: str
    pointer: str | None
    line: int | None
    column: int | None


class TooMany(Exception):
    """The heads cannot be looked at in the time there is."""


def changed_rules(before: InForce, after: InForce) -> list[Rule]:
    """The rules about schemas that say something else than what was in force."""

    def meaning(state: InForce, rule: Rule) -> Any:
        return rule.on, rule.schema, state.schemas.uses(rule.schema or "") if state.has_schemas else None

    known = {meaning(before, rule) for rule in before.rules.all if rule.schema is not None}
    return [rule for rule in after.rules.all if rule.schema is not None and meaning(after, rule) not in known]


def broken_heads(
    reads: Reads, in_force: InForce, rules: Collection[Rule], *, seconds: float = LOOK_S,
    without: Collection[tuple[str, str]] = (),
) -> Iterator[BrokenHead]:  # fmt: skip
    """The heads that break these rules, by rule and key, `without` some (namespace, key); blocks. TooMany."""
    end = time.monotonic() + seconds
    spaces = reads.namespaces()
    pinned = reads.pin(None)
    for rule in rules:
        if rule.schema is None:
            continue
        names = [name for name in sorted(spaces) if name != SYSTEM_NAMESPACE and rule.on.space in ("*", name)]
        for name in names:
            yield from _broken_in(reads, in_force, rule, spaces[name], pinned, end, without)


def _broken_in(
    reads: Reads, in_force: InForce, rule: Rule, space: Namespace, pinned: State, end: float,
    without: Collection[tuple[str, str]],
) -> Iterator[BrokenHead]:  # fmt: skip
    from rainer.validation.bounded import within
    from rainer.validation.schemas import CHECK_S

    for head in _heads(reads, space.name, pinned, rule.on.text):
        if time.monotonic() > end:
            raise TooMany
        if head.payload is None or not rule.covers(space.name, head.key) or (space.name, head.key) in without:
            continue
        where = f"{space.name}/{head.key}"
        with within(CHECK_S):
            error = fault_of(in_force, rule, where, space.format, head.key, bytes(head.payload))
        if error is not None:
            of = error.details
            yield BrokenHead(
                space.name, head.key, head.version, rule.text, error.message, of.get("pointer"), of.get("line"),
                of.get("column"),
            )  # fmt: skip


def _heads(reads: Reads, namespace: str, pinned: State, prefix: str) -> Iterator[HeadRow]:
    after: str | None = None
    while True:
        try:
            portion = reads.heads_portion(namespace, pinned, prefix=prefix, after=after, payloads=True)
        except NamespaceNotFound:
            return
        yield from portion.rows
        after = portion.next_after
        if after is None:
            return


def refusal(found: list[BrokenHead], has_more: bool) -> RuleBroken:
    """The error of a document that heads break."""
    first = found[0]
    listed = ", ".join(f"{one.namespace}/{one.key} (version {one.version})" for one in found)
    more = " and more" if has_more else ""
    return RuleBroken(
        f"what stands already breaks it: {listed}{more}; {first.message}",
        hint="mend these keys first, or in the same changeset; a forced commit passes",
        rule=first.rule,
        broken=[one._asdict() for one in found],
    )


def too_many() -> RuleBroken:
    """The error of a document that concerns more heads than can be looked at."""
    return RuleBroken(
        f"the heads that it concerns cannot be looked at within {LOOK_S:g} s",
        hint="let it concern fewer keys, or force it and run `rainer rules check`",
    )
