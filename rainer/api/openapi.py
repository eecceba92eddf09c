"""The API's own description (OpenAPI 3.1). A test holds it and the route table to the same list."""

from __future__ import annotations

from typing import Any, Final

from rainer import limits
from rainer.errors import BY_CODE, MissingExtra
from rainer.model.formats import FORMATS

Json = dict[str, Any]

_TEXT: Final[Json] = {"type": "string"}
_LINE: Final[Json] = {
    "type": "string",
    "minLength": 1,
    "maxLength": limits.AUTHOR_BYTES_MAX,
    "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]+$",
}
_TIME: Final[Json] = {"type": "string", "format": "date-time"}
_COMMIT_ID_TEXT: Final[Json] = {"type": "string", "pattern": "^[!-~]{1,64}$"}
_FLAG: Final[Json] = {"type": "string", "enum": ["yes", "no", "true", "false", "1", "0"]}
_REVISION: Final[Json] = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
_NAMESPACE_NAME: Final[Json] = {"type": "string", "pattern": "^[a-z][a-z0-9._-]{0,63}$"}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _path(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _header(name: str, description: str, schema: Json = _TEXT, *, required: bool = False) -> Json:
    return {"name": name, "in": "header", "required": required, "schema": schema, "description": description}


_NS: Final = _path("namespace", _NAMESPACE_NAME)
_KEY_TEXT: Final[Json] = {
    "type": "string",
    "minLength": 1,
    "maxLength": limits.KEY_BYTES_MAX,
    # no slash, no control characters, none of U+D800 to U+F8FF or beyond U+FFEF; and, what no pattern says, 255 bytes
    "pattern": "^[^/\\x00-\\x1f\\x7f-\\x9f\\ud800-\\uf8ff\\ufff0-\\uffff]+$",
}
_KEY: Final = _path("key", _KEY_TEXT)
_VERSION_NUMBER: Final[Json] = {"type": "integer", "minimum": 1, "maximum": limits.VERSION_MAX}
_VERSION: Final = _path("version", _VERSION_NUMBER)
_AT: Final = _query("at", _REVISION, "as of this revision")
_PAYLOADS: Final = [
    _query("payload_utf8", _FLAG, "each meta carries its payload as text, where it is UTF-8"),
    _query("payload_base64", _FLAG, "each meta carries its payload as base64"),
]
_REVISIONS: Final = _query("revisions", _FLAG, "each meta carries its namespace and revision")
_IF_NONE_MATCH: Final = _header("If-None-Match", "answer 304 if the ETag is still this")


def _errors(*codes: int) -> Json:
    return {str(code): _ERRORS[code] for code in codes}


_PROBLEM: Final[Json] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_PLAIN: Final[Json] = {"text/plain": {"schema": _TEXT}}
_ERRORS: Final[dict[int, Json]] = {
    304: {"description": "unchanged"},
    400: {"description": "the request is wrong", "content": _PROBLEM | _PLAIN},
    403: {"description": "not allowed", "content": _PROBLEM},
    404: {"description": "no such key, version or namespace", "content": _PROBLEM | _PLAIN},
    408: {"description": "the body came too slowly", "content": _PROBLEM},
    409: {"description": "what is stored moved on", "content": _PROBLEM | _json({"type": "object"})},
    410: {"description": "the journal does not hold this position: reload", "content": _PROBLEM},
    413: {"description": "too large", "content": _PROBLEM},
    422: {"description": "the commit id stands for other content", "content": _PROBLEM},
    500: {"description": "stored data is damaged, or the server failed", "content": _PROBLEM},
    503: {"description": "unavailable, overloaded or outcome unknown: see the code", "content": _PROBLEM},
}


def _answer(description: str, content: Json) -> Json:
    return {"200": {"description": description, "content": content}}


_PAYLOAD: Final = _answer(
    "the payload; metadata in X-Rainer- headers",
    {"text/plain": {"schema": _TEXT}, "application/octet-stream": {"schema": {}}},
)
_META: Final = _answer("the metadata", _json(_ref("Meta")))


def _operation(summary: str, parameters: list[Json], responses: Json, body: Json | None = None) -> Json:
    operation: Json = {"summary": summary, "parameters": parameters, "responses": responses}
    return operation | ({"requestBody": body} if body else {})


def _body(schema: Json, media_type: str = "application/json") -> Json:
    return {"required": True, "content": {media_type: {"schema": schema}}}


def _reads() -> Json:
    one = _errors(304, 400, 404, 410, 500, 503)
    listed = [
        _query("all", _FLAG, "empty commits too"), *_PAYLOADS, _REVISIONS, _AT,
        _query("prefix", _TEXT, "only keys that begin so"),
        _query("after", _TEXT, "only keys beyond this one, in byte order"),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": limits.LIST_PAGE_MAX}, "a page; see Link"),
    ]  # fmt: skip
    log = [
        *_PAYLOADS, _AT, _query("before", {"type": "integer", "minimum": 1}, "only versions below"),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": limits.FEED_PAGE_MAX}, "at most so many"),
    ]  # fmt: skip
    meta = [*_PAYLOADS, _REVISIONS, _AT, _IF_NONE_MATCH]
    heads = _json({"type": "object", "additionalProperties": _ref("Meta")})
    return {
        "/{namespace}": {
            "get": _operation("List heads", [_NS, *listed, _IF_NONE_MATCH], _answer("key to meta", heads) | one)
        },
        "/{namespace}/{key}": {
            "get": _operation("Read a head", [_NS, _KEY, _AT, _IF_NONE_MATCH], _PAYLOAD | one)
        },
        "/{namespace}/{key}/meta": {"get": _operation("Read a head's metadata", [_NS, _KEY, *meta], _META | one)},
        "/{namespace}/{key}/log": {
            "get": _operation("Read history", [_NS, _KEY, *log], _answer("newest first", _json(_ref("Log"))) | one)
        },
        "/{namespace}/{key}/{version}/meta": {
            "get": _operation("Read a version's metadata", [_NS, _KEY, _VERSION, *meta], _META | one)
        },
        "/{namespace}/{key}/{version}": {
            "get": _operation("Read a version", [_NS, _KEY, _VERSION, _AT, _IF_NONE_MATCH], _PAYLOAD | one),
            "post": _post_commit(),
        },
    }  # fmt: skip


def _post_commit() -> Json:
    headers = [
        _header("X-Rainer-Author", "who commits", _LINE, required=True),
        _header("X-Rainer-Comment", "why"),
        _header("X-Rainer-Empty", "yes removes the key; the body must be empty", _FLAG),
        _header("X-Rainer-Modified-Time", "the author's time, ISO 8601; default now", _TIME),
        _header("X-Rainer-Key", "if given, the URL's key", _KEY_TEXT),
        _header("X-Rainer-Version", "if given, the URL's version", _VERSION_NUMBER),
        _header("X-Rainer-Commit-Id", "makes a repetition harmless", _COMMIT_ID_TEXT),
    ]
    body = {"required": False, "content": {"application/octet-stream": {"schema": {}}}}
    responses = _META | _errors(400, 403, 404, 408, 409, 413, 422, 500, 503)
    return _operation("Commit one version of one key", [_NS, _KEY, _VERSION, *headers], responses, body)


def _ours() -> Json:
    feed = [
        _query("since", _REVISION, "the last revision already known"),
        _query("namespace", _NAMESPACE_NAME, "only this one's changes"),
        _query("wait", {"type": "integer", "minimum": 0, "maximum": limits.FEED_WAIT_S_MAX}, "seconds to wait"),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": limits.FEED_PAGE_MAX}, "about so many"),
        _query("lineage", _TEXT, "410 if the journal's is another"),
        _query("chain", {"type": "string", "pattern": "^([0-9a-f][0-9a-f])*$"}, "410 if `since` holds another commit"),
        *_PAYLOADS, _IF_NONE_MATCH,
        _header("Last-Event-ID", "where an event stream broke off; stands for `since`", _REVISION),
    ]  # fmt: skip
    changes = {"application/json": {"schema": _ref("Changes")}, "text/event-stream": {"schema": _TEXT}}
    changed = _answer("oldest first; as server-sent events where the caller accepts them", changes)
    made = _answer("all committed", _json(_ref("Committed"))) | _errors(400, 403, 404, 408, 409, 413, 422, 500, 503)
    commit_id = _header("X-Rainer-Commit-Id", "covers the whole changeset", _COMMIT_ID_TEXT)
    return {
        "/-/changes": {"get": _operation("Follow the journal", feed, changed | _errors(304, 400, 404, 410, 500, 503))},
        "/-/changesets": {
            "post": _operation("Commit all or nothing", [commit_id], made, _body(_ref("Changeset")))
        },
        "/-/namespaces": {
            "get": _operation(
                "List namespaces", [_IF_NONE_MATCH],
                _answer("all", _json(_ref("Namespaces"))) | _errors(304, 500, 503),
            ),
            "post": _operation("Make a namespace", [], _namespace_made(), _body(_ref("NewNamespace"))),
        },
        "/-/namespaces/{name}": {
            "get": _operation(
                "Read a namespace's rules", [_path("name", _NAMESPACE_NAME), _IF_NONE_MATCH],
                _answer("its rules", _json(_ref("Namespace"))) | _errors(304, 400, 404, 500, 503),
            )
        },
    }  # fmt: skip


def _namespace_made() -> Json:
    created = {"201": {"description": "new", "content": _json(_ref("Namespace"))}}
    existed = _answer("the very same existed", _json(_ref("Namespace")))
    return created | existed | _errors(400, 408, 409, 413, 500, 503)


def _operations() -> Json:
    text = {"text/plain": {"schema": _TEXT}}
    any_object = _json({"type": "object"})
    return {
        "/-/status": {
            "get": _operation("Where the journal stands", [], _answer("status", any_object) | _errors(500, 503))
        },
        "/-/healthz": {"get": _operation("The process lives", [], _answer("alive", any_object))},
        "/-/readyz": {"get": _operation("The database answers", [], _answer("ready", any_object) | _errors(503))},
        "/-/metrics": {"get": _operation("Prometheus figures", [], _answer("figures", text))},
        "/-/openapi.json": {"get": _operation("This document", [], _answer("OpenAPI 3.1", any_object))},
    }  # fmt: skip


def _object(required: list[str], **properties: Json) -> Json:
    return {"type": "object", "required": required, "properties": properties}


def _schemas() -> Json:
    integer: Json = {"type": "integer"}
    meta = _object(
        ["key", "version", "author", "comment", "mtime", "empty"],
        key=_TEXT, version=integer, author=_TEXT, comment=_TEXT, mtime=_TIME,
        empty={"type": "boolean"}, namespace=_TEXT, revision=integer, recorded=_TEXT, changeset=integer,
        payload_utf8=_TEXT, payload_base64=_TEXT,
    )  # fmt: skip
    one_of = [{"required": ["payload_utf8"]}, {"required": ["payload_base64"]}, {"required": ["empty"]}]
    commit = _object(
        ["key", "version"], namespace=_NAMESPACE_NAME, key=_KEY_TEXT, version=_VERSION_NUMBER, payload_utf8=_TEXT,
        payload_base64={"type": "string", "contentEncoding": "base64"}, empty={"const": True}, author=_LINE,
        comment=_TEXT, mtime=_TIME,
    ) | {"oneOf": one_of, "additionalProperties": False}  # fmt: skip
    size = {"type": "integer", "minimum": 1, "maximum": limits.PAYLOAD_BYTES_CEILING}
    metas = {"type": "array", "items": _ref("Meta")}
    named = {"name": _NAMESPACE_NAME, "format": {"enum": list(FORMATS)}, "payload_bytes_max": size}
    namespace = _object([*named, "closed"], **named, closed={"type": "boolean"})
    return {
        "Meta": meta,
        "Log": _object(["commits", "more"], commits=metas, more={"type": "boolean"}),
        "Commit": commit,
        "Changeset": _object(
            ["commits"], author=_LINE, comment=_TEXT, mtime=_TIME,
            commits={
                "type": "array", "items": _ref("Commit"), "minItems": 1, "maxItems": limits.CHANGESET_COMMITS_MAX
            },
        )
        | {"additionalProperties": False},
        "Committed": _object(["revision", "commits"], revision=integer, commits=metas),
        "Changes": _object(
            ["lineage", "revision", "chain", "more", "changes"], lineage=_TEXT, revision=integer, chain=_TEXT,
            more={"type": "boolean"}, changes=metas,
        ),
        "Namespace": namespace,
        "NewNamespace": _object(["name"], **named) | {"additionalProperties": False},
        "Namespaces": _object(["namespaces"], namespaces={"type": "array", "items": _ref("Namespace")}),
        "Problem": _object(
            ["type", "title", "status", "code", "detail", "retryable"], type=_TEXT, title=_TEXT, status=integer,
            code={"enum": sorted(set(BY_CODE) - {MissingExtra.code})}, detail=_TEXT, hint=_TEXT,
            retryable={"type": "boolean"},
        ),
    }  # fmt: skip


def document() -> Json:
    """The OpenAPI document as plain values."""
    from rainer import __version__

    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rainer",
            "version": __version__,
            "description": "One journal for configuration. Every read names the revision it was made at.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _reads() | _ours() | _operations(),
        "components": {"schemas": _schemas()},
    }
