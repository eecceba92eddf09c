"""Reports of mirrors: what those that follow over HTTP send, and the list of all that are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response

from rainer import limits
from rainer.access.permissions import Asker, Permissions
from rainer.api import asking
from rainer.api.changesets import json_object
from rainer.api.needs import asker_of, permit_some
from rainer.errors import InvalidError
from rainer.model import names
from rainer.model.mirror_report import check_mirror_id, report_of, unfolded
from rainer.service.mirror_list import Listed
from rainer.service.mirrors import MirrorReports


class Reported(Protocol):
    """What these calls need of whatever serves: a journal's server, or a mirror server."""

    @property
    def permissions(self) -> Permissions: ...

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
    asker = asker_of(request)
    body: dict[str, Any] = {
        "mirrors": [seen_by(asker, one).as_dict() for one in found if asker.rights.sees(one.report.namespace)]
    }
    if missing:
        body["missing"] = missing
    return _json(body)


def seen_by(asker: Asker, listed: Listed) -> Listed:
    """A mirror as somebody may see it: without keys that he may neither read nor write, and what is wrong with them."""
    report, keys = listed.report, asker.readable(listed.report.namespace)
    if keys.is_all:
        return listed
    written = asker.rights.keys("write", report.namespace)  # who waits for his own commit must hear of it
    rejected = {key: why for key, why in report.rejected.items() if key in keys or key in written}
    error = report.error and "what is wrong is told to who may read all of the namespace"
    return replace(listed, report=replace(report, rejected=rejected, error=error))


async def put_mirror(request: Request) -> Response:
    """`PUT /-/mirrors/{id}`: what a mirror says of itself; it is forgotten when it says nothing for ten seconds."""
    service = _service(request)
    asking.check_length(request.scope["headers"], limits.MIRROR_REPORT_BYTES_MAX, "a report")
    raw = await asking.read_body(request.receive, limits.MIRROR_REPORT_BYTES_MAX, "a report", service.body_timeout_s)
    mirror_id = _id(request)
    report = report_of({"id": mirror_id} | json_object(raw))
    if report.id != mirror_id:
        raise InvalidError(f"the report is of mirror {report.id!r}, not of {mirror_id!r}")
    for one in unfolded(report):
        permit_some(service, request.scope, "read", names.check_namespace(one.namespace))
    service.reports.put(report)
    return _json({"id": mirror_id, "forgotten_after_s": limits.MIRROR_SILENCE_S})


async def delete_mirror(request: Request) -> Response:
    """`DELETE /-/mirrors/{id}?namespace=`: a mirror ends; no matter whether it was known."""
    namespace = names.check_namespace(request.query_params.get("namespace", names.DEFAULT_NAMESPACE))
    mirror_id = _id(request)
    permit_some(_service(request), request.scope, "read", namespace)
    _service(request).reports.drop(namespace, mirror_id)
    return _json({"id": mirror_id})


def _id(request: Request) -> str:
    return check_mirror_id(asking.segment(asking.raw_segments(request.scope)[-1]))


def _service(request: Request) -> Reported:
    service: Reported = request.app.state.service
    return service


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), 200, {"Cache-Control": "no-cache"}, "application/json")
