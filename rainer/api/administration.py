"""Namespaces, status, health, figures and the API's own description."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from rainer import limits
from rainer.api import asking
from rainer.api.changesets import json_object, no_strangers, show
from rainer.api.explaining import visible_status
from rainer.api.needs import Guarded, asker_of, permit, permit_seeing
from rainer.api.reading import json_answer, service_of
from rainer.errors import InvalidError, RainerError
from rainer.journal import administration
from rainer.model import names, policy_document

_BODY_BYTES_MAX = 10_000


def _json(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-cache"}, "application/json")


async def list_namespaces(request: Request) -> Response:
    """`GET /-/namespaces`."""
    service = service_of(request)
    state = await service.live.heads.state()
    found = await service.live.in_thread(service.reads.namespaces)
    rights = asker_of(request).rights
    seen = [found[name].as_dict() for name in sorted(found) if rights.sees(name)]
    return json_answer(request, {"namespaces": seen}, state)


async def read_namespace(request: Request) -> Response:
    """`GET /-/namespaces/{name}`."""
    name = names.check_namespace(asking.segment(asking.raw_segments(request.scope)[-1]))
    permit_seeing(service_of(request), request.scope, name)
    heads = service_of(request).live.heads
    state = await heads.state()
    return json_answer(request, (await heads.namespace(name)).as_dict(), state)


async def create_namespace(request: Request) -> Response:
    """`POST /-/namespaces`: 201 if new, 200 if the very same existed, 409 if it has other rules."""
    service = service_of(request)
    asking.check_length(request.scope["headers"], _BODY_BYTES_MAX, "this call")
    raw = await asking.read_body(request.receive, _BODY_BYTES_MAX, "this call", service.options.body_timeout_s)
    body = json_object(raw)
    no_strangers(body, {"name", "format", "payload_bytes_max"}, "a namespace")
    name, form = _text(body, "name", ""), _text(body, "format", "any")
    size = body.get("payload_bytes_max", limits.PAYLOAD_BYTES_DEFAULT)
    if not isinstance(size, int) or isinstance(size, bool):
        raise InvalidError(f"payload_bytes_max is {show(size)}, not a whole number")
    permit_new(service, request.scope, name, form, size)
    made, is_new = await service.live.in_thread(
        administration.create_namespace, service.journal.engine, name, form, size
    )
    return _json(made.as_dict(), 201 if is_new else 200)


def permit_new(service: Guarded, scope: Any, name: str, form: str, size: int) -> None:
    """Whoever may administer a namespace may make it; the server's own is made as it must be, by who may all."""
    if name != names.SYSTEM_NAMESPACE:
        permit(service, scope, "admin", names.check_namespace(name))
        return
    permit(service, scope, "admin", "*")
    if (form, size) != (policy_document.FORMAT, limits.PAYLOAD_BYTES_DEFAULT):
        raise InvalidError(
            f"namespace {name!r} is the server's own: it holds the documents that the server obeys",
            hint=f"`rainer policy init` makes it, of format {policy_document.FORMAT}",
        )


def _text(body: dict[str, Any], name: str, default: str) -> str:
    value = body.get(name, default)
    if not isinstance(value, str):
        raise InvalidError(f"{name} is {show(value)}, not text")
    return value


async def read_status(request: Request) -> Response:
    """`GET /-/status`: where the journal stands and what serves it."""
    return _json(visible_status(await service_of(request).status(), asker_of(request)))


async def read_health(_request: Request) -> Response:
    """`GET /-/healthz`: the process lives and answers."""
    return _json({"status": "ok"})


async def read_readiness(request: Request) -> Response:
    """`GET /-/readyz`: the database answers and no shutdown has begun."""
    await service_of(request).check_ready()
    return _json({"status": "ready"})


async def read_figures(request: Request) -> Response:
    """`GET /-/metrics`: Prometheus figures."""
    service = service_of(request)
    service.sample()
    if not service.proposals.is_open:
        with contextlib.suppress(RainerError):  # without the database there are figures all the same
            service.figures.open_proposals.set(await service.proposals.count_open())
    return Response(service.figures.text(), media_type=service.figures.content_type)


async def read_openapi(_request: Request) -> Response:
    """`GET /-/openapi.json`: this API, described."""
    from rainer.api.openapi import document

    return _json(document())
