"""Validation rules: what payloads of which keys must hold to, read from the document `rainer/rules`.

```yaml
rules:
  - {on: "prod/app.*", schema: app}
  - {on: "prod/*", size_change_max: 10x}
  - {on: "prod/*", hook: "https://checker/check", timeout_s: 2, when_down: refuse}
  - {on: "prod/flags*", hook: "python:flags"}
  - {on: "prod/db*", approvals: 1}
```
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from rainer.errors import InvalidError
from rainer.model import names
from rainer.model.placed_yaml import Placed, read
from rainer.model.policy import STORE, Target
from rainer.model.policy_document import target_of
from rainer.model.setting_values import redact

KEY: Final = "rules"
SCHEMA_PREFIX: Final = "schema."
PYTHON: Final = "python:"
RULES_MAX: Final = 1_000
HOOK_TIMEOUT_S_DEFAULT: Final = 2.0
HOOK_TIMEOUT_S_MAX: Final = 30.0
APPROVALS_MAX: Final = 10
_KINDS: Final = ("schema", "size_change_max", "hook", "approvals")
_MEMBERS: Final = ("on", *_KINDS, "timeout_s", "when_down")
_FACTOR: Final = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s?[x×]")
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,200}")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, of exactly one kind: `schema` (a name), `size_factor`, `hook` or `approvals`.

    `text` is how it is spoken of, also when it has moved in its document; `number` counts from 1.
    """

    on: Target
    text: str
    number: int = 1
    line: int = 1
    schema: str | None = None
    size_factor: float | None = None
    hook: str | None = None
    timeout_s: float = HOOK_TIMEOUT_S_DEFAULT
    accepts_when_down: bool = False
    approvals: int = 0

    def covers(self, namespace: str, key: str) -> bool:
        """Whether it holds for a key. Documents of the system itself obey no rules: who could mend a rule else?"""
        return namespace != names.SYSTEM_NAMESPACE and self.on.covers(namespace, key)


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of a document, in its order."""

    all: tuple[Rule, ...] = ()
    by_space: dict[str, list[tuple[str, bool, Rule]]] = field(init=False, compare=False, repr=False)
    """Those that hold in a namespace, with the key or the prefix that they are on; under `*` those of all others."""

    def __post_init__(self) -> None:
        found: dict[str, list[tuple[str, bool, Rule]]] = {"*": []}
        for rule in self.all:
            concerned = found.values() if rule.on.is_everything else (found.setdefault(rule.on.space, [*found["*"]]),)
            for rules in concerned:
                rules.append((rule.on.text, rule.on.is_prefix, rule))
        found[names.SYSTEM_NAMESPACE] = []  # as `covers` has it
        object.__setattr__(self, "by_space", found)

    def of(self, namespace: str, key: str) -> list[Rule]:
        """Those that hold for a key."""
        rules = self.by_space.get(namespace, self.by_space["*"])
        return [rule for text, is_prefix, rule in rules if (key.startswith(text) if is_prefix else key == text)]

    def approvals(self, namespace: str, key: str) -> int:
        """How many others must approve a change of a key."""
        return max((rule.approvals for rule in self.of(namespace, key)), default=0)

    @property
    def namespaces(self) -> set[str] | None:
        """The namespaces that rules speak of; None where one speaks of all."""
        spaces = {rule.on.space for rule in self.all}
        return None if "*" in spaces else spaces


def is_rule_key(key: str) -> bool:
    """Whether a key of namespace `rainer` is a document of this kind: the rules, or a schema."""
    return key == KEY or key.startswith(SCHEMA_PREFIX)


def parse(payload: bytes) -> Rules:
    """The rules in a document; InvalidDocument (with pointer, line, column) or MalformedPayload for any other text."""
    document = read(payload).members(("rules",), needed=("rules",))
    found = document["rules"].items()
    if len(found) > RULES_MAX:
        document["rules"].fail(f"{len(found)} rules are over the {RULES_MAX} that may be")
    return Rules(tuple(_rule(one, number) for number, one in enumerate(found, 1)))


def schema_names(rules: Iterable[Rule]) -> set[str]:
    """The schemas that rules ask for."""
    return {rule.schema for rule in rules if rule.schema is not None}


def _rule(at: Placed, number: int) -> Rule:
    members = at.members(_MEMBERS, needed=("on",))
    kinds = [kind for kind in _KINDS if kind in members]
    if len(kinds) != 1:
        at.fail(f"a rule is of one kind, and this one of {len(kinds)}", f"give one of {', '.join(_KINDS)}")
    for name in ("timeout_s", "when_down"):
        if name in members and kinds[0] != "hook":
            members[name].fail(f"{name} belongs to a hook")
    on = _target(members["on"])
    value: dict[str, Any] = _READERS[kinds[0]](members)
    shown = redact(str(members[kinds[0]].node.value)) if members[kinds[0]].node.id == "scalar" else ""
    text = f"{kinds[0]} {shown} on {members['on'].text()}"
    return Rule(on, text, number, at.line, **value)


def _target(at: Placed) -> Target:
    try:
        found = target_of(at.text())
    except InvalidError as e:
        at.fail(str(e), e.hint)
    if found.space == STORE:
        at.fail("rules are about keys, not about files of the store")
    if found.space == names.SYSTEM_NAMESPACE:
        at.fail("no rule holds for the system's own documents", "the server itself checks them")
    return found


def _schema(members: dict[str, Placed]) -> dict[str, Any]:
    name = members["schema"].text()
    if not _NAME.fullmatch(name):
        members["schema"].fail(f"{name!r} names no schema", f"the schema of key {SCHEMA_PREFIX}app is called app")
    return {"schema": name}


def _size(members: dict[str, Placed]) -> dict[str, Any]:
    at = members["size_change_max"]
    found = _FACTOR.fullmatch(str(at.node.value)) if at.node.id == "scalar" else None
    if found is None or float(found[1]) <= 1:
        at.fail(f"{at.shown} is no factor above 1", "such as 10x")
    return {"size_factor": float(found[1])}


def _hook(members: dict[str, Placed]) -> dict[str, Any]:
    at = members["hook"]
    text = at.text()
    if text.startswith(PYTHON):
        if not _NAME.fullmatch(text.removeprefix(PYTHON)):
            at.fail(f"{text!r} names no hook", "such as python:flags, an entry point of the group rainer.hooks")
    elif not _is_url(text):
        at.fail(f"{redact(text)!r} is no hook", "https://… or python:NAME")
    found: dict[str, Any] = {"hook": text}
    if "timeout_s" in members:
        found["timeout_s"] = _number(members["timeout_s"], HOOK_TIMEOUT_S_MAX)
    if "when_down" in members:
        said = members["when_down"].text()
        if said not in ("refuse", "accept"):
            members["when_down"].fail(f"{said!r} is no behaviour", "refuse or accept")
        found["accepts_when_down"] = said == "accept"
    return found


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0 and text.isprintable()
    except ValueError:
        return False


def _approvals(members: dict[str, Placed]) -> dict[str, Any]:
    at = members["approvals"]
    count = _number(at, APPROVALS_MAX)
    if count != int(count):
        at.fail(f"{at.shown} is no whole number")
    return {"approvals": int(count)}


def _number(at: Placed, most: float) -> float:
    is_number = at.node.id == "scalar" and at.node.tag.endswith((":int", ":float"))
    try:
        value = float(at.node.value) if is_number else -1.0
    except ValueError:
        value = -1.0
    if not 0 < value <= most:
        at.fail(f"{at.shown} is not a number above 0, at most {most:g}")
    return value


_READERS: Final = {"schema": _schema, "size_change_max": _size, "hook": _hook, "approvals": _approvals}
