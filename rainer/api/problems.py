"""Errors on the wire: one table from branches of the error tree to HTTP status, and the two forms an error takes."""

from __future__ import annotations

from typing import Final

import orjson
from starlette.responses import Response

from rainer import errors
from rainer.errors import InvalidError, OverloadedError, RainerError, VersionConflict

STATUS: Final[dict[type[RainerError], int]] = {
    errors.InvalidError: 400,
    errors.TooLargeError: 413,
    errors.MalformedPayload: 400,
    errors.InvalidDocument: 422,
    errors.RuleBroken: 422,
    errors.CommitIdReused: 422,
    errors.NotFoundError: 404,
    errors.PositionGone: 410,
    errors.ConflictError: 409,
    errors.DeniedError: 403,
    errors.UnauthenticatedError: 401,
    errors.RateLimited: 429,
    errors.CorruptError: 500,
    errors.UnavailableError: 503,
    errors.NoSpace: 507,
    errors.OutcomeUnknown: 503,
    errors.SchemaMismatch: 503,
    errors.RainerError: 500,
}
_TITLES: Final = {
    400: "Bad request", 401: "Unauthorized", 403: "Forbidden", 404: "Not found", 405: "Method not allowed",
    408: "Request timeout", 409: "Conflict", 410: "Gone", 412: "Precondition failed", 413: "Too large",
    416: "Range not satisfiable", 422: "Unprocessable", 429: "Too many requests", 500: "Internal error",
    503: "Unavailable", 507: "No room",
}  # fmt: skip
PROBLEM_JSON: Final = "application/problem+json"


class AncestorRefusal(InvalidError):
    """A refusal whose text the ancestor's clients know, sent as plain text."""


class BodyTimeout(InvalidError):
    """The request's body did not arrive in time."""


def status_of(error: RainerError) -> int:
    """The HTTP status of an error, by the nearest branch in the table."""
    if isinstance(error, BodyTimeout):
        return 408
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


def problem(error: RainerError, status: int | None = None) -> Response:
    """The error as application/problem+json (RFC 9457) with our stable code."""
    status = status_of(error) if status is None else status
    body = {"type": "about:blank", "title": _TITLES.get(status, "Error"), "status": status} | error.as_dict()
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, OverloadedError) else {}
    if status == 503 and not headers and error.retryable:
        headers = {"Retry-After": "1"}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status in (408, 413):
        headers["Connection"] = "close"  # the rest of the body is not wanted
    return Response(orjson.dumps(body), status, headers, PROBLEM_JSON)


def answer_error(error: RainerError, accept: bytes) -> Response:
    """The error in the ancestor's form, where it has one and problem+json is not asked for; else as a problem."""
    if isinstance(error, VersionConflict) and len(error.conflicts) == 1:
        conflict = error.conflicts[0].as_dict()
        del conflict["namespace"]
        return Response(orjson.dumps({"conflict": conflict}), 409, media_type="application/json")
    if PROBLEM_JSON.encode() not in accept and has_ancestor_text(error):
        return Response(error.message, status_of(error), media_type="text/plain")
    return problem(error)


def has_ancestor_text(error: RainerError) -> bool:
    """Whether the ancestor's clients know this sentence."""
    if isinstance(error, errors.InvalidDocument | errors.RuleBroken):
        return False  # the ancestor knows no such refusals, and the place must be told
    return isinstance(error, AncestorRefusal | errors.MalformedPayload) or (
        type(error) is errors.NotFoundError and error.message == "Key not found"
    )


def changeset_conflict(error: VersionConflict) -> Response:
    """A changeset's 409: every conflict, and the problem's members beside."""
    body = {"type": "about:blank", "title": _TITLES[409], "status": 409} | error.as_dict()
    return Response(orjson.dumps(body), 409, media_type=PROBLEM_JSON)
