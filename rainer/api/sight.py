"""What the reader of a feed may read, for as long as it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from rainer.access.permissions import Permissions
from rainer.errors import PositionGone, RainerError
from rainer.model.policy import KeysBySpace


@dataclass(slots=True)
class Sight:
    """What the reader of a feed may read: looked at again before anything is told, for it may change meanwhile."""

    permissions: Permissions
    scope: Any
    namespace: str | None
    tag: str | None
    """What it could read when it was at the position that it asks from, as it was told then; None: it does not say."""

    async def look(self) -> KeysBySpace | None:
        """What may be read now; None: everything, for nobody is asked who he is.

        PositionGone where that is not what it was: what the reader lacks stands before its position. DeniedError where
        nothing may be read any more, or the credential proves nothing any more.
        """
        if self.permissions.is_open:
            return None
        asker = await self.permissions.asker_now(self.scope)
        asker.demand_some("read", self.namespace)
        readable = asker.rights.readable
        readable = readable if self.namespace is None else readable.only(self.namespace)
        if self.tag is not None and self.tag != readable.tag:
            raise PositionGone("what may be read here is not what it was", hint="reload from the heads")
        self.tag = readable.tag
        return readable

    async def is_still(self) -> bool:
        """Whether the reader may read what it could."""
        try:
            await self.look()
        except RainerError:
            return False
        return True


def sight_of(request: Request, permissions: Permissions, namespace: str | None) -> Sight:
    """What a request for changes may see; `readable` is the tag of what it could read at its position."""
    return Sight(permissions, request.scope, namespace, request.query_params.get("readable"))
