"""What an asker may do: the identity that a request has, held against the policy in force."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from rainer.errors import DeniedError, UnavailableError
from rainer.model.identity import OPEN, Identity
from rainer.model.key_set import KeySet
from rainer.model.policy import EVERY_RIGHT, Policy, Rights, place

_REMEMBERED_MAX: Final = 10_000
SCOPE: Final = "rainer_identity"
"""The member of a scope that says who asks."""


class Asker(NamedTuple):
    """Somebody with a request, and all that he may do now."""

    identity: Identity
    rights: Rights

    def may(self, permission: str, space: str, key: str | None = None) -> bool:
        """Whether he may do that on a key; with None on all keys of the space, of `*` on everything."""
        return self.rights.may(permission, space, key)

    def demand(self, permission: str, space: str, key: str | None = None) -> None:
        """DeniedError unless he may."""
        if not self.rights.may(permission, space, key):
            raise self.refusal(permission, place(space, key))

    def demand_some(self, permission: str, space: str | None = None) -> None:
        """DeniedError unless he may do that on something of a space, or on anything at all."""
        if not self.rights.may_some(permission, space):
            raise self.refusal(permission, "anything" if space is None else f"anything of {place(space, None)}")

    def demand_seeing(self, space: str | None) -> None:
        """DeniedError unless he may do anything at all in a space, or anywhere."""
        if not (self.rights.may_anything if space is None else self.rights.sees(space)):
            raise self.refusal("see", "anything" if space is None else f"anything of {place(space, None)}")

    def readable(self, namespace: str) -> KeySet:
        """The keys of a namespace that he may read."""
        return self.rights.keys("read", namespace)

    def refusal(self, permission: str, where: str) -> DeniedError:
        """The error that says what he may not."""
        name = self.identity.name or "nobody"
        asked = "read" if permission == "see" else permission
        what = asked if where.startswith("anything") else f"{asked} '{where}'"
        return DeniedError(f"{name} may not {permission} {where}", hint=f"`rainer can {name} {what}` tells why")


EVERYBODY: Final = Asker(OPEN, EVERY_RIGHT)


@dataclass(slots=True)
class Permissions:
    """The one place where it is decided who may what. `in_force` gives the policy, or None (or an
    UnavailableError with the reason) while it is not known.

    Open, everybody may do everything.
    """

    is_open: bool
    in_force: Callable[[], Policy | None]
    identify_again: Callable[[Any], Awaitable[Identity]] | None = None
    _obeyed: Policy | None = None
    _askers: dict[Identity, Asker] = field(default_factory=dict)
    """Of the policy that was obeyed last: every call asks, most of them several times."""

    @property
    def policy(self) -> Policy:
        """The policy in force; UnavailableError before it was read."""
        found = self.in_force()
        if found is None:
            raise UnavailableError("the policy is not known yet", hint="try again")
        return found

    def asker(self, scope: Any) -> Asker:
        """Who makes a request, and what he may do; whom nobody has asked who he is may do nothing, unless open."""
        if self.is_open:
            return EVERYBODY
        identity = scope[SCOPE]
        if self._obeyed is not None and self.in_force() is self._obeyed:
            found = self._askers.get(identity)
            if found is not None:
                return found
        return self.rights_of(identity)

    async def asker_now(self, scope: Any) -> Asker:
        """The same for a request that goes on and on: who makes it may have been revoked, and the policy changed."""
        if self.is_open:
            return EVERYBODY
        if self.identify_again is not None:
            scope[SCOPE] = await self.identify_again(scope)
        return self.asker(scope)

    def rights_of(self, identity: Identity) -> Asker:
        """The same for an identity."""
        if self.is_open:
            return EVERYBODY
        policy = self.policy
        if policy is not self._obeyed or len(self._askers) > _REMEMBERED_MAX:
            self._obeyed, self._askers = policy, {}
        found = self._askers.get(identity)
        if found is None:
            if identity.is_open:  # somebody forgot to ask
                raise DeniedError("nobody was asked who he is")
            found = self._askers[identity] = Asker(identity, policy.rights(identity))
        return found
