"""The ASGI app of a mirror server: the reading half of the journal's server, answered from mirrors in memory."""

from __future__ import annotations

import logging
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from rainer.access.credentials import is_proved
from rainer.api import asking, hot, mirror_feed, mirror_reading, needs, reports, tokens
from rainer.api.explaining import explain, visible_status
from rainer.api.mirror_reading import Answers, service_of
from rainer.api.problems import answer_error, problem
from rainer.api.routing import OURS, make_app, on_bug
from rainer.errors import RainerError
from rainer.service.mirror_service import MirrorOptions, MirrorService
from rainer.service.mirrored import Upstream

log = logging.getLogger("rainer.api")
_GET: Final = "GET /{namespace}/{key}"


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), 200, {"Cache-Control": "no-cache"}, "application/json")


async def refuse(request: Request) -> Response:
    """Whoever wants to write is told where that is done."""
    raise service_of(request).refusal()


async def read_status(request: Request) -> Response:
    """`GET /-/status`: where each mirror stands."""
    return _json(visible_status(service_of(request).status(), needs.asker_of(request)))


async def read_health(_request: Request) -> Response:
    """`GET /-/healthz`: the process lives and answers."""
    return _json({"status": "ok"})


async def read_readiness(request: Request) -> Response:
    """`GET /-/readyz`: every namespace has something to read, and no shutdown has begun."""
    service = service_of(request)
    service.check_ready()
    return _json({"status": "ready", "namespaces": {one.namespace: one.words for one in service.all()}})


async def read_figures(request: Request) -> Response:
    """`GET /-/metrics`: Prometheus figures."""
    service = service_of(request)
    text = service.figures.text(service.all(), service.feed.readers)
    return Response(text, media_type=service.figures.content_type)


async def read_openapi(_request: Request) -> Response:
    """`GET /-/openapi.json`: these calls, described."""
    from rainer.api.openapi import document

    return _json(document({(method, path) for method, path, endpoint, _ in ROUTES if endpoint is not refuse}))


ROUTES: Final = (
    ("GET", "/-/healthz", read_health, needs.OPEN),
    ("GET", "/-/readyz", read_readiness, needs.OPEN),
    ("GET", "/-/metrics", read_figures, needs.READ_ANYTHING),
    ("GET", "/-/status", read_status, needs.SEE),
    ("GET", "/-/openapi.json", read_openapi, needs.OPEN),
    ("GET", "/-/whoami", tokens.who_am_i, needs.OPEN),
    ("GET", "/-/can", explain, needs.BY_BODY),
    ("GET", "/-/changes", mirror_feed.read_changes, needs.READ_SOME),
    ("GET", "/-/mirrors", reports.list_mirrors, needs.SEE),
    ("PUT", "/-/mirrors/{id}", reports.put_mirror, needs.BY_BODY),
    ("DELETE", "/-/mirrors/{id}", reports.delete_mirror, needs.BY_BODY),
    ("POST", "/-/namespaces", refuse, needs.OPEN),
    ("POST", "/-/changesets", refuse, needs.OPEN),
    ("GET", "/{namespace}", mirror_reading.list_heads, needs.READ_SOME),
    ("GET", "/{namespace}/{key}", mirror_reading.read_commit, needs.READ_KEY),
    ("GET", "/{namespace}/{key}/meta", mirror_reading.read_meta, needs.READ_KEY),
    ("GET", "/{namespace}/{key}/log", mirror_reading.read_log, needs.READ_KEY),
    ("GET", "/{namespace}/{key}/{version}", mirror_reading.read_commit, needs.READ_KEY),
    ("POST", "/{namespace}/{key}/{version}", refuse, needs.OPEN),
    ("GET", "/{namespace}/{key}/{version}/meta", mirror_reading.read_meta, needs.READ_KEY),
)
"""Every call of a mirror server; those that write are refused in words."""


class MirrorApp:
    """The app of `create_mirror_app`, to be run by a server of its own."""

    def __init__(self, service: MirrorService) -> None:
        self.service = service
        self._answers = Answers()
        self._routes = make_app(ROUTES)
        self._routes.state.service = service

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        access = self.service.access
        try:
            scope[asking.IDENTITY] = access.identify_at_once(scope) or await access.identify(scope)
            self.service.options.hosts.check(scope, is_proved(scope))
        except RainerError as e:
            refusal = problem(e)
            self.service.figures.answer("none", refusal.status_code)
            await refusal(scope, hot.no_body, send)
            return
        if scope["method"] == "GET" and not scope["query_string"]:
            segments = asking.raw_segments(scope)
            if len(segments) == 2 and segments[0] != OURS and segments[1]:
                await self._get_head(segments, scope, send)
                return
        status = 500

        async def note(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._routes(scope, receive, note)
        finally:
            self.service.figures.answer(scope.get("rainer_route", "none"), status)

    async def _get_head(self, segments: list[bytes], scope: Any, send: Any) -> None:
        try:
            status = await mirror_reading.get_head(self.service, self._answers, segments, scope, send)
        except RainerError as e:
            refusal = answer_error(e, hot.accept_of(scope))
            await refusal(scope, hot.no_body, send)
            status = refusal.status_code
        except Exception as e:
            bug = await on_bug(Request(scope), e)
            await bug(scope, hot.no_body, send)
            status = 500
        self.service.figures.answer(_GET, status)

    async def _lifespan(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.service.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.service.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def create_mirror_app(upstream: Upstream, options: MirrorOptions | None = None) -> MirrorApp:
    """An ASGI app that serves mirrors of namespaces of `upstream`; it begins and ends with the server's lifespan."""
    return MirrorApp(MirrorService(upstream, options or MirrorOptions()))
