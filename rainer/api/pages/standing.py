"""Where the journal stood when a page was begun: from there on the page's script follows what others commit."""

from __future__ import annotations

import contextlib
from typing import Any, Final

from starlette.requests import Request

from rainer.api.reading import service_of
from rainer.errors import RainerError

_SINCE: Final = "rainer_since"
HEADER: Final = "X-Rainer-Revision"


async def note(request: Request) -> None:
    """Look where the journal stands, before anything of the page is read: what comes after that is not on it."""
    with contextlib.suppress(RainerError):  # the page itself will say what is wrong
        state = await service_of(request).live.heads.state()
        request.scope[_SINCE] = state.revision


def noted(scope: Any) -> int | None:
    """The revision after which a page may lack something; None where nothing is followed."""
    found: int | None = scope.get(_SINCE)
    return found
