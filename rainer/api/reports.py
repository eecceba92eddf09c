"""Reports of mirrors: what those that follow over HTTP send, and the list of all that are known."""

from __future__ import annotations

from typing import Any, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response

from rainer import limits
from rainer.api import asking
from rainer.api.changesets import json_object
from rainer.errors import InvalidError
from rainer.model import names
from rainer.model.mirror_report import check_mirror_id, report_of
from rainer.service.mirror_list import Listed
from rainer.service.mirrors import MirrorReports


class Reported(Protocol):
    """What these calls need of whatever serves: a journal's server, or a mirror server."""

    @property
    def reports(self) -> MirrorReports: ...

    @property
    def body_timeout_s(self) -> float: ...

    async def list_mirrors(self, namespace: str | None) -> tuple[list[Listed], str]: ...


async def list_mirrors(request: Request) -> Response:
    """`GET /-/mirrors`: every mirror that is known, or those of one namespace."""
    namespace = request.query_params.get("namespace")
    if namespace is not None:
        names.check_namespace(namespace)
    found, missing = await _service(request).list_mirrors(namespace)
    body: dict[str, Any] = {"mirrors": [listed.as_dict() for listed in found]}
    if missing:
        body["missing"] = missing
    return _json(body)


async def put_mirror(request: Request) -> Response:
    """`PUT /-/mirrors/{id}`: what a mirror says of itself; it is forgotten when it says nothing for ten seconds."""
    service = _service(request)
    asking.check_length(request.scope["headers"], limits.MIRROR_REPORT_BYTES_MAX, "a report")
    raw = await asking.read_body(request.receive, limits.MIRROR_REPORT_BYTES_MAX, "a report", service.body_timeout_s)
    mirror_id = _id(request)
    report = report_of({"id": mirror_id} | json_object(raw))
    if report.id != mirror_id:
        raise InvalidError(f"the report is of mirror {report.id!r}, not of {mirror_id!r}")
    names.check_namespace(report.namespace)
    service.reports.put(report)
    return _json({"id": mirror_id, "forgotten_after_s": limits.MIRROR_SILENCE_S})


async def delete_mirror(request: Request) -> Response:
    """`DELETE /-/mirrors/{id}?namespace=`: a mirror ends; no matter whether it was known."""
    namespace = names.check_namespace(request.query_params.get("namespace", names.DEFAULT_NAMESPACE))
    mirror_id = _id(request)
    _service(request).reports.drop(namespace, mirror_id)
    return _json({"id": mirror_id})


def _id(request: Request) -> str:
    return check_mirror_id(asking.segment(asking.raw_segments(request.scope)[-1]))


def _service(request: Request) -> Reported:
    service: Reported = request.app.state.service
    return service


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), 200, {"Cache-Control": "no-cache"}, "application/json")
