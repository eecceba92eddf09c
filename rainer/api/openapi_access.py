"""The calls about identities, described."""

from __future__ import annotations

from typing import Final

from rainer.api.openapi_parts import (
    LINE,
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
from rainer.model.policy import PERMISSIONS

_MAYBE_TIME: Final[Json] = TIME | {"type": ["string", "null"]}
_ID: Final = path("id", {"type": "string", "minLength": 1, "pattern": "^[^/?#\\x00-\\x1f\\x7f]+$"})
_LIFE: Final[Json] = {"type": ["integer", "null"], "minimum": 1, "maximum": 100 * 366 * 86_400}
# What no pattern says: neither "anonymous", "authenticated" nor "bootstrap", and not beginning with "group:".
_INNER: Final = "\\x00-\\x1f\\x7f-\\x9f*"
_OUTER: Final = f"{_INNER}\\x20"
_NAME: Final[Json] = LINE | {"pattern": f"^[^{_OUTER}](?:[^{_INNER}]*[^{_OUTER}])?$"}


_CAN: Final = [
    query("who", TEXT, "a name, or anonymous; by default who asks"),
    query("may", {"enum": list(PERMISSIONS)}, "the permission") | {"required": True},
    query("on", TEXT, "a place as in a policy, such as prod/app.x, prod, or *; without it, anywhere"),
    query("group", TEXT, "a group that an issuer says `who` is in"),
]


def _can_answer() -> Json:
    decided = object_of(
        ["who", "may", "on", "allowed", "because"],
        who=TEXT, may=TEXT, on={"type": ["string", "null"]}, allowed={"type": "boolean"}, because=TEXT,
    )  # fmt: skip
    return answer("the decision", json(decided)) | errors(400, 403, 500, 503)


def paths() -> Json:
    """Who asks, and the tokens."""
    made = {"201": {"description": "made; the token is told this once", "content": json(ref("NewToken"))}}
    return {
        "/-/whoami": {"get": operation("Who the server takes you for", [], answer("you", json(ref("Identity"))))},
        "/-/can": {"get": operation("Whether somebody may do something, and why", _CAN, _can_answer())},
        "/-/tokens": {
            "get": operation("List tokens", [], answer("the newest first", json(ref("Tokens"))) | errors(500, 503)),
            "post": operation(
                "Make a token", [], made | errors(400, 408, 413, 500, 503), body(ref("WantedToken"))
            ),
        },
        "/-/tokens/{id}": {
            "delete": operation(
                "Revoke a token", [_ID], answer("as it is now", json(ref("Token"))) | errors(400, 404, 500, 503)
            )
        },
    }  # fmt: skip


def schemas() -> Json:
    """An identity, and tokens as they are wanted, made and listed."""
    token = {
        "id": TEXT, "name": TEXT, "state": {"enum": ["live", "expired", "revoked"]}, "created_by": TEXT,
        "created": TIME, "expires": _MAYBE_TIME, "revoked": _MAYBE_TIME, "last_used": _MAYBE_TIME,
    }  # fmt: skip
    sources = {"enum": ["open", "none", "token", "jwt", "certificate", "bootstrap"]}
    return {
        "Identity": object_of(
            ["name", "source", "groups"], name=TEXT, source=sources, groups={"type": "array", "items": TEXT}
        ),
        "Token": object_of(list(token), **token),
        "NewToken": object_of(["token", *token], token=TEXT, **token),
        "Tokens": object_of(["tokens"], tokens={"type": "array", "items": ref("Token")}),
        "WantedToken": object_of(["name"], name=_NAME, expires_s=_LIFE) | {"additionalProperties": False},
    }
