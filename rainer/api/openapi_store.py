"""The calls of the server store, described."""

from __future__ import annotations

from typing import Final

from rainer import limits
from rainer.api.openapi_parts import (
    FLAG,
    IF_NONE_MATCH,
    PROBLEM,
    TEXT,
    TIME,
    Json,
    answer,
    errors,
    header,
    json,
    object_of,
    operation,
    path,
    query,
)

_NAME_TEXT: Final[Json] = {
    "type": "string",
    "minLength": 1,
    "maxLength": limits.ASSET_PATH_BYTES_MAX,
    # a path of components of at most 255 bytes, none of them `.` or `..`, without control characters
    "pattern": "^[^/\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]{3,255}(/[^/\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]{3,255})*$",
}
_NAME: Final = path("path", _NAME_TEXT)
_FOLDER: Final = path("path", {"type": "string", "maxLength": limits.ASSET_PATH_BYTES_MAX})
_DIGEST: Final[Json] = {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}
_SIZE: Final[Json] = {"type": "integer", "minimum": 0}
_DATE: Final[Json] = {
    "type": "string",
    "pattern": "^[A-Z][a-z]{2}, [0-3][0-9] [A-Z][a-z]{2} [0-9]{4} [0-2][0-9]:[0-5][0-9]:[0-5][0-9] -0000$",
}
_IF_MATCH: Final = header("If-Match", "only if the file's ETag is among these")
_BYTES: Final[Json] = {"application/octet-stream": {"schema": {}}}
_LINES: Final[Json] = {"text/plain": {"schema": TEXT}}
_NO_TEXT: Final = answer("what is there now: Last-Modified, ETag, X-Rainer-SHA256", _LINES)
_PRECONDITION: Final[Json] = {"412": {"description": "a condition does not hold", "content": PROBLEM}}
_BEYOND: Final[Json] = {"416": {"description": "the range begins beyond the end", "content": PROBLEM}}


def paths() -> Json:
    """The ancestor's protocol, version 2, and what stands beside it."""
    spoken = object_of(["protocol_versions"], protocol_versions={"type": "array", "items": {"type": "integer"}})
    version = answer("the ancestor's protocol", json(spoken))
    folder = operation(
        "List the files below a folder",
        [_FOLDER, _version("only files not newer than this; by default now")],
        answer("a path each line, relative to the folder", _LINES) | errors(400, 404, 500, 503),
    )
    every = operation("List all files", folder["parameters"][1:], folder["responses"])
    names = [
        query("prefix", TEXT, "only names that begin so"),
        query("after", TEXT, "only names beyond this one, in byte order"),
        query("limit", {"type": "integer", "minimum": 1, "maximum": limits.LIST_PAGE_MAX}, "a page; see Link"),
    ]
    named = answer("a JSON object each line", {"application/x-ndjson": {"schema": TEXT}})
    return {
        "/-/store/version/": {"get": operation("Ask for the protocol", [], version | errors(404))},
        "/-/store/files/{path}": {"get": _get(), "put": _put(), "delete": _delete()},
        "/-/store/list": {"get": every},
        "/-/store/list/{path}": {"get": folder},
        "/-/store/names": {
            "get": operation("List files with what is known of them", names, named | errors(400, 404, 500, 503))
        },
    }


def schemas() -> Json:
    """A line of the list of names."""
    return {
        "StoredFile": object_of(
            ["name", "size", "sha256", "mtime", "sealed"],
            name=TEXT, size=_SIZE, sha256=_DIGEST, mtime=TIME, sealed={"type": "boolean"},
        )
    }  # fmt: skip


def _get() -> Json:
    asked = [
        _NAME, IF_NONE_MATCH, _IF_MATCH,
        header("Range", "bytes=START-END, bytes=START- or bytes=-LENGTH"),
        header("If-Range", "heed Range only if the ETag is this"),
        header("Accept-Encoding", "with gzip, what packs well is sent packed, and Logical-Size is its size"),
    ]  # fmt: skip
    sent = answer("the file", _BYTES) | {"206": {"description": "the range", "content": _BYTES}}
    return operation("Read a file", asked, sent | _PRECONDITION | _BEYOND | errors(304, 400, 404, 500, 503))


def _put() -> Json:
    asked = [
        _NAME, _version("the file's version: an older one changes nothing; needed unless the file is sealed"),
        header("Content-Encoding", "gzip, where the body is packed", {"enum": ["gzip", "identity"]}),
        header("Logical-Size", "size of the contents, in bytes", _SIZE),
        header("SHA256-Checksum", "of the contents; others are refused", _DIGEST),
        header("X-Rainer-Create-Only", "create the file and seal it: nobody changes it any more", FLAG),
        header("If-None-Match", "only if there is no such file", {"const": "*"}), _IF_MATCH,
    ]  # fmt: skip
    body = {"required": False, "content": _BYTES}
    stored = _NO_TEXT | _PRECONDITION | errors(400, 403, 404, 408, 413, 500, 503, 507)
    return operation("Store a file", asked, stored, body)


def _delete() -> Json:
    asked = [
        _NAME, _version("a file of a newer version stays", required=True), _IF_MATCH,
        header("X-Rainer-Sealed", "yes removes a sealed file too", FLAG),
    ]  # fmt: skip
    gone = answer("its version; whether it is gone or newer", _LINES)
    return operation("Remove a file", asked, gone | _PRECONDITION | errors(400, 403, 404, 500, 503))


def _version(description: str, *, required: bool = False) -> Json:
    return query("last_modified", _DATE, f"{description}; a date of RFC 2822") | {"required": required}
