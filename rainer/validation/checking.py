"""Holding payloads to the rules in force: the part that needs neither the loop nor anybody else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from rainer.errors import InvalidDocument, MalformedPayload, RainerError, RuleBroken, UnavailableError
from rainer.model.commit import Draft
from rainer.model.rules import KEY, SCHEMA_PREFIX, Rule
from rainer.validation.documents import Document, read
from rainer.validation.hooks import HookDown, HookRefusal, Hooks, Proposed
from rainer.validation.in_force import InForce
from rainer.validation.plain import LITTLE_BYTES, MOMENT_S
from rainer.validation.refused import RefusedDraft, broken, steps


class Held(NamedTuple):
    """A draft that rules hold for, its place in its changeset, and its namespace's format."""

    place: int
    draft: Draft
    form: str
    rules: Sequence[Rule]

    @property
    def where(self) -> str:
        return f"{self.draft.namespace}/{self.draft.key}"

    def refuse(self, error: RainerError) -> RefusedDraft:
        return RefusedDraft(self.place, error)


def check_documents(in_force: InForce, changes: Mapping[str, tuple[int, bytes | None]], hooks: Hooks) -> InForce:
    """What would be in force with these documents (key → place in the changeset, payload); RefusedDraft.

    No force lets one pass that cannot be read, or asks for what is not there: nobody could commit anything.
    """
    place = next(iter(changes.values()))[0]
    try:
        for key, (at, payload) in changes.items():
            place = at
            if key.startswith(SCHEMA_PREFIX) and payload is not None:
                from rainer.validation.schemas import read_schema

                read_schema(key, payload)
        place = changes[KEY][0] if KEY in changes else next(iter(changes.values()))[0]
        after = in_force.overlaid({key: payload for key, (_, payload) in changes.items()})
        _check_asked_for(after, hooks)
        if after.has_schemas:
            after.schemas.check_references()
    except (InvalidDocument, MalformedPayload) as e:
        raise RefusedDraft(place, e) from e
    return after


def _check_asked_for(after: InForce, hooks: Hooks) -> None:
    for rule in after.rules.all:
        pointer = f"/rules/{rule.number - 1}"
        where = f"{pointer}, line {rule.line}"
        if rule.schema is not None and rule.schema not in after.schemas.prints:
            raise InvalidDocument(
                f"{where}: there is no schema {rule.schema!r}", pointer=pointer, line=rule.line, column=1,
                hint=f"commit {SCHEMA_PREFIX}{rule.schema} first, or in the same changeset",
            )  # fmt: skip
        if rule.hook is not None and not hooks.is_known(rule.hook):
            raise InvalidDocument(
                f"{where}: {rule.hook} is not installed in this server", pointer=pointer, line=rule.line, column=1,
                hint="install the package whose entry point of the group rainer.hooks it is, in every server",
            )  # fmt: skip


def held(in_force: InForce, drafts: Iterable[Draft], forms: Iterable[str]) -> list[Held]:
    """Those of the drafts that rules hold for."""
    found = []
    for place, (d, form) in enumerate(zip(drafts, forms, strict=True)):
        rules = in_force.rules.of(d.namespace, d.key)
        if rules:
            found.append(Held(place, d, form, rules))
    return found


def is_little(found: Iterable[Held]) -> bool:
    """Whether so little is to be parsed that a thread for it would cost more than it."""
    return sum(len(one.draft.payload or b"") for one in found) <= LITTLE_BYTES


def check_quickly(in_force: InForce, found: Sequence[Held]) -> bool:
    """Hold little payloads to schemas on the spot; False where that takes longer than a moment. RefusedDraft."""
    if not in_force.has_schemas:
        return not in_force.unreadable
    from rainer.validation.bounded import TooSlow

    try:
        check_schemas(in_force, found, seconds=MOMENT_S)
    except TooSlow:
        return False
    return True


def check_schemas(in_force: InForce, found: Iterable[Held], *, seconds: float | None = None) -> None:
    """Hold payloads to the schemas that rules ask for; RefusedDraft. Bounded in time, whatever they say.

    With `seconds` that is the bound, and its end is TooSlow.
    """
    if in_force.unreadable:
        one = next(iter(found))
        hint = "mend rainer/rules; a forced commit passes"
        words = f"the rules in force cannot be read: {in_force.unreadable}"
        raise one.refuse(RuleBroken(words, hint=hint, rule=one.rules[0].text))
    if not in_force.has_schemas:
        return
    from rainer.validation.bounded import within
    from rainer.validation.schemas import CHECK_S

    is_quick = seconds is not None
    with within(CHECK_S if seconds is None else seconds, lets_go=not is_quick):
        for one in found:
            if one.draft.payload is None:
                continue
            for rule in one.rules:
                d = one.draft
                error = fault_of(in_force, rule, one.where, one.form, d.key, one.draft.payload, is_quick=is_quick)
                if error is not None:
                    raise one.refuse(error)


def fault_of(
    in_force: InForce, rule: Rule, where: str, form: str, key: str, payload: bytes, *, is_quick: bool = False
) -> RainerError | None:
    """What the schema of a rule, if it has one, finds wrong with a payload; to be asked inside `within`.

    That the time for it is over is a fault as well, or, if it `is_quick`, TooSlow.
    """
    if rule.schema is None:
        return None
    try:
        document = read(form, key, payload)
    except MalformedPayload as e:
        error = broken(rule, where, e.message)
        error.details |= {name: e.details[name] for name in ("line", "column", "pointer") if name in e.details}
        return error
    from rainer.validation.bounded import TooSlow

    try:
        fault = in_force.schemas.fault(rule.schema, document)
    except TooSlow:
        if is_quick:
            raise
        return broken(rule, where, "to check it takes too long")
    return None if fault is None else broken(rule, where, fault.message, path=fault.path, document=document)


def check_size(one: Held, previous: bytes | None) -> None:
    """Hold a payload to the sizes that rules allow after the one before it; RefusedDraft."""
    if previous is None:
        return
    for rule in one.rules:
        if rule.size_factor is None:
            continue
        if one.draft.payload is None:
            raise one.refuse(broken(rule, one.where, "it may not be removed"))
        old, new = max(len(previous), 1), max(len(one.draft.payload), 1)
        if max(old / new, new / old) > rule.size_factor:
            words = (
                f"from {len(previous):,} to {len(one.draft.payload):,} bytes is more than {rule.size_factor:g} times"
            )
            raise one.refuse(broken(rule, one.where, words))


def proposal_of(one: Held, previous: bytes | None, *, dry_run: bool = False) -> Proposed:
    """What a hook is asked about a draft."""
    d = one.draft
    return Proposed(d.namespace, d.key, d.version, d.payload, d.author, d.comment, previous, dry_run)


def judge_hook(one: Held, rule: Rule, said: HookRefusal | None) -> None:
    """What a hook's answer means; RefusedDraft."""
    if said is None:
        return
    path, document = steps(said.pointer), None
    if path is not None and one.draft.payload is not None:
        document = _document(one)
    raise one.refuse(broken(rule, one.where, said.message, path=path, document=document))


def _document(one: Held) -> Document | None:
    """Where a pointer's place can be told; a payload of no format has none."""
    assert one.draft.payload is not None
    try:
        return read(one.form, one.draft.key, one.draft.payload)
    except MalformedPayload:
        return None


def judge_silence(one: Held, rule: Rule, down: HookDown) -> None:
    """What it means that a hook does not answer: nothing, or RefusedDraft of UnavailableError, for it may later."""
    if not rule.accepts_when_down:
        words = f"{one.where} cannot be checked by the rule '{rule.text}': {down}"
        error = UnavailableError(words, hint="the rule says when_down: refuse; try again", rule=rule.text)
        raise one.refuse(error) from down
