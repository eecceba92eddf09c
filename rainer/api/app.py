"""The ASGI app: the hot calls first, the route table behind them, every error in its documented form."""

from __future__ import annotations

import logging
import time
from collections.abc import Coroutine
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route

from rainer.api import administration, asking, changesets, feed, hot, listing, reading
from rainer.api.list_memory import ListMemory
from rainer.api.problems import answer_error, problem
from rainer.errors import InvalidError, NotFoundError, RainerError
from rainer.journal import Journal
from rainer.model import names
from rainer.service import Service, ServiceOptions

log = logging.getLogger("rainer.api")


async def post_commit(request: Request) -> Response:
    """`POST /{ns}/{key}/{version}`: one commit."""
    return hot.PostedCommit(reading.service_of(request))


ROUTES: Final = (
    ("GET", "/-/healthz", administration.read_health),
    ("GET", "/-/readyz", administration.read_readiness),
    ("GET", "/-/metrics", administration.read_figures),
    ("GET", "/-/status", administration.read_status),
    ("GET", "/-/openapi.json", administration.read_openapi),
    ("GET", "/-/namespaces", administration.list_namespaces),
    ("POST", "/-/namespaces", administration.create_namespace),
    ("GET", "/-/namespaces/{name}", administration.read_namespace),
    ("POST", "/-/changesets", changesets.post_changeset),
    ("GET", "/-/changes", feed.read_changes),
    ("GET", "/{namespace}", listing.list_heads),
    ("GET", "/{namespace}/{key}", reading.read_commit),
    ("GET", "/{namespace}/{key}/meta", reading.read_meta),
    ("GET", "/{namespace}/{key}/log", reading.read_log),
    ("GET", "/{namespace}/{key}/{version}", reading.read_commit),
    ("POST", "/{namespace}/{key}/{version}", post_commit),
    ("GET", "/{namespace}/{key}/{version}/meta", reading.read_meta),
)
"""Every call: method, path, endpoint. OpenAPI's document and the tests hold to this table."""


class RainerApp:
    """The app of `create_app`. Serve it, or mount it in an app of your own.

    Mounted, it starts with the first request. In your own shutdown call `service.begin_shutdown()`, which ends the
    waiting feeds, and when no request is left await `service.close()`, which finishes what was accepted.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.lists = ListMemory()
        self._routes = Starlette(
            routes=[_RawRoute(path, endpoint, methods=[method]) for method, path, endpoint in ROUTES],
            exception_handlers={
                RainerError: _on_rainer_error,
                HTTPException: _on_http_error,
                ClientDisconnect: _on_disconnect,
                Exception: _on_bug,
            },
        )
        self._routes.router.redirect_slashes = False
        self._routes.state.service = service
        self._routes.state.lists = self.lists

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served")
        if not self.service.is_started:
            try:
                await self.service.start()
            except RainerError as e:
                await problem(e)(scope, hot.no_body, send)
                return
        method = scope["method"]
        if method == "POST" or (method == "GET" and not scope["query_string"]):
            segments = asking.raw_segments(scope)
            if segments[0] != _OURS:
                if method == "POST" and len(segments) == 3:
                    await self._hot(hot.post_commit(self.service, segments, scope, receive, send), scope, send)
                    return
                if method == "GET" and len(segments) == 2 and segments[1]:
                    await self._hot(hot.get_head(self.service, segments, scope, send), scope, send)
                    return
        await self._measured(scope, receive, send)

    async def _hot(self, call: Coroutine[Any, Any, None], scope: Any, send: Any) -> None:
        """A hot call, whose bugs are answered like everybody's."""
        try:
            await call
        except Exception as e:
            response = await _on_bug(Request(scope), e)
            await response(scope, hot.no_body, send)

    async def _measured(self, scope: Any, receive: Any, send: Any) -> None:
        begun, status = time.perf_counter(), 500

        async def note(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._routes(scope, receive, note)
        except listing.BrokenOff as e:  # the server below ends the connection, for the answer is not whole
            log.warning("%s %s broke off: %s", scope["method"], names.shorten(scope["path"]), e)
        finally:
            route = scope.get("rainer_route", "none")
            self.service.figures.requests.labels(route, str(status)).inc()
            self.service.figures.request_seconds.labels(route).observe(time.perf_counter() - begun)

    async def _lifespan(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._answer(send, "startup", self.service.start())
            else:
                await self._answer(send, "shutdown", self.service.close())
                return

    async def _answer(self, send: Any, step: str, work: Any) -> None:
        try:
            await work
        except Exception as e:
            log.exception("%s failed", step)
            await send({"type": f"lifespan.{step}.failed", "message": str(e)})
        else:
            await send({"type": f"lifespan.{step}.complete"})


class _RawRoute(Route):
    """A route that matches the path as it was sent: `%2F` in a key is not a slash."""

    def matches(self, scope: Any) -> tuple[Match, Any]:
        if scope["type"] != "http":
            return Match.NONE, {}
        path = scope.get("rainer_path") or _raw_path(scope)
        if path.split("/")[1] == "-" and not self.path.startswith("/-/"):
            return Match.NONE, {}  # below /-/ is ours: no namespace, not even a misspelt one
        found, child = super().matches({**scope, "path": path, "root_path": ""})
        if found is Match.FULL:
            child["rainer_route"] = f"{scope['method']} {self.path}"
        return found, child

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] not in (self.methods or ()):
            raise HTTPException(405, headers={"Allow": ", ".join(_ALLOWED[self.path])})
        await super().handle(scope, receive, send)


_OURS: Final = b"-"
_ALLOWED: Final = {
    path: sorted({m for method, p, _ in ROUTES if p == path for m in (method, *(["HEAD"] if method == "GET" else []))})
    for _, path, _ in ROUTES
}


def _raw_path(scope: Any) -> str:
    path = "/" + "/".join(s.decode("latin-1") for s in asking.raw_segments(scope))
    scope["rainer_path"] = path
    return path


async def _on_rainer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RainerError)
    if asking.raw_segments(request.scope)[0] == _OURS:
        return problem(error)
    return answer_error(error, hot.accept_of(request.scope))


async def _on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such path, or not with this method."""
    assert isinstance(error, HTTPException)
    path, allowed = names.shorten(_raw_path(request.scope)), (error.headers or {}).get("Allow")
    if allowed is None:
        return problem(NotFoundError(f"there is nothing at {path}", hint="see /-/openapi.json"))
    wrong = InvalidError(f"{request.method} is no call of {path}", hint=f"{allowed} are; see /-/openapi.json")
    response = problem(wrong, 405)
    response.headers["Allow"] = allowed
    return response


async def _on_disconnect(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it


async def _on_bug(request: Request, error: Exception) -> Response:
    if isinstance(error, listing.BrokenOff):
        return Response()  # nobody gets it: an answer has begun
    log.error("%s %s failed", request.method, names.shorten(_raw_path(request.scope)), exc_info=error)
    return problem(RainerError(f"the server failed: {type(error).__name__}", hint="the server's log has the details"))


def create_app(journal: Journal, options: ServiceOptions | None = None) -> RainerApp:
    """An ASGI app that serves a journal, to run alone or to mount in one's own service.

    The journal stays the caller's: close it after the app. One app belongs to one event loop.
    """
    return RainerApp(Service(journal, options or ServiceOptions()))
