"""What waits: the open proposals that somebody could decide, told on every page, and those on the key looked at."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from starlette.requests import Request

from rainer.access.permissions import Asker
from rainer.api import asking
from rainer.api.needs import asker_of
from rainer.api.reading import service_of
from rainer.api.routing import OURS
from rainer.errors import RainerError
from rainer.model.identity import ANONYMOUS
from rainer.model.proposal import OPEN, Proposal
from rainer.service import Service

_SCOPE: Final = "rainer_waiting"
_LOOKED_AT_MAX: Final = 100
_OPEN_MAX: Final = 200
"""So many are read for a page, the newest; how many more there are, their own list tells."""
_PLACES_MAX: Final = 4_000
"""So many keys of proposals are judged for a page: one proposal may change a thousand."""
_PATIENCE_S: Final = 3.0
log = logging.getLogger("rainer.api")


@dataclass(frozen=True, slots=True)
class Waiting:
    """Open proposals whose heads have not moved: how many wait for who asks, and those on the key of the page."""

    for_me: int = 0
    on_key: tuple[Proposal, ...] = ()


_NOTHING: Final = Waiting()


def is_for(proposal: Proposal, asker: Asker) -> bool:
    """Whether somebody could approve of a proposal now: it is open, another's, and he may on all its keys."""
    who = asker.identity
    if not proposal.is_open or who.is_open or who.source == ANONYMOUS.source:
        return False
    if proposal.is_by(who.name) or proposal.approved_by(who.name):
        return False
    return all(asker.may("approve", place.namespace, place.key) for place in proposal.places)


async def look(request: Request) -> None:
    """Find what waits, and keep it with the request for the page that is made of it.

    Nothing where it cannot be found out, or not soon: the page itself says what does not answer, if it needs that.
    """
    try:
        async with asyncio.timeout(_PATIENCE_S):
            service, asker, on = service_of(request), asker_of(request), _key_of(request)
            if not service.proposals.is_open and (on is not None or asker.rights.may_some("approve")):
                request.scope[_SCOPE] = await _find(service, asker, on)
    except (RainerError, TimeoutError) as e:
        log.warning("what waits for approval is not shown: %s", e)


def waiting_of(scope: Any) -> Waiting:
    """What was found for a request; nothing where nobody looked."""
    found: Waiting = scope.get(_SCOPE, _NOTHING)
    return found


async def _find(service: Service, asker: Asker, on: tuple[str, str] | None) -> Waiting:
    proposals = service.proposals
    known = within_reach(await service.live.in_thread(_open, service))
    wanted = [one for one in known if _is_on(one, on) or is_for(one, asker)]
    wanted = [one for one in wanted if proposals.sees(asker, one)][:_LOOKED_AT_MAX]
    moved = await asyncio.gather(*map(proposals.conflicts, wanted))
    standing = [one for one, conflicts in zip(wanted, moved, strict=True) if not conflicts]
    return Waiting(sum(is_for(one, asker) for one in standing), tuple(one for one in standing if _is_on(one, on)))


def _open(service: Service) -> Sequence[Proposal]:
    return service.proposals.table.list(OPEN, limit=_OPEN_MAX)


def within_reach(proposals: Sequence[Proposal]) -> Sequence[Proposal]:
    """Those whose keys a page has time to judge: where they are too many the largest are left out."""
    smallest = sorted(proposals, key=lambda one: len(one.places))
    sums = accumulate(len(one.places) for one in smallest)
    left_out = {one.id for one, places in zip(smallest, sums, strict=True) if places > _PLACES_MAX}
    return [one for one in proposals if one.id not in left_out]


def _is_on(proposal: Proposal, on: tuple[str, str] | None) -> bool:
    return on is not None and any(place[:2] == on for place in proposal.places)


def _key_of(request: Request) -> tuple[str, str] | None:
    named = asking.raw_segments(request.scope)[2:4]
    if len(named) < 2 or named[0] == OURS:
        return None
    return asking.segment(named[0]), asking.segment(named[1])
