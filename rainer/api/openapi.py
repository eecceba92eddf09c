"""The API's own description (OpenAPI 3.1). A test holds it and the route table to the same list."""

from __future__ import annotations

from collections.abc import Collection

from rainer import limits
from rainer.api import openapi_access, openapi_mirrors, openapi_proposals, openapi_rules, openapi_store
from rainer.api.openapi_parts import (
    AT,
    COMMIT_ID_TEXT,
    FLAG,
    IF_NONE_MATCH,
    KEY,
    KEY_TEXT,
    LINE,
    META,
    NAMESPACE_NAME,
    NS,
    PAYLOAD,
    PAYLOADS,
    REVISION,
    REVISIONS,
    TEXT,
    TIME,
    VERSION,
    VERSION_NUMBER,
    Json,
    answer,
    body,
    errors,
    header,
    json,
    object_of,
    operation,
    path,
    query,
    ref,
)
from rainer.errors import BY_CODE, MissingExtra
from rainer.model.formats import FORMATS


def _reads() -> Json:
    one = errors(304, 400, 404, 410, 500, 503)
    listed = [
        query("all", FLAG, "empty commits too"), *PAYLOADS, REVISIONS, AT,
        query("prefix", TEXT, "only keys that begin so"),
        query("after", TEXT, "only keys beyond this one, in byte order"),
        query("limit", {"type": "integer", "minimum": 1, "maximum": limits.LIST_PAGE_MAX}, "a page; see Link"),
    ]  # fmt: skip
    log = [
        *PAYLOADS, AT, query("before", {"type": "integer", "minimum": 1}, "only versions below"),
        query("limit", {"type": "integer", "minimum": 1, "maximum": limits.FEED_PAGE_MAX}, "at most so many"),
    ]  # fmt: skip
    meta = [*PAYLOADS, REVISIONS, AT, IF_NONE_MATCH]
    heads = json({"type": "object", "additionalProperties": ref("Meta")})
    return {
        "/{namespace}": {
            "get": operation("List heads", [NS, *listed, IF_NONE_MATCH], answer("key to meta", heads) | one)
        },
        "/{namespace}/{key}": {
            "get": operation("Read a head", [NS, KEY, AT, IF_NONE_MATCH], PAYLOAD | one)
        },
        "/{namespace}/{key}/meta": {"get": operation("Read a head's metadata", [NS, KEY, *meta], META | one)},
        "/{namespace}/{key}/log": {
            "get": operation("Read history", [NS, KEY, *log], answer("newest first", json(ref("Log"))) | one)
        },
        "/{namespace}/{key}/{version}/meta": {
            "get": operation("Read a version's metadata", [NS, KEY, VERSION, *meta], META | one)
        },
        "/{namespace}/{key}/{version}": {
            "get": operation("Read a version", [NS, KEY, VERSION, AT, IF_NONE_MATCH], PAYLOAD | one),
            "post": _post_commit(),
        },
    }  # fmt: skip


def _post_commit() -> Json:
    headers = [
        header("X-Rainer-Author", "who commits; where identity is on, who asks commits", LINE, required=True),
        header("X-Rainer-Comment", "why"),
        header("X-Rainer-Empty", "yes removes the key; the body must be empty", FLAG),
        header("X-Rainer-Modified-Time", "the author's time, ISO 8601; default now", TIME),
        header("X-Rainer-Key", "if given, the URL's key", KEY_TEXT),
        header("X-Rainer-Version", "if given, the URL's version", VERSION_NUMBER),
        header("X-Rainer-Commit-Id", "makes a repetition harmless", COMMIT_ID_TEXT),
        openapi_rules.FORCE, openapi_rules.DRY_RUN,
    ]  # fmt: skip
    body = {"required": False, "content": {"application/octet-stream": {"schema": {}}}}
    responses = META | errors(400, 403, 404, 408, 409, 413, 422, 500, 503)
    return operation("Commit one version of one key", [NS, KEY, VERSION, *headers], responses, body)


def _ours() -> Json:
    feed = [
        query("since", REVISION, "the last revision already known"),
        query("namespace", NAMESPACE_NAME, "only this one's changes"),
        query("wait", {"type": "integer", "minimum": 0, "maximum": limits.FEED_WAIT_S_MAX}, "seconds to wait"),
        query("limit", {"type": "integer", "minimum": 1, "maximum": limits.FEED_PAGE_MAX}, "about so many"),
        query("lineage", TEXT, "410 if the journal's is another"),
        query("readable", TEXT, "410 if not exactly this may be read, as the last answer named it"),
        query("chain", {"type": "string", "pattern": "^([0-9a-f][0-9a-f])*$"}, "410 if `since` holds another commit"),
        *PAYLOADS, IF_NONE_MATCH,
        header("Last-Event-ID", "where an event stream broke off; stands for `since`", REVISION),
    ]  # fmt: skip
    changes = {"application/json": {"schema": ref("Changes")}, "text/event-stream": {"schema": TEXT}}
    changed = answer("oldest first; as server-sent events where the caller accepts them", changes)
    made = answer("all committed", json(ref("Committed"))) | errors(400, 403, 404, 408, 409, 413, 422, 500, 503)
    commit_id = header("X-Rainer-Commit-Id", "covers the whole changeset", COMMIT_ID_TEXT)
    wished = [commit_id, openapi_rules.FORCE, openapi_rules.DRY_RUN]
    return {
        "/-/changes": {"get": operation("Follow the journal", feed, changed | errors(304, 400, 404, 410, 500, 503))},
        "/-/changesets": {
            "post": operation("Commit all or nothing", wished, made, body(ref("Changeset")))
        },
        "/-/namespaces": {
            "get": operation(
                "List namespaces", [IF_NONE_MATCH],
                answer("all", json(ref("Namespaces"))) | errors(304, 500, 503),
            ),
            "post": operation("Make a namespace", [], _namespace_made(), body(ref("NewNamespace"))),
        },
        "/-/namespaces/{name}": {
            "get": operation(
                "Read a namespace's rules", [path("name", NAMESPACE_NAME), IF_NONE_MATCH],
                answer("its rules", json(ref("Namespace"))) | errors(304, 400, 404, 500, 503),
            )
        },
    }  # fmt: skip


def _namespace_made() -> Json:
    created = {"201": {"description": "new", "content": json(ref("Namespace"))}}
    existed = answer("the very same existed", json(ref("Namespace")))
    return created | existed | errors(400, 408, 409, 413, 500, 503)


def _operations() -> Json:
    text = {"text/plain": {"schema": TEXT}}
    any_object = json({"type": "object"})
    return {
        "/-/status": {
            "get": operation("Where the journal stands", [], answer("status", any_object) | errors(500, 503))
        },
        "/-/healthz": {"get": operation("The process lives", [], answer("alive", any_object))},
        "/-/readyz": {"get": operation("The database answers", [], answer("ready", any_object) | errors(503))},
        "/-/metrics": {"get": operation("Prometheus figures", [], answer("figures", text))},
        "/-/openapi.json": {"get": operation("This document", [], answer("OpenAPI 3.1", any_object))},
    }  # fmt: skip


def _schemas() -> Json:
    integer: Json = {"type": "integer"}
    meta = object_of(
        ["key", "version", "author", "comment", "mtime", "empty"],
        key=TEXT, version=integer, author=TEXT, comment=TEXT, mtime=TIME,
        empty={"type": "boolean"}, namespace=TEXT, revision=integer, recorded=TEXT, changeset=integer,
        payload_utf8=TEXT, payload_base64=TEXT, identity=TEXT, approvedBy=TEXT, proposal=TEXT,
        forced={"type": "boolean"}, dry_run={"type": "boolean"},
    )  # fmt: skip
    one_of = [{"required": ["payload_utf8"]}, {"required": ["payload_base64"]}, {"required": ["empty"]}]
    commit = object_of(
        ["key", "version"], namespace=NAMESPACE_NAME, key=KEY_TEXT, version=VERSION_NUMBER, payload_utf8=TEXT,
        payload_base64={"type": "string", "contentEncoding": "base64"}, empty={"const": True}, author=LINE,
        comment=TEXT, mtime=TIME,
    ) | {"oneOf": one_of, "additionalProperties": False}  # fmt: skip
    size = {"type": "integer", "minimum": 1, "maximum": limits.PAYLOAD_BYTES_CEILING}
    metas = {"type": "array", "items": ref("Meta")}
    named = {"name": NAMESPACE_NAME, "format": {"enum": list(FORMATS)}, "payload_bytes_max": size}
    namespace = object_of([*named, "closed"], **named, closed={"type": "boolean"})
    return {
        "Meta": meta,
        "Log": object_of(["commits", "more"], commits=metas, more={"type": "boolean"}),
        "Commit": commit,
        "Changeset": object_of(
            ["commits"], author=LINE, comment=TEXT, mtime=TIME, dry_run={"type": "boolean"},
            commits={
                "type": "array", "items": ref("Commit"), "minItems": 1, "maxItems": limits.CHANGESET_COMMITS_MAX
            },
        )
        | {"additionalProperties": False},
        "Committed": object_of(["commits"], revision=integer, commits=metas, dry_run={"type": "boolean"}),
        "Changes": object_of(
            ["lineage", "revision", "chain", "more", "changes"], lineage=TEXT, revision=integer, chain=TEXT,
            more={"type": "boolean"}, changes=metas, readable=TEXT,
        ),
        "Namespace": namespace,
        "NewNamespace": object_of(["name"], **named) | {"additionalProperties": False},
        "Namespaces": object_of(["namespaces"], namespaces={"type": "array", "items": ref("Namespace")}),
        "Problem": object_of(
            ["type", "title", "status", "code", "detail", "retryable"], type=TEXT, title=TEXT, status=integer,
            code={"enum": sorted(set(BY_CODE) - {MissingExtra.code})}, detail=TEXT, hint=TEXT,
            retryable={"type": "boolean"},
        ),
    }  # fmt: skip


def document(only: Collection[tuple[str, str]] | None = None) -> Json:
    """The OpenAPI document as plain values; of all calls, or only of these (method, path)."""
    from rainer import __version__

    paths = _reads() | _ours() | openapi_mirrors.paths() | openapi_store.paths()
    paths |= openapi_access.paths() | openapi_proposals.paths() | openapi_rules.paths() | _operations()
    if only is not None:
        chosen = {p: {m: call for m, call in calls.items() if (m.upper(), p) in only} for p, calls in paths.items()}
        paths = {p: calls for p, calls in chosen.items() if calls}
    schemas = _schemas() | openapi_mirrors.schemas() | openapi_store.schemas() | openapi_access.schemas()
    schemas |= openapi_proposals.schemas() | openapi_rules.schemas()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rainer",
            "version": __version__,
            "description": "One journal for configuration. Every read names the revision it was made at.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        # Where identity is off nobody needs one, and where it is on who has none may do what `anonymous` may.
        "security": [{}, {"token": []}],
    }
