"""Who asks a mirror server: it keeps no tokens, and asks the server that it follows whom a credential proves."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from rainer.access.access import TOKEN_S, Access, Known
from rainer.access.oidc import Refused
from rainer.access.options import AccessOptions
from rainer.errors import UnauthenticatedError, UnavailableError
from rainer.model.identity import Identity

log = logging.getLogger("rainer.access")

KEPT_S: Final = 300.0
"""So long what a credential proved goes on to count while the server that said so is away."""
_REMEMBERED_MAX: Final = 20_000

WhoIs = Callable[[str], Mapping[str, Any]]
"""Asks a server whom a credential proves: `name`, `source` and `groups`; waits for its answer."""


class _Proved(NamedTuple):
    identity: Identity
    at_s: float


class UpstreamAccess(Access):
    """As Access, by another server's word: so a revocation there is known here within two seconds more.

    While that server is away, who was known within the last five minutes is known still, and nobody else.
    """

    def __init__(self, who_is: WhoIs, options: AccessOptions) -> None:
        super().__init__(None, options)
        self._who_is = who_is
        self._proved: dict[bytes, _Proved] = {}

    async def _prove(self, text: str, digest: bytes) -> Known:
        begun_s = time.monotonic()
        try:
            told = await self._in_thread(self._who_is, text)
        except UnauthenticatedError:
            self._proved.pop(digest, None)
            raise Refused("the server that is mirrored knows nobody by it") from None
        except UnavailableError as e:
            last = self._proved.get(digest)
            if last is None or time.monotonic() - last.at_s > KEPT_S:
                raise
            log.debug("who asks cannot be looked up, and is taken for who it was: %s", e)
            return Known(last.identity, time.monotonic() + TOKEN_S)
        identity = _identity(told)
        if len(self._proved) >= _REMEMBERED_MAX:
            self._proved.clear()
        self._proved[digest] = _Proved(identity, begun_s)
        return Known(identity, begun_s + TOKEN_S)


def _identity(told: Mapping[str, Any]) -> Identity:
    name, source = str(told.get("name", "")), str(told.get("source", ""))
    if source in ("", "none", "open"):
        raise UnavailableError(
            "the server that is mirrored asks nobody who he is, so that it proves nobody",
            hint="turn identity on there too",
        )
    return Identity(name, source, frozenset(map(str, told.get("groups", ()))))
