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
from rainer.errors import InvalidError, NamespaceNotFound, OverloadedError, PositionGone, RainerError
from rainer.journal.reads import FeedPage
from rainer.model import names
from rainer.service import Service

_REVISION_MAX: Final = 2**63 - 1
_RETRY_S: Final = 1.0
_EVENTS: Final = "text/event-stream"


@dataclass(slots=True)
class Feed:
    """One reader of the feed: where it stands and what it wants."""

    service: Service
    since: int
    namespace: str | None
    limit: int
    form: MetaForm
    lineage: str | None
    chain: bytes | None

    async def page(self) -> FeedPage:
        """The next page, perhaps without changes."""
        read = partial(
            self.service.reads.changes, self.since, namespace=self.namespace, limit=self.limit,
            payloads=self.form.payloads, lineage=self.lineage, chain=self.chain,
        )  # fmt: skip
        return await self.service.live.in_thread(read)

    def advance(self, page: FeedPage) -> None:
        """Stand where a page ended: also in its lineage and chain, so that a restored database is noticed."""
        self.since, self.lineage, self.chain = page.revision, page.state.lineage, page.chain

    def body(self, page: FeedPage) -> dict[str, Any]:
        members = {
            "lineage": page.state.lineage, "revision": page.revision, "chain": page.chain.hex(), "more": page.more
        }  # fmt: skip
        return feed_body(members, page.rows, self.form, page.namespaces)


def _feed(request: Request) -> Feed:
    service = service_of(request)
    if service.live.wakeup.waiting >= limits.FEED_READERS_MAX:
        raise OverloadedError(f"{limits.FEED_READERS_MAX} readers wait for the feed already", retry_after_s=5)
    namespace = request.query_params.get("namespace")
    if namespace is not None:
        names.check_namespace(namespace)
    since = asking.bounded(request, "since", 0, 0, _REVISION_MAX)
    last_id = request.headers.get("last-event-id")
    if last_id is not None:
        since = asking.whole(last_id, "Last-Event-ID", 0, _REVISION_MAX)
    limit = asking.bounded(request, "limit", limits.FEED_PAGE_DEFAULT, 1, limits.FEED_PAGE_MAX)
    return Feed(
        service, since, namespace, limit, meta_form(request, feed=True), request.query_params.get("lineage"),
        # A browser that reconnects repeats the URL it began with: `chain` belongs to that `since`, not to this id.
        _chain(request) if last_id is None else None,
    )  # fmt: skip


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
    feed = _feed(request)
    if _EVENTS in request.headers.get("accept", ""):
        turn = feed.service.live.wakeup.turn
        page = await feed.page()
        headers = [*state_headers(page.state), (b"Cache-Control", b"no-cache"), (b"X-Accel-Buffering", b"no")]
        if request.method == "HEAD":  # a stream without end would never be answered
            return with_headers(Response(media_type=_EVENTS), headers)
        return with_headers(StreamingResponse(_events(feed, page, turn), media_type=_EVENTS), headers)
    wait_s = asking.bounded(request, "wait", 0, 0, limits.FEED_WAIT_S_MAX)
    page = await _wait(request, feed, wait_s)
    return json_answer(request, feed.body(page), page.state)


async def _wait(request: Request, feed: Feed, wait_s: int) -> FeedPage:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    wakeup = feed.service.live.wakeup
    while True:
        turn = wakeup.turn
        page = await feed.page()
        rest = deadline - loop.time()
        if page.rows or rest <= 0 or feed.service.is_closing:
            return page
        feed.advance(page)
        await wakeup.wait(turn, page.state, min(rest, feed.service.options.beat_s))
        if await request.is_disconnected():
            return page


async def _events(feed: Feed, page: FeedPage, turn: int) -> AsyncIterator[bytes]:
    """Events without end: changes as they come, a beat when nothing comes, `gone` when the history is another one."""
    wakeup = feed.service.live.wakeup
    told = feed.since
    while True:
        if page.rows or page.revision != told:
            yield _event(feed, page)
            told = page.revision
        feed.advance(page)
        if not page.more:
            if feed.service.is_closing:
                return
            if not await wakeup.wait(turn, page.state, feed.service.options.beat_s):
                yield b": beat\n\n"
        turn = wakeup.turn
        try:
            page = await feed.page()
        except (PositionGone, NamespaceNotFound) as e:
            yield b"event: gone\ndata: " + orjson.dumps(e.as_dict()) + b"\n\n"
            return
        except RainerError as e:
            yield b": " + e.code.encode() + b"\n\n"
            await asyncio.sleep(_RETRY_S)
            page = replace(page, rows=[], more=False)


def _event(feed: Feed, page: FeedPage) -> bytes:
    body = orjson.dumps(feed.body(page))
    return b"event: changes\nid: %d\ndata: %s\n\n" % (page.revision, body)
