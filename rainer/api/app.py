"""The ASGI app: the hot calls first, the route table behind them, every error in its documented form."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any, Final

from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import Response

from rainer.access.credentials import is_proved
from rainer.api import (
    administration,
    asking,
    at_once,
    changesets,
    explaining,
    feed,
    hot,
    listing,
    needs,
    proposals,
    reading,
    reports,
    rules,
    store_listing,
    store_reading,
    store_writing,
    tokens,
)
from rainer.api.asking import IDENTITY
from rainer.api.list_memory import ListMemory
from rainer.api.problems import problem, status_of
from rainer.api.routing import OURS, is_page, make_app, on_bug, refused_page
from rainer.errors import RainerError, missing_extra
from rainer.journal import Journal
from rainer.model import names
from rainer.service import Service, ServiceOptions

log = logging.getLogger("rainer.api")
_PAGE_LIBRARIES: Final = ("jinja2", "pygments", "cryptography")


async def post_commit(request: Request) -> Response:
    """`POST /{ns}/{key}/{version}`: one commit."""
    return hot.PostedCommit(reading.service_of(request))


ROUTES: Final = (
    ("GET", "/-/healthz", administration.read_health, needs.OPEN),
    ("GET", "/-/readyz", administration.read_readiness, needs.OPEN),
    ("GET", "/-/metrics", administration.read_figures, needs.READ_ANYTHING),
    ("GET", "/-/status", administration.read_status, needs.SEE),
    ("GET", "/-/openapi.json", administration.read_openapi, needs.OPEN),
    ("GET", "/-/whoami", tokens.who_am_i, needs.OPEN),
    ("GET", "/-/can", explaining.explain, needs.BY_BODY),
    ("GET", "/-/tokens", tokens.list_tokens, needs.ADMIN),
    ("POST", "/-/tokens", tokens.create_token, needs.ADMIN),
    ("DELETE", "/-/tokens/{id}", tokens.revoke_token, needs.ADMIN),
    ("GET", "/-/namespaces", administration.list_namespaces, needs.SEE),
    ("POST", "/-/namespaces", administration.create_namespace, needs.BY_BODY),
    ("GET", "/-/namespaces/{name}", administration.read_namespace, needs.BY_BODY),
    ("GET", "/-/rules", rules.read_rules, needs.READ_ANYTHING),
    ("POST", "/-/changesets", changesets.post_changeset, needs.BY_BODY),
    ("POST", "/-/proposals", proposals.create_proposal, needs.BY_BODY),
    ("GET", "/-/proposals", proposals.list_proposals, needs.SEE),
    ("GET", "/-/proposals/{id}", proposals.read_proposal, needs.SEE),
    ("POST", "/-/proposals/{id}/approve", proposals.approve_proposal, needs.APPROVE_SOME),
    ("POST", "/-/proposals/{id}/reject", proposals.reject_proposal, needs.SEE),
    ("GET", "/-/changes", feed.read_changes, needs.READ_SOME),
    ("GET", "/-/mirrors", reports.list_mirrors, needs.SEE),
    ("PUT", "/-/mirrors/{id}", reports.put_mirror, needs.BY_BODY),
    ("DELETE", "/-/mirrors/{id}", reports.delete_mirror, needs.BY_BODY),
    ("GET", "/-/store/version/", store_reading.read_protocol, needs.OPEN),
    ("GET", "/-/store/files/{path}", store_reading.read_file, needs.READ_FILE),
    ("PUT", "/-/store/files/{path}", store_writing.put_file, needs.WRITE_FILE),
    ("DELETE", "/-/store/files/{path}", store_writing.delete_file, needs.WRITE_FILE),
    ("GET", "/-/store/list", store_listing.list_folder, needs.READ_FILES),
    ("GET", "/-/store/list/{path}", store_listing.list_folder, needs.READ_FILES),
    ("GET", "/-/store/names", store_listing.list_names, needs.READ_FILES),
    ("GET", "/{namespace}", listing.list_heads, needs.READ_SOME),
    ("GET", "/{namespace}/{key}", reading.read_commit, needs.READ_KEY),
    ("GET", "/{namespace}/{key}/meta", reading.read_meta, needs.READ_KEY),
    ("GET", "/{namespace}/{key}/log", reading.read_log, needs.READ_KEY),
    ("GET", "/{namespace}/{key}/{version}", reading.read_commit, needs.READ_KEY),
    ("POST", "/{namespace}/{key}/{version}", post_commit, needs.WRITE_KEY),
    ("GET", "/{namespace}/{key}/{version}/meta", reading.read_meta, needs.READ_KEY),
)
"""Every call: method, path, endpoint, and what it needs. OpenAPI's document and the tests hold to this table."""


class RainerApp:
    """The app of `create_app`. Serve it, or mount it in an app of your own.

    Mounted, it starts with the first request. In your own shutdown call `service.begin_shutdown()`, which ends the
    waiting feeds, and when no request is left await `service.close()`, which finishes what was accepted.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.lists = ListMemory()
        self._access = service.access
        self._hosts = service.options.hosts
        self._pages = service.options.pages
        self._routes = make_app(ROUTES)
        self._routes.state.service = service
        self._routes.state.lists = self.lists
        self._page_routes: Starlette | None = None
        if self._pages is not None:
            _check_page_libraries()

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
        path: str = scope["path"]
        # The hot calls are let through.
        if self._pages is not None and ("/-/" in path or path.endswith("/")) and await self._enter_page(scope, send):
            return
        try:
            # The credentials first: whatever is logged from here on, the scope holds no token in its path.
            scope[IDENTITY] = self._access.identify_at_once(scope) or await self._access.identify(scope)
            self._hosts.check(scope, is_proved(scope))
        except RainerError as e:
            await self._refuse(e, scope, receive, send)
            return
        call = self._hot_call(scope, receive, send)
        if call is None:
            await self._measured(scope, receive, send)
        else:
            await self._hot(call, scope, send)

    def _hot_call(self, scope: Any, receive: Any, send: Any) -> Coroutine[Any, Any, None] | None:
        """A commit or a head read, which have a way of their own; None for all else."""
        method = scope["method"]
        if method == "POST" or (method == "GET" and not scope["query_string"]):
            segments = asking.raw_segments(scope)
            if segments[0] != OURS:
                if method == "POST" and len(segments) == 3:
                    return hot.post_commit(self.service, segments, scope, receive, send)
                if method == "GET" and len(segments) == 2 and segments[1]:
                    return hot.get_head(self.service, segments, scope, send)
        return None

    async def _refuse(self, error: RainerError, scope: Any, receive: Any, send: Any) -> None:
        """Answer who is not let in."""
        self.service.figures.requests.labels("none", str(status_of(error))).inc()
        if is_page(scope):  # which gives back what was written
            scope["app"] = self._page_routes
            await refused_page(scope, error)(scope, receive, send)
        else:
            await problem(error)(scope, hot.no_body, send)

    async def _enter_page(self, scope: Any, send: Any) -> bool:
        """Make a request for a page ready; True if it is answered, for a browser asked for the server itself."""
        assert self._pages is not None
        from rainer.api.pages.entering import OWN_HEADERS, enter, home_of

        home = home_of(scope)
        if home is not None:
            headers = {"Location": home.decode(), "Vary": "Accept", "Cache-Control": "no-store"}
            await Response(status_code=303, headers=headers)(scope, hot.no_body, send)
            return True
        if enter(scope, self._pages):
            at_once.without_headers(send, OWN_HEADERS)
        if self._page_routes is None and is_page(scope):
            with ThreadPoolExecutor(1, "pages") as once:  # loading takes longer than anybody's head read may wait
                work = asyncio.get_running_loop().run_in_executor(once, _load_pages, self._routes.state)
                self._page_routes = await work
        return False

    async def _hot(self, call: Coroutine[Any, Any, None], scope: Any, send: Any) -> None:
        """A hot call, whose bugs are answered like everybody's."""
        try:
            await call
        except Exception as e:
            response = await on_bug(Request(scope), e)
            await response(scope, hot.no_body, send)

    async def _measured(self, scope: Any, receive: Any, send: Any) -> None:
        begun, status = time.perf_counter(), 500

        async def note(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            routes = self._page_routes if is_page(scope) else None
            await (routes or self._routes)(scope, receive, note)
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
            if isinstance(e, RainerError):  # says all there is to say
                log.error("%s failed: %s", step, e.message)
            else:
                log.exception("%s failed", step)
            await send({"type": f"lifespan.{step}.failed", "message": str(e)})
        else:
            await send({"type": f"lifespan.{step}.complete"})


def create_app(journal: Journal, options: ServiceOptions | None = None) -> RainerApp:
    """An ASGI app that serves a journal, to run alone or to mount in one's own service.

    The journal stays the caller's: close it after the app. One app belongs to one event loop.
    """
    return RainerApp(Service(journal, options or ServiceOptions()))


def _check_page_libraries() -> None:
    """MissingExtra unless pages could be loaded: at the start, and not when the first page is asked for."""
    for name in _PAGE_LIBRARIES:
        if find_spec(name) is None:
            raise missing_extra(f"the web page needs {name}, which is not installed (or --no-pages)")


def _load_pages(state: State) -> Starlette:
    """The app of the pages, which a server whose pages nobody opens does without: a sixth of what its start takes."""
    from rainer.api.pages.routes import TABLE

    app = make_app(TABLE)
    app.state = state
    return app
