"""What the descriptions of the API's calls are put together from."""

from __future__ import annotations

from typing import Any, Final

from rainer import limits

Json = dict[str, Any]

TEXT: Final[Json] = {"type": "string"}
LINE: Final[Json] = {
    "type": "string",
    "minLength": 1,
    "maxLength": limits.AUTHOR_BYTES_MAX,
    "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]+$",
}
TIME: Final[Json] = {"type": "string", "format": "date-time"}
COMMIT_ID_TEXT: Final[Json] = {"type": "string", "pattern": "^[!-~]{1,64}$"}
FLAG: Final[Json] = {"type": "string", "enum": ["yes", "no", "true", "false", "1", "0"]}
REVISION: Final[Json] = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
NAMESPACE_NAME: Final[Json] = {"type": "string", "pattern": "^[a-z][a-z0-9._-]{0,63}$"}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def path(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def header(name: str, description: str, schema: Json = TEXT, *, required: bool = False) -> Json:
    return {"name": name, "in": "header", "required": required, "schema": schema, "description": description}


NS: Final = path("namespace", NAMESPACE_NAME)
KEY_TEXT: Final[Json] = {
    "type": "string",
    "minLength": 1,
    "maxLength": limits.KEY_BYTES_MAX,
    # no slash, no control characters, none of U+D800 to U+F8FF or beyond U+FFEF; and, what no pattern says, 255 bytes
    "pattern": "^[^/\\x00-\\x1f\\x7f-\\x9f\\ud800-\\uf8ff\\ufff0-\\uffff]+$",
}
KEY: Final = path("key", KEY_TEXT)
VERSION_NUMBER: Final[Json] = {"type": "integer", "minimum": 1, "maximum": limits.VERSION_MAX}
VERSION: Final = path("version", VERSION_NUMBER)
AT: Final = query("at", REVISION, "as of this revision")
PAYLOADS: Final = [
    query("payload_utf8", FLAG, "each meta carries its payload as text, where it is UTF-8"),
    query("payload_base64", FLAG, "each meta carries its payload as base64"),
]
REVISIONS: Final = query("revisions", FLAG, "each meta carries its namespace and revision")
IF_NONE_MATCH: Final = header("If-None-Match", "answer 304 if the ETag is still this")


def errors(*codes: int) -> Json:
    return {str(code): ERRORS[code] for code in codes}


PROBLEM: Final[Json] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
PLAIN: Final[Json] = {"text/plain": {"schema": TEXT}}
ERRORS: Final[dict[int, Json]] = {
    304: {"description": "unchanged"},
    400: {"description": "the request is wrong", "content": PROBLEM | PLAIN},
    401: {"description": "the credentials prove no identity", "content": PROBLEM},
    403: {"description": "not allowed", "content": PROBLEM},
    404: {"description": "no such key, version or namespace", "content": PROBLEM | PLAIN},
    408: {"description": "the body came too slowly", "content": PROBLEM},
    409: {"description": "what is stored moved on", "content": PROBLEM | json({"type": "object"})},
    410: {"description": "the journal does not hold this position: reload", "content": PROBLEM},
    413: {"description": "too large", "content": PROBLEM},
    422: {"description": "a rule is broken, or the commit id stands for other content", "content": PROBLEM},
    429: {"description": "too many calls of this identity: see Retry-After", "content": PROBLEM},
    500: {"description": "stored data is damaged, or the server failed", "content": PROBLEM},
    507: {"description": "no room for the file", "content": PROBLEM},
    503: {"description": "unavailable, overloaded or outcome unknown: see the code", "content": PROBLEM},
}


def answer(description: str, content: Json) -> Json:
    return {"200": {"description": description, "content": content}}


PAYLOAD: Final = answer(
    "the payload; metadata in X-Rainer- headers",
    {"text/plain": {"schema": TEXT}, "application/octet-stream": {"schema": {}}},
)
META: Final = answer("the metadata", json(ref("Meta")))


def operation(summary: str, parameters: list[Json], responses: Json, body: Json | None = None) -> Json:
    # Whoever asks may be refused for who he is, whatever he asks.
    operation: Json = {"summary": summary, "parameters": parameters, "responses": responses | errors(401, 403, 429)}
    return operation | ({"requestBody": body} if body else {})


def body(schema: Json, media_type: str = "application/json") -> Json:
    return {"required": True, "content": {media_type: {"schema": schema}}}


def object_of(required: list[str], **properties: Json) -> Json:
    return {"type": "object", "required": required, "properties": properties}
