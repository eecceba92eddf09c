"""The change feed: long poll and server-sent events over the same pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from rainer import limits
from rainer.api import asking
from rainer.api.answers import MetaForm, feed_body, state_headers
from rainer.api.reading import json_answer, meta_form, service_of, with_headers
from rainer.api.sight import Sight, sight_of
from rainer.errors import DeniedError, InvalidError, NamespaceNotFound, PositionGone, RainerError
from rainer.journal.feed import FeedPage, Reader
from rainer.journal.feed_reads import FeedReads
from rainer.journal.reads import Reads
from rainer.journal.row import Row
from rainer.model import names
from rainer.model.policy import KeysBySpace
from rainer.service import Service

_REVISION_MAX: Final = 2**63 - 1
_RETRY_S: Final = 1.0
EVENTS: Final = "text/event-stream"
STREAM_HEADERS: Final = ((b"Cache-Control", b"no-cache"), (b"X-Accel-Buffering", b"no"))


@dataclass(slots=True)
class Told:
    """A page as readers are told it; those who ask the same share it, and its bytes."""

    page: FeedPage
    body: bytes
    _event: bytes | None = None

    @property
    def event(self) -> bytes:
        """The page as a server-sent event."""
        if self._event is None:
            self._event = b"event: changes\nid: %d\ndata: %s\n\n" % (self.page.revision, self.body)
        return self._event


@dataclass(frozen=True, slots=True)
class Question:
    """What a reader asks: equal ones have one answer."""

    reader: Reader
    form: MetaForm
    readable: KeysBySpace | None = None
    """What the reader may read; None where nobody is asked who he is."""

    def answer(self, reads: Reads) -> Told:
        """The next page, perhaps without changes, encoded; runs in a thread."""
        r = self.reader
        page = reads.changes(
            r.since, namespace=r.namespace, limit=r.limit, payloads=r.payloads, lineage=r.lineage, chain=r.chain
        )
        members = {
            "lineage": page.state.lineage, "revision": page.revision, "chain": page.chain.hex(), "more": page.more
        }  # fmt: skip
        if self.readable is not None:
            page = replace(page, rows=readable_rows(page, self.readable))
            members["readable"] = self.readable.tag
        return Told(page, orjson.dumps(feed_body(members, page.rows, self.form, page.namespaces)))


def readable_rows(page: FeedPage, readable: KeysBySpace) -> list[Row]:
    """Those changes of a page that a reader may read."""
    if readable.is_all:
        return page.rows
    keys = {number: readable.of(name) for number, name in page.namespaces.items()}
    return [row for row in page.rows if row.key in keys[row.namespace_id]]


@dataclass(slots=True)
class Feed:
    """One reader of the feed: where it stands, what it wants and what it may read."""

    service: Service
    sight: Sight
    reader: Reader
    form: MetaForm

    async def read(self) -> Told:
        """What follows where the reader stands, as of a read that begins now."""
        question = Question(self.reader, self.form, await self.sight.look())
        return await self.service.live.feed.read(question, partial(question.answer, self.service.reads))

    def advance(self, page: FeedPage) -> None:
        """Stand where a page ended: also in its lineage and chain, so that a restored database is noticed."""
        self.reader = replace(self.reader, since=page.revision, lineage=page.state.lineage, chain=page.chain)


class Counted(Response):
    """An answer whose reader is counted until it has it, or has gone away."""

    def __init__(self, answer: Response, feed: FeedReads) -> None:
        super().__init__()
        self._answer, self._feed = answer, feed

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self._answer(scope, receive, send)
        finally:
            self._feed.leave()


def asked(request: Request) -> tuple[Reader, MetaForm]:
    """What a request for changes asks; InvalidError."""
    namespace = request.query_params.get("namespace")
    if namespace is not None:
        names.check_namespace(namespace)
    since = asking.bounded(request, "since", 0, 0, _REVISION_MAX)
    last_id = request.headers.get("last-event-id")
    if last_id is not None:
        since = asking.whole(last_id, "Last-Event-ID", 0, _REVISION_MAX)
    limit = asking.bounded(request, "limit", limits.FEED_PAGE_DEFAULT, 1, limits.FEED_PAGE_MAX)
    form = meta_form(request, feed=True)
    # A browser that reconnects repeats the URL it began with: `chain` belongs to that `since`, not to this id.
    chain = _chain(request) if last_id is None else None
    return Reader(since, namespace, limit, form.payloads, request.query_params.get("lineage"), chain), form


def _chain(request: Request) -> bytes | None:
    text = request.query_params.get("chain")
    if text is None:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InvalidError(f"chain {names.shorten(text)} is not hexadecimal") from None


async def read_changes(request: Request) -> Response:
    """`GET /-/changes`: what came after `since`, at once or when it comes; as events where the caller accepts them."""
    feed = service_of(request).live.feed
    feed.enter()
    try:
        reader, form = asked(request)
        service = service_of(request)
        sight = sight_of(request, service.permissions, reader.namespace)
        return Counted(await _answer(request, Feed(service, sight, reader, form)), feed)
    except BaseException:
        feed.leave()
        raise


async def _answer(request: Request, feed: Feed) -> Response:
    if EVENTS not in request.headers.get("accept", ""):
        wait_s = asking.bounded(request, "wait", 0, 0, limits.FEED_WAIT_S_MAX)
        told = await _wait(request, feed, wait_s)
        return json_answer(request, orjson.Fragment(told.body), told.page.state)
    turn = feed.service.live.wakeup.turn
    told = await feed.read()
    headers = [*state_headers(told.page.state), *STREAM_HEADERS]
    if request.method == "HEAD":  # a stream without end would never be answered
        return with_headers(Response(media_type=EVENTS), headers)
    return with_headers(StreamingResponse(_events(feed, told, turn), media_type=EVENTS), headers)


async def _wait(request: Request, feed: Feed, wait_s: int) -> Told:
    loop, service = asyncio.get_running_loop(), feed.service
    wakeup = service.live.wakeup
    deadline = loop.time() + wait_s
    while True:
        turn = wakeup.turn
        told = await feed.read()
        if told.page.rows or loop.time() >= deadline or service.is_closing:
            return told
        feed.advance(told.page)
        moved = told.page.more  # all that was there may not be read
        while not moved:  # a beat without news is only the moment to see whether somebody waits still
            rest_s = max(0.0, deadline - loop.time())
            moved = await wakeup.wait(turn, told.page.state, min(rest_s, service.options.beat_s))
            if await request.is_disconnected():
                return told
            moved = moved or wakeup.is_away or loop.time() >= deadline


async def _events(feed: Feed, told: Told, turn: int) -> AsyncIterator[bytes]:
    """Events without end: changes as they come, a beat when nothing comes, `gone` when the history is another one."""
    service, page, wakeup = feed.service, told.page, feed.service.live.wakeup
    revision = feed.reader.since
    while True:
        if page.rows or page.revision != revision:
            yield told.event
            revision = page.revision
        feed.advance(page)
        while not page.more:
            if service.is_closing:
                return
            if await wakeup.wait(turn, page.state, service.options.beat_s):
                break
            if wakeup.is_away or not await feed.sight.is_still():
                # Perhaps it moved, and a beat would say that the database was seen; or the reader is not what it was.
                break
            yield b": beat\n\n"
        turn = wakeup.turn
        try:
            told = await feed.read()
            page = told.page
        except (PositionGone, NamespaceNotFound) as e:
            yield b"event: gone\ndata: " + orjson.dumps(e.as_dict()) + b"\n\n"
            return
        except DeniedError:  # it may read nothing any more, and is told so when it asks again
            return
        except RainerError as e:
            yield b": " + e.code.encode() + b"\n\n"
            await asyncio.sleep(_RETRY_S)
            page = replace(page, rows=[], more=False)
