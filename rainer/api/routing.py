"""Route tables, and every error in its documented form: what the servers of journals and of mirrors share."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route

from rainer.api import asking, hot, listing
from rainer.api.needs import OPEN, Guarded, Needs
from rainer.api.problems import answer_error, problem, status_of
from rainer.errors import InvalidError, NotFoundError, RainerError
from rainer.model import names

log = logging.getLogger("rainer.api")

Table: TypeAlias = Sequence[tuple[str, str, Callable[[Request], Awaitable[Response]], Needs]]
"""Calls: method, path, endpoint, and what whoever makes the call must be allowed."""
OURS: Final = b"-"
PAGES: Final = "rainer_pages"
"""The member of a scope that a request for a page has."""


def make_app(table: Table) -> Starlette:
    """The ordinary app of a table; it knows `state.service` once that is set.

    Raises ValueError for a call that does not say what it needs: it would be open to everybody.
    """
    app = Starlette(
        routes=_routes(table),
        exception_handlers={
            RainerError: on_rainer_error,
            HTTPException: on_http_error,
            ClientDisconnect: on_disconnect,
            Exception: on_bug,
        },
    )
    app.router.redirect_slashes = False
    return app


def _routes(table: Table) -> list[RawRoute]:
    found = []
    rows: Sequence[tuple[Any, ...]] = table
    for row in rows:
        method, path, endpoint = row[:3]
        needs = row[3] if len(row) > 3 else None
        if not isinstance(needs, Needs):
            raise ValueError(f"{method} {path} does not say what it needs")
        route = RawRoute(path.replace("{path}", "{path:path}"), endpoint, methods=[method])
        route.called, route.needs = path, needs
        methods = {other[0] for other in table if other[1] == path}
        route.allowed = sorted(methods | ({"HEAD"} if "GET" in methods else set()))
        found.append(route)
    return found


class RawRoute(Route):
    """A route that matches the path as it was sent: `%2F` in a key is not a slash."""

    allowed: Sequence[str] = ()
    """The methods that the path has, in this route and in others."""
    called: str = ""
    """The path as the table has it. `{path}` in it stands for any number of segments."""
    needs: Needs = OPEN

    def matches(self, scope: Any) -> tuple[Match, Any]:
        if scope["type"] != "http":
            return Match.NONE, {}
        path = scope.get("rainer_path") or raw_path(scope)
        if path.split("/")[1] == "-" and not self.path.startswith("/-/"):
            return Match.NONE, {}  # below /-/ is ours: no namespace, not even a misspelt one
        found, child = super().matches({**scope, "path": path, "root_path": ""})
        if found is Match.FULL:
            child["rainer_route"] = f"{scope['method']} {self.called}"
        return found, child

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] not in (self.methods or ()):
            raise HTTPException(405, headers={"Allow": ", ".join(self.allowed)})
        service: Guarded = scope["app"].state.service
        self.needs.demand(service, scope)

        async def judged(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.needs.check_permitted(service, scope, message["status"])
            await send(message)

        await super().handle(scope, receive, judged if self.needs.of == "body" else send)


def raw_path(scope: Any) -> str:
    path = "/" + "/".join(s.decode("latin-1") for s in asking.raw_segments(scope))
    scope["rainer_path"] = path
    return path


async def on_rainer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RainerError)
    if is_page(request.scope):
        return _page_of(request, error, status_of(error))
    if asking.raw_segments(request.scope)[0] == OURS:
        return problem(error)
    return answer_error(error, hot.accept_of(request.scope))


async def on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such path, or not with this method."""
    assert isinstance(error, HTTPException)
    path, allowed = names.shorten(raw_path(request.scope)), (error.headers or {}).get("Allow")
    if allowed is None:
        absent = NotFoundError(f"there is nothing at {path}", hint="see /-/openapi.json")
        return _page_of(request, absent, 404) if is_page(request.scope) else problem(absent)
    wrong = InvalidError(f"{request.method} is no call of {path}", hint=f"{allowed} are; see /-/openapi.json")
    response = problem(wrong, 405)
    response.headers["Allow"] = allowed
    return response


async def on_disconnect(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it


async def on_bug(request: Request, error: Exception) -> Response:
    if isinstance(error, listing.BrokenOff):
        return Response()  # nobody gets it: an answer has begun
    log.error("%s %s failed", request.method, names.shorten(raw_path(request.scope)), exc_info=error)
    bug = RainerError(f"the server failed: {type(error).__name__}", hint="the server's log has the details")
    return _page_of(request, bug, 500) if is_page(request.scope) else problem(bug)


def is_page(scope: Any) -> bool:
    """Whether a request is one for a page, on a server that has pages."""
    return PAGES in scope


def refused_page(scope: Any, error: RainerError) -> Response:
    """The page that tells of an error which came before any route."""
    return _page_of(Request(scope), error, status_of(error))


def _page_of(request: Request, error: RainerError, status: int) -> Response:
    from rainer.api.pages.failing import refuse  # only servers with pages need what it is made with

    return refuse(request, error, status)
