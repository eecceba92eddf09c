"""Reads: lists, heads and versions, metadata, history; now or at any past revision."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from rainer import limits
from rainer.api import asking
from rainer.api.answers import MetaForm, RawHeaders, commit_answer, etag_of, matches, state_headers
from rainer.errors import CorruptError, InvalidError, RainerError
from rainer.journal.listing import Cells, HeadRow
from rainer.journal.reads import PORTION, Reads
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
    if matches(_if_none_match(request), etag):
        return with_headers(Response(status_code=304), headers)
    return with_headers(Response(raw, media_type="application/json"), headers)


def _if_none_match(request: Request) -> bytes | None:
    text = request.headers.get("if-none-match")
    return None if text is None else text.encode("latin-1")


async def read_commit(request: Request) -> Response:
    """`GET /{ns}/{key}` and `/{key}/{version}`: the payload, its metadata in headers."""
    state, row = await _one(request, path_names(request)[2:3], payload=True)
    answer = commit_answer(row)
    headers = [*answer.headers, *state_headers(state)]
    if matches(_if_none_match(request), answer.etag):
        return with_headers(Response(status_code=304), [h for h in headers if not h[0].startswith(b"Content-")])
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


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list asks for."""

    namespace: str
    prefix: str
    after: str | None
    include_empty: bool
    limit: int | None
    form: MetaForm

    def portion(self, reads: Reads, pinned: State, after: str | None, rows_max: int) -> tuple[list[Cells], str | None]:
        """Some heads and where to go on; runs in a thread."""
        found = reads.heads_portion(
            self.namespace, pinned, prefix=self.prefix, after=after, portion=rows_max,
            include_empty=self.include_empty, payloads=self.form.payloads,
        )  # fmt: skip
        return found.cells, found.next_after

    def encoded(self, reads: Reads, pinned: State, after: str | None) -> tuple[bytes, str | None]:
        """A portion as the inside of a JSON object; runs in a thread, so that the loop serves others meanwhile."""
        found, next_after = self.portion(reads, pinned, after, PORTION)
        return self.encode(found), next_after

    def encode(self, found: list[Cells]) -> bytes:
        try:
            return orjson.dumps(self.form.listed(found, self.namespace))[1:-1]
        except TypeError as e:  # a text that is no UTF-8, or no text at all
            raise CorruptError(f"namespace {self.namespace} cannot be listed: {e}", hint="run `rainer verify`") from e


def _listing(request: Request) -> Listing:
    (namespace,) = path_names(request)
    prefix = request.query_params.get("prefix", "")
    after = request.query_params.get("after")
    for text in (prefix, after or ""):
        if len(text.encode(errors="replace")) > limits.KEY_BYTES_MAX or "\0" in text:
            raise InvalidError(f"{names.shorten(text)} cannot begin a key", hint="prefix and after are parts of keys")
    return Listing(
        names.check_namespace(namespace), prefix, after, asking.flag(request, "all"),
        asking.number(request, "limit", None, 1, limits.LIST_PAGE_MAX), meta_form(request),
    )  # fmt: skip


async def list_heads(request: Request) -> Response:
    """`GET /{ns}`: key → meta of every head, of one moment however long the sending takes."""
    listing, service = _listing(request), service_of(request)
    pinned = await service.live.in_thread(service.reads.pin, at_revision(request))
    await service.live.namespace(listing.namespace)
    etag = etag_of(pinned.chain)
    headers = [*state_headers(pinned), (b"ETag", etag), (b"Cache-Control", b"no-cache")]
    if matches(_if_none_match(request), etag):
        return with_headers(Response(status_code=304), headers)
    if listing.limit is not None:
        return await _page(request, listing, pinned, headers)
    body = _stream(service, listing, pinned)
    return with_headers(StreamingResponse(body, media_type="application/json"), headers)


class BrokenOff(Exception):
    """The answer has begun and cannot be finished: it must not look whole."""


async def _stream(service: Service, listing: Listing, pinned: State) -> AsyncIterator[bytes]:
    after, separator = listing.after, b"{"
    while True:
        try:
            inside, after = await service.live.in_thread(listing.encoded, service.reads, pinned, after)
        except RainerError as e:
            raise BrokenOff(str(e)) from e
        if inside:
            yield separator + inside
            separator = b","
        if after is None:
            break
    yield b"}\r\n" if separator == b"," else b"{}\r\n"


async def _page(request: Request, listing: Listing, pinned: State, headers: RawHeaders) -> Response:
    """At most `limit` heads, fewer where their payloads fill some MiB; Link leads to the next page."""
    assert listing.limit is not None
    service, after = service_of(request), listing.after
    rows: list[Cells] = []
    size = 0
    while len(rows) <= listing.limit and size < limits.FEED_PAGE_BYTES:
        wanted = listing.limit + 1 - len(rows)
        found, after = await service.live.in_thread(listing.portion, service.reads, pinned, after, wanted)
        rows += found
        size += sum(HeadRow(*cells).payload_bytes or 0 for cells in found)
        if after is None:
            break
    page = rows[: listing.limit]
    if len(rows) > len(page) or (page and after is not None):
        headers = [*headers, _next_link(request, pinned, HeadRow(*page[-1]).key)]
    body = b"{" + listing.encode(page) + b"}\r\n"
    return with_headers(Response(body, media_type="application/json"), headers)


def _next_link(request: Request, pinned: State, after: str) -> tuple[bytes, bytes]:
    """The next page stays at the first one's revision."""
    query: dict[str, Any] = dict(request.query_params) | {"after": after, "at": pinned.revision}
    path = request.scope.get("raw_path") or quote(request.url.path).encode()  # as it was asked for, encoded
    return b"Link", b'<%s?%s>; rel="next"' % (path, urlencode(query).encode())
