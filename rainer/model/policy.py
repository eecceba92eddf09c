"""The policy: who may do what on which keys. Pure; denied is what nobody grants.

A policy is a document of namespace `rainer` (key `policy`, YAML). For each identity what its grants come to is worked
out once and remembered, so that a decision costs a few look-ups.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from rainer.model.identity import BOOTSTRAP, Identity, is_named
from rainer.model.key_set import ALL_KEYS, NO_KEYS, KeySet
from rainer.model.names import SYSTEM_NAMESPACE

PERMISSIONS: Final = ("read", "write", "approve", "admin", "impersonate", "force")
IMPLIED: Final = frozenset({"read", "write", "approve"})
"""What `admin` implies, on what it is granted for."""
STORE: Final = "store:"
"""What names of the server store's files begin with in a policy; no namespace is called so."""
ANYBODY: Final = "anonymous"
SIGNED_IN: Final = "authenticated"
GROUP: Final = "group:"
_GUARDED: Final = frozenset({"write", "approve", "admin"})
_REMEMBERED_MAX: Final = 10_000


class Decision(NamedTuple):
    """Whether something is allowed, and the sentence that says why or why not."""

    allowed: bool
    because: str


class Target(NamedTuple):
    """What a grant is on: `space` a namespace, `store:` or `*` (everything); `text` a key, or what keys begin with."""

    space: str
    text: str
    is_prefix: bool

    @property
    def is_everything(self) -> bool:
        return self.space == "*"

    def covers(self, space: str, key: str | None) -> bool:
        """Whether it reaches a key, or with None all keys of a space; `*` as space is everything there is."""
        if self.is_everything:
            return True
        if space != self.space:
            return False
        if key is None:
            return self.is_prefix and not self.text
        return key.startswith(self.text) if self.is_prefix else key == self.text


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant of the document, and where it stands: its number, from 1, and its line."""

    who: tuple[str, ...]
    may: frozenset[str]
    on: tuple[Target, ...]
    number: int = 1
    line: int = 1

    def gives(self, permission: str) -> bool:
        return permission in self.may or (permission in IMPLIED and "admin" in self.may)

    def describe(self) -> str:
        """How it is spoken of: which one it is, to whom it gives what."""
        may = ", ".join(p for p in PERMISSIONS if p in self.may)
        return f"grant {self.number} (line {self.line}): {', '.join(self.who)} may {may}"


@dataclass(frozen=True)
class Rights:
    """What all grants of one identity come to: for each permission the keys of each space. Equal rights are equal."""

    everywhere: frozenset[str]
    spaces: Mapping[tuple[str, str], KeySet]

    def keys(self, permission: str, space: str) -> KeySet:
        """The keys of a namespace (or of `store:`) on which it may do that."""
        if space == SYSTEM_NAMESPACE and permission in _GUARDED:
            return ALL_KEYS if "admin" in self.everywhere else NO_KEYS
        return ALL_KEYS if permission in self.everywhere else self.spaces.get((permission, space), NO_KEYS)

    def may(self, permission: str, space: str, key: str | None = None) -> bool:
        """Whether it may do that on a key; with None, on all keys of the space, and of `*` on everything.

        The documents that the server itself obeys, those of namespace `rainer`, are changed by admins of everything.
        """
        if space == SYSTEM_NAMESPACE and permission in _GUARDED:
            return "admin" in self.everywhere
        if permission in self.everywhere:
            return True
        found = self.spaces.get((permission, space))
        if found is None:
            return False
        if key is None:
            return found.is_all
        return key in found.exact or key.startswith(found.prefixes)  # as KeySet has it, and this is asked always

    def may_some(self, permission: str, space: str | None = None) -> bool:
        """Whether it may do that on anything of a space, or on anything at all."""
        if permission in self.everywhere:
            return True
        if space is not None:
            return not self.keys(permission, space).is_empty
        return any(one == permission for one, _ in self.spaces)

    def sees(self, space: str) -> bool:
        """Whether it may do anything there at all."""
        return bool(self.everywhere) or any(one == space for _, one in self.spaces)

    @property
    def may_anything(self) -> bool:
        """Whether it may do anything anywhere."""
        return bool(self.everywhere or self.spaces)

    @cached_property
    def readable(self) -> KeysBySpace:
        """What it may read, by namespace: hashable, and the same for all who may read the same."""
        if "read" in self.everywhere:
            return KeysBySpace(True, ())
        found = ((space, keys) for (permission, space), keys in self.spaces.items() if permission == "read")
        return KeysBySpace(False, tuple(sorted(found, key=lambda one: one[0])))


class KeysBySpace(NamedTuple):
    """Keys of several namespaces, or all of all."""

    is_all: bool
    spaces: tuple[tuple[str, KeySet], ...]

    def of(self, space: str) -> KeySet:
        """Those of one namespace."""
        if self.is_all:
            return ALL_KEYS
        return next((keys for name, keys in self.spaces if name == space), NO_KEYS)

    def only(self, space: str) -> KeysBySpace:
        """The same, for who asks about one namespace: what may be read of others makes no difference."""
        keys = self.of(space)
        return KeysBySpace(True, ()) if keys.is_all else KeysBySpace(False, ((space, keys),))

    @property
    def tag(self) -> str:
        """A word for exactly these keys, to notice by that they have become others."""
        if self.is_all:
            return "all"
        told = [(space, sorted(keys.exact), keys.prefixes) for space, keys in self.spaces]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


EVERY_RIGHT: Final = Rights(frozenset(PERMISSIONS), {})
NO_RIGHT: Final = Rights(frozenset(), {})


@dataclass(frozen=True)
class Policy:
    """A policy; without grants it denies everything. `zookeeper` holds ACLs by namespace, as `scheme:id` texts."""

    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    grants: tuple[Grant, ...] = ()
    zookeeper: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _remembered: dict[Identity, Rights] = field(default_factory=dict, compare=False, repr=False)

    def rights(self, identity: Identity) -> Rights:
        """All that an identity may do; remembered. Thread-safe."""
        found = self._remembered.get(identity)
        if found is None:
            if len(self._remembered) >= _REMEMBERED_MAX:
                self._remembered.clear()
            found = self._remembered[identity] = self._work_out(identity)
        return found

    def readable(self, identity: Identity, namespace: str) -> KeySet:
        """The keys of a namespace that an identity may read."""
        return self.rights(identity).keys("read", namespace)

    def decide(self, identity: Identity, permission: str, space: str, key: str | None = None) -> Decision:
        """Whether an identity may do that on a key (None: on all of the space; space `*`: on everything), and why."""
        if identity.is_open:
            return Decision(True, "the server asks nobody who he is (identity is off)")
        if identity.source == BOOTSTRAP:
            return Decision(True, "the bootstrap token may do everything")
        if space == SYSTEM_NAMESPACE and permission in _GUARDED:
            found = self.decide(identity, "admin", "*")
            return Decision(found.allowed, f"{place(space, key)} is changed by who may admin *: {found.because}")
        for grant in self.grants:
            if grant.gives(permission) and any(self._means(who, identity) for who in grant.who):
                on = next((target for target in grant.on if target.covers(space, key)), None)
                if on is not None:
                    return Decision(True, f"{grant.describe()} on {shown(on)}")
        held = any(self._means(who, identity) for grant in self.grants for who in grant.who)
        where = place(space, key)
        if not self.grants:
            return Decision(False, "there is no policy yet, so that only the bootstrap token may do anything")
        why = (
            f"no grant for {identity.name} gives {permission} on {where}"
            if held
            else f"no grant is for {identity.name}"
        )
        return Decision(False, why)

    def decide_target(self, identity: Identity, permission: str, target: Target) -> Decision:
        """The same for all keys of a prefix: allowed where one grant covers them, or several together do."""
        if not target.is_prefix or not target.text:
            return self.decide(identity, permission, target.space, None if target.is_prefix else target.text)
        whole = self.decide(identity, permission, target.space, target.text)
        if not self.rights(identity).keys(permission, target.space).covers(target.text):
            return Decision(False, f"not on all of {shown(target)}: {whole.because}")
        return whole

    def given(self, identity: Identity, permission: str) -> list[str]:
        """Which grants give an identity that permission, and on what, in words."""
        if self.rights(identity) is EVERY_RIGHT:
            return [self.decide(identity, permission, "*").because]
        found = (grant for grant in self.grants if grant.gives(permission))
        return [
            f"{grant.describe()} on {', '.join(map(shown, grant.on))}"
            for grant in found
            if any(self._means(who, identity) for who in grant.who)
        ]

    def admins(self) -> frozenset[str]:
        """Who may administer everything, as grants and their groups name them: names, globs, `group:` and the like."""
        found: set[str] = set()
        for grant in self.grants:
            if "admin" in grant.may and any(target.is_everything for target in grant.on):
                for who in grant.who:
                    found |= set(self.groups.get(who.removeprefix(GROUP), ())) if who.startswith(GROUP) else {who}
        return frozenset(found)

    def is_admin(self, identity: Identity) -> bool:
        """Whether it may administer everything."""
        return self.rights(identity).may("admin", "*")

    def _means(self, who: str, identity: Identity) -> bool:
        if who == ANYBODY:
            return identity.source == "none"
        if who == SIGNED_IN:
            return identity.source != "none"
        if who.startswith(GROUP):
            name = who.removeprefix(GROUP)
            return name in identity.groups or any(is_named(one, identity) for one in self.groups.get(name, ()))
        return is_named(who, identity)

    def _work_out(self, identity: Identity) -> Rights:
        if identity.is_open or identity.source == BOOTSTRAP:
            return EVERY_RIGHT
        everywhere: set[str] = set()
        parts: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
        for grant in self.grants:
            if not any(self._means(who, identity) for who in grant.who):
                continue
            given = [p for p in PERMISSIONS if grant.gives(p)]
            for target in grant.on:
                if target.is_everything:
                    everywhere.update(given)
                    continue
                for permission in given:
                    exact, prefixes = parts.setdefault((permission, target.space), (set(), set()))
                    (prefixes if target.is_prefix else exact).add(target.text)
        return Rights(frozenset(everywhere), {at: KeySet.of(*found) for at, found in parts.items()})


def place(space: str, key: str | None) -> str:
    """A place as a policy has it: `prod/app.x`, `prod/*`, `store:files/a`, `*`."""
    if space == "*":
        return "*"
    return f"{space if space == STORE else space + '/'}{'*' if key is None else key}"


def shown(target: Target) -> str:
    """A grant's target as the document has it."""
    if target.is_everything:
        return "*"
    return place(target.space, target.text + ("*" if target.is_prefix else ""))
