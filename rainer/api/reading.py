"""Reads: heads and versions, metadata, history; now or at any past revision."""

from __future__ import annotations

from functools import partial
from hashlib import sha256

import orjson
from starlette.requests import Request
from starlette.responses import Response

from rainer import limits
from rainer.api import asking
from rainer.api.answers import MetaForm, RawHeaders, commit_answer, etag_of, matches, state_headers
from rainer.journal.row import Row, State
from rainer.model import names
from rainer.service import Service

_REVISION_MAX = 2**63 - 1


def service_of(request: Request) -> Service:
    """The service behind the app that a request came to."""
    service: Service = request.app.state.service
    return service


def path_names(request: Request) -> list[str]:
    """The path's segments as text."""
    return [asking.segment(s) for s in asking.raw_segments(request.scope)]


def meta_form(request: Request, *, feed: bool = False) -> MetaForm:
    """Which members the caller wants in each meta."""
    return MetaForm(
        payload_utf8=asking.flag(request, "payload_utf8"),
        payload_base64=asking.flag(request, "payload_base64"),
        revisions=feed or asking.flag(request, "revisions"),
        feed=feed,
    )


def at_revision(request: Request) -> int | None:
    """The past moment asked for, if any."""
    return asking.number(request, "at", None, 0, _REVISION_MAX)


def with_headers(response: Response, headers: RawHeaders) -> Response:
    """Add headers in exactly this letter case."""
    response.raw_headers.extend(headers)
    return response


def json_answer(request: Request, body: object, state: State, etag: bytes | None = None) -> Response:
    """A JSON answer with where the journal stood, or 304; where no hash stands for the content, its own is taken."""
    raw = orjson.dumps(body)
    etag = etag or etag_of(sha256(raw).digest())
    headers = [*state_headers(state), (b"ETag", etag), (b"Cache-Control", b"no-cache")]
    if matches(if_none_match(request), etag):
        return with_headers(Response(status_code=304), headers)
    return with_headers(Response(raw, media_type="application/json"), headers)


def if_none_match(request: Request) -> bytes | None:
    """The If-None-Match header as it was sent."""
    text = request.headers.get("if-none-match")
    return None if text is None else text.encode("latin-1")


async def read_commit(request: Request) -> Response:
    """`GET /{ns}/{key}` and `/{key}/{version}`: the payload, its metadata in headers."""
    state, row = await _one(request, path_names(request)[2:3], payload=True)
    answer = commit_answer(row)
    headers = [*answer.headers, *state_headers(state)]
    if matches(if_none_match(request), answer.etag):
        return with_headers(Response(status_code=304), [h for h in headers if not h[0].startswith(b"content-")])
    response = Response(answer.body)
    response.raw_headers = headers
    return response


async def read_meta(request: Request) -> Response:
    """`GET /{ns}/{key}/meta` and `/{key}/{version}/meta`: the metadata as JSON."""
    form = meta_form(request)
    segments = path_names(request)
    state, row = await _one(request, segments[2:-1], payload=form.payloads)
    return json_answer(request, form.meta(row, segments[0]), state, etag_of(bytes(row.hash)))


async def _one(request: Request, version: list[str], *, payload: bool) -> tuple[State, Row]:
    namespace, key = path_names(request)[:2]
    names.check_namespace(namespace)
    names.check_key(key)
    number = names.parse_version(version[0]) if version else None
    service = service_of(request)
    return await service.live.in_thread(service.reads.commit, namespace, key, number, at_revision(request), payload)


async def read_log(request: Request) -> Response:
    """`GET /{ns}/{key}/log`: versions, newest first."""
    namespace, key = path_names(request)[:2]
    names.check_namespace(namespace)
    names.check_key(key)
    form = meta_form(request, feed=True)
    before = asking.number(request, "before", None, 1, limits.VERSION_MAX + 1)
    limit = asking.bounded(request, "limit", limits.FEED_PAGE_DEFAULT, 1, limits.FEED_PAGE_MAX)
    service = service_of(request)
    read = partial(
        service.reads.log, namespace, key, before=before, limit=limit, at=at_revision(request), payloads=form.payloads
    )
    state, rows, more = await service.live.in_thread(read)
    body = {"commits": [form.meta(row, namespace) for row in rows], "more": more}
    return json_answer(request, body, state, etag_of(rows[0].hash if rows else state.chain))
