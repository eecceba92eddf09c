"""Status: whether all is well, the database, ZooKeeper, publishers, mirrors, and the last hour."""

from __future__ import annotations

import os
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from rainer.api import asking
from rainer.api.needs import asker_of
from rainer.api.pages.charting import charts, clock_of
from rainer.api.pages.rendering import page
from rainer.api.pages.trouble import told_to
from rainer.api.pages.verdict import clock, seconds
from rainer.api.reading import service_of
from rainer.model import times

_PAGE: Final = 100


async def show_status(request: Request) -> Response:
    """`GET /-/ui/-/status`: made also while the database does not answer."""
    service, asker = service_of(request), asker_of(request)
    number = asking.bounded(request, "page", 0, 0, 10**6)
    seen = await service.watching.look()
    told = told_to(asker, seen)
    chosen = told.mirrors[number * _PAGE : (number + 1) * _PAGE]
    minutes = service.watching.hour.minutes(times.now_ms(), asker.rights.sees)
    return page(
        request, "status.html", current="status", seen=seen, told=told, verdict=told.verdicts[0],
        also=told.verdicts[1:], mirrors=chosen, number=number, pages=-(-len(told.mirrors) // _PAGE), per_page=_PAGE,
        charts=charts(minutes, has_zookeeper=seen.zookeeper is not None), minutes=minutes, seconds=seconds,
        clock=clock, clock_of=clock_of, process=os.getpid(), workers=service.options.workers,
    )  # fmt: skip
