"""The calls about mirrors, described."""

from __future__ import annotations

from typing import Final

from rainer import limits
from rainer.api.openapi_parts import (
    NAMESPACE_NAME,
    REVISION,
    TEXT,
    TIME,
    Json,
    answer,
    body,
    errors,
    json,
    object_of,
    operation,
    path,
    query,
    ref,
)

_ID_TEXT: Final[Json] = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
_ID: Final = path("id", _ID_TEXT)
_MAYBE_NUMBER: Final[Json] = {"type": ["number", "null"]}


def paths() -> Json:
    """What reports mirrors send, and the list of them."""
    listed = answer("every mirror that is known", json(ref("Mirrors"))) | errors(400, 500, 503)
    heard = answer("heard", json(object_of(["id"], id=TEXT)))
    of_namespace = query("namespace", NAMESPACE_NAME, "only this one's mirrors")
    left = query("namespace", NAMESPACE_NAME, "what it mirrored; by default diary")
    return {
        "/-/mirrors": {"get": operation("List mirrors", [of_namespace], listed)},
        "/-/mirrors/{id}": {
            "put": operation(
                "Report what a mirror holds", [_ID], heard | errors(400, 408, 413, 500, 503), body(ref("Report"))
            ),
            "delete": operation("Forget a mirror that ends", [_ID, left], heard | errors(400, 500, 503)),
        },
    }


def schemas() -> Json:
    """A report as it is sent, and mirrors as they are listed."""
    count: Json = REVISION
    reasons: Json = {"type": "object", "additionalProperties": TEXT}
    report = object_of(
        ["namespace", "host", "pid", "lineage", "revision", "time_ms"],
        id=_ID_TEXT, namespace=NAMESPACE_NAME, host=TEXT, pid=count, lineage=TEXT, revision=REVISION, time_ms=count,
        via=TEXT, state=TEXT, rejected=reasons, error=TEXT,
        followers={"type": "array", "items": {"type": "object"}, "maxItems": limits.MIRRORS_MAX - 1},
    )  # fmt: skip
    mirror = object_of(
        ["id", "namespace", "host", "pid", "via", "lineage", "revision", "lag_revisions", "lag_s", "state", "rejected",
         "error", "time"],
        id=TEXT, namespace=TEXT, host=TEXT, pid=count, via=TEXT, lineage=TEXT, revision=REVISION,
        lag_revisions=_MAYBE_NUMBER, lag_s=_MAYBE_NUMBER, state=TEXT, rejected=reasons, error=TEXT, time=TIME,
    )  # fmt: skip
    mirrors = object_of(["mirrors"], mirrors={"type": "array", "items": ref("Mirror")}, missing=TEXT)
    return {"Report": report, "Mirror": mirror, "Mirrors": mirrors}
