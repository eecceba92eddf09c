"""Reads of a mirror server: heads from memory, in the same forms and headers as the journal's server gives them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from rainer import limits
from rainer.api import asking, hot
from rainer.api.answers import (
    AGE,
    CACHED,
    COMMIT_REVISION,
    LINEAGE,
    REMOVED,
    REVISION,
    CommitAnswer,
    RawHeaders,
    commit_answer,
    etag_of,
    matches,
)
from rainer.api.listing import Listing, listing_of, next_link
from rainer.api.needs import permit
from rainer.api.reading import at_revision, if_none_match, meta_form, path_names, with_headers
from rainer.errors import NotFoundError, PositionGone
from rainer.journal.row import Row, State
from rainer.model import names, times
from rainer.model.commit import Commit
from rainer.model.position import Position
from rainer.model.serialization import to_bytes
from rainer.service.mirror_service import MirrorService
from rainer.service.mirrored import Mirrored
from rainer.service.pins import Pinned

_PORTION: Final = 1_000
_ANSWERS_MAX: Final = 10_000
_NO_CACHE: Final = (b"Cache-Control", b"no-cache")


def service_of(request: Request) -> MirrorService:
    """The mirror service behind the app that a request came to."""
    service: MirrorService = request.app.state.service
    return service


def row_of(commit: Commit, digest: bytes = b"") -> Row:
    """A commit as the functions take it that make answers from rows of a journal; what no mirror knows is empty."""
    return Row(
        commit.revision,  # type: ignore[arg-type]
        0, commit.key, commit.version, commit.author, commit.comment, times.to_ms(commit.mtime), 0, commit.is_empty,
        commit.payload, None, None, 0, digest, None if commit.marks is None else commit.marks.to_text(),
    )  # fmt: skip


class Answers:
    """Answers made ready for the heads that are asked for, each for as long as its head is one."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], tuple[Commit, CommitAnswer]] = {}

    def of(self, commit: Commit) -> CommitAnswer:
        """The answer for a head."""
        name = commit.namespace, commit.key
        known = self._made.get(name)
        if known is not None and known[0] is commit:
            return known[1]
        answer = _answer(commit)
        if len(self._made) >= _ANSWERS_MAX:
            del self._made[next(iter(self._made))]
        self._made[name] = commit, answer
        return answer


def _answer(commit: Commit) -> CommitAnswer:
    row = row_of(commit, digest_of(commit))
    if commit.revision is not None:
        return commit_answer(row)
    made = commit_answer(row._replace(revision=0))
    headers = [(name, value) for name, value in made.headers if name != COMMIT_REVISION]
    return CommitAnswer(headers, made.body, made.etag)


def digest_of(commit: Commit) -> bytes:
    """What stands for a commit's content, where its hash in the journal's chain is not known."""
    return sha256(to_bytes(commit)).digest()


def source_headers(mirrored: Mirrored, position: Position | None) -> RawHeaders:
    """That this comes from a mirror, where that stands, and how many seconds ago it was known to be current."""
    headers: RawHeaders = [(CACHED, b"Yes")]
    if position is not None:
        headers += [(REVISION, b"%d" % position.revision), (LINEAGE, position.lineage.encode())]
    age_s = mirrored.age_s
    if age_s is not None:
        headers.append((AGE, b"%.3f" % age_s))
    return headers


def head_of(service: MirrorService, namespace: str, key: str, at: int | None) -> tuple[Mirrored, Commit]:
    """A head; NotFoundError also for what was removed, for no mirror remembers that; PositionGone for the past."""
    mirrored = service.namespace(names.check_namespace(namespace))
    commit = mirrored.mirror.get(names.check_key(key))
    position = mirrored.mirror.position
    if at is not None and (position is None or at != position.revision):
        is_known = position is not None and at < position.revision and commit is not None and commit.revision
        if not is_known or commit.revision > at:  # type: ignore[union-attr,operator]
            raise _past(service, at, position)
    if commit is None:
        raise NotFoundError("Key not found")
    return mirrored, commit


def _past(service: MirrorService, at: int, position: Position | None) -> PositionGone:
    stands = "tells no revisions" if position is None else f"holds what is newest at revision {position.revision}"
    return PositionGone(
        f"this is a mirror: it {stands}, and not what was at revision {at}",
        hint=f"ask what it mirrors: {service.upstream.describe()}",
    )


async def get_head(service: MirrorService, answers: Answers, segments: list[bytes], scope: Any, send: Any) -> int:
    """`GET /{ns}/{key}`, the quick way; the status."""
    namespace, key = asking.segment(segments[0]), asking.segment(segments[1])
    permit(service, scope, "read", names.check_namespace(namespace), names.check_key(key))
    mirrored, commit = head_of(service, namespace, key, None)
    beside = source_headers(mirrored, mirrored.mirror.position)
    return await hot.send_commit(answers.of(commit), beside, scope, send)


async def read_commit(request: Request) -> Response:
    """`GET /{ns}/{key}` and `/{key}/{version}`: the payload, its metadata in headers."""
    mirrored, commit = _one(request, path_names(request)[2:3])
    answer = _answer(commit)
    headers = [*answer.headers, *source_headers(mirrored, mirrored.mirror.position)]
    if matches(if_none_match(request), answer.etag):
        return with_headers(Response(status_code=304), [h for h in headers if not h[0].startswith(b"content-")])
    response = Response(answer.body)
    response.raw_headers = headers
    return response


async def read_meta(request: Request) -> Response:
    """`GET /{ns}/{key}/meta` and `/{key}/{version}/meta`: the metadata as JSON."""
    form, segments = meta_form(request), path_names(request)
    mirrored, commit = _one(request, segments[2:-1])
    body = form.meta(row_of(commit), segments[0])
    headers = [*source_headers(mirrored, mirrored.mirror.position), (b"ETag", etag_of(digest_of(commit))), _NO_CACHE]
    if matches(if_none_match(request), etag_of(digest_of(commit))):
        return with_headers(Response(status_code=304), headers)
    return with_headers(Response(orjson.dumps(body), media_type="application/json"), headers)


async def read_log(request: Request) -> Response:
    """`GET /{ns}/{key}/log`: refused, for no mirror holds history."""
    service, (namespace, key) = service_of(request), path_names(request)[:2]
    service.namespace(names.check_namespace(namespace))
    names.check_key(key)
    raise NotFoundError(
        "this is a mirror, and holds no history", hint=f"ask what it mirrors: {service.upstream.describe()}"
    )


def _one(request: Request, version: list[str]) -> tuple[Mirrored, Commit]:
    service, (namespace, key) = service_of(request), path_names(request)[:2]
    number = names.parse_version(version[0]) if version else None
    mirrored, commit = head_of(service, namespace, key, at_revision(request))
    if number is not None and number != commit.version:
        raise NotFoundError(
            f"this is a mirror, and holds of key {names.shorten(key)} version {commit.version} alone",
            hint=f"ask what it mirrors: {service.upstream.describe()}",
        )
    return mirrored, commit


async def list_heads(request: Request) -> Response:
    """`GET /{ns}`: key → meta of every head, of one moment however long the sending takes.

    What was removed is not known to a mirror: asked for it, it says so in a header.
    """
    listing, service, at = listing_of(request), service_of(request), at_revision(request)
    mirrored = service.namespace(listing.namespace)
    if at is None:
        pinned = await service.in_thread(mirrored.pins.now)
    else:
        found = await service.in_thread(mirrored.pins.at, at)
        if found is None:
            raise _past(service, at, mirrored.mirror.position)
        pinned = found
    pinned = pinned if listing.keys.is_all else await service.in_thread(pinned.only, listing.keys)
    headers = _list_headers(mirrored, pinned, listing)
    etag = next((value for name, value in headers if name == b"ETag"), None)
    if etag is not None and listing.is_known(request, etag):
        return with_headers(Response(status_code=304), headers)
    if listing.limit is not None and pinned.position is not None:  # else no next page could be of the same moment
        return _page(request, listing, pinned, headers)
    return with_headers(StreamingResponse(_stream(service, listing, pinned), media_type="application/json"), headers)


def _list_headers(mirrored: Mirrored, pinned: Pinned, listing: Listing) -> RawHeaders:
    headers = [*source_headers(mirrored, pinned.position), _NO_CACHE]
    if pinned.position is not None and pinned.position != mirrored.recent.repaired:
        headers.append((b"ETag", etag_of(pinned.position.chain)))
    headers += listing.told_readable
    return [*headers, (REMOVED, b"Unknown")] if listing.include_empty else headers


def _encode(listing: Listing, some: list[Commit]) -> bytes:
    return orjson.dumps({commit.key: listing.form.meta(row_of(commit), listing.namespace) for commit in some})[1:-1]


async def _stream(service: MirrorService, listing: Listing, pinned: Pinned) -> AsyncIterator[bytes]:
    after, separator = listing.after or "", b"{"
    while some := pinned.portion(listing.prefix, after, _PORTION):
        yield separator + await service.in_thread(_encode, listing, some)
        after, separator = some[-1].key, b","
    yield b"}\r\n" if separator == b"," else b"{}\r\n"


def _page(request: Request, listing: Listing, pinned: Pinned, headers: RawHeaders) -> Response:
    """At most `limit` heads, fewer where their payloads fill some MiB; Link leads to the next page."""
    assert listing.limit is not None
    page: list[Commit] = []
    size = 0
    rest = pinned.portion(listing.prefix, listing.after or "", listing.limit + 1)
    for commit in rest[: listing.limit]:
        page.append(commit)
        size += len(commit.payload or b"") if listing.form.payloads else 0
        if size >= limits.FEED_PAGE_BYTES:
            break
    if len(rest) > len(page) and pinned.position is not None:
        at = pinned.position
        state = State(at.lineage, at.revision, at.chain, 0, "")
        headers = [*headers, next_link(request, state, page[-1].key)]
    return with_headers(Response(b"{" + _encode(listing, page) + b"}\r\n", media_type="application/json"), headers)
