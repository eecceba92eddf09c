"""The changes that a mirror has seen, for those who follow it: long poll and server-sent events, as a journal's feed.

Every answer also says how old it is, `age_s`: who follows a mirror is not more current than that. So does each beat of
an event stream: `: beat age_s=0.25`.
"""

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
from rainer.api.answers import MetaForm
from rainer.api.feed import EVENTS, STREAM_HEADERS, Counted, asked
from rainer.api.mirror_reading import row_of, service_of, source_headers
from rainer.api.reading import with_headers
from rainer.api.sight import Sight, sight_of
from rainer.errors import InvalidError, PositionGone, RainerError
from rainer.mirror import heads
from rainer.model.key_set import KeySet
from rainer.model.packed import PackedHead
from rainer.model.policy import KeysBySpace
from rainer.service.mirror_service import MirrorService
from rainer.service.mirrored import Mirrored
from rainer.service.recent import Page, Place, Step

_BEAT_LEAST_S: Final = 2.5
"""That what is held is current is passed on this often at most; soon, lest age add up from mirror to mirror."""


@dataclass(frozen=True, slots=True)
class Told:
    """A page, and its changes as JSON, which all who ask the same share."""

    page: Page
    changes: bytes
    readable: str | None = None
    """The tag of what its readers may read; None where nobody is asked who he is."""

    def body(self, mirrored: Mirrored) -> bytes:
        """The whole answer, with how old it is now."""
        at = self.page.position
        readable = {} if self.readable is None else {"readable": self.readable}
        return orjson.dumps(
            readable | {
                "lineage": at.lineage, "revision": at.revision, "chain": at.chain.hex(), "more": self.page.more,
                "age_s": mirrored.age_s, "changes": orjson.Fragment(self.changes),
            }
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Following:
    """One reader: what it wants, and where it stands."""

    service: MirrorService
    mirrored: Mirrored
    sight: Sight
    form: MetaForm
    limit: int
    place: Place

    async def read(self) -> Told:
        """What follows; PositionGone, and DeniedError when nothing may be read any more."""
        readable = await self.sight.look()
        question = self.mirrored.namespace, self.place, self.limit, self.form, self.mirrored.recent.position, readable
        answer = partial(_tell, self.mirrored, self.place, self.limit, self.form, readable)
        return await self.service.feed.read(question, answer)

    def after(self, page: Page) -> Following:
        """The reader, having read a page."""
        return replace(self, place=page.next)


def _tell(mirrored: Mirrored, place: Place, limit: int, form: MetaForm, readable: KeysBySpace | None) -> Told:
    page = mirrored.recent.read(place, limit)
    if readable is not None and not readable.is_all:
        page = replace(page, steps=[_readable_of(step, readable.of(mirrored.namespace)) for step in page.steps])
    changes = orjson.dumps([meta for step in page.steps for meta in _metas(step, form, mirrored.namespace)])
    return Told(page, changes, None if readable is None else readable.tag)


def _readable_of(step: Step, keys: KeySet) -> Step:
    return replace(step, heads=[head for head in step.heads if head.key in keys])


def _metas(step: Step, form: MetaForm, namespace: str) -> list[dict[str, Any]]:
    """The changes of a step as JSON metadata. They are one changeset to whoever follows: none of them comes alone."""
    return [_meta(head, form, namespace) | {"changeset": step.upto.revision} for head in step.heads]


def _meta(head: PackedHead, form: MetaForm, namespace: str) -> dict[str, Any]:
    commit = heads.read(head.key, (head.data, head.version, head.revision), namespace)
    return form.meta(row_of(commit), namespace)


async def read_changes(request: Request) -> Response:
    """`GET /-/changes`: what came after `since`, at once or when it comes; as events where the caller accepts them."""
    feed = service_of(request).feed
    feed.enter()
    try:
        return Counted(await _answer(request, _following(request)), feed)
    except BaseException:
        feed.leave()
        raise


def _following(request: Request) -> Following:
    service = service_of(request)
    reader, form = asked(request)
    namespace = reader.namespace or _only(service)
    mirrored = service.namespace(namespace)
    sight = sight_of(request, service.permissions, namespace)
    place = mirrored.recent.find(reader.since, reader.lineage, reader.chain)
    # When a commit was recorded is not known to a mirror, and which changesets a step is made of is not told.
    return Following(service, mirrored, sight, replace(form, feed=False, revisions=True), reader.limit, place)


def _only(service: MirrorService) -> str:
    first, *others = (mirrored.namespace for mirrored in service.all())
    if others:
        listed = ", ".join((first, *others))
        raise InvalidError("a mirror tells the changes of one namespace at a time", hint=f"namespace= one of {listed}")
    return first


async def _answer(request: Request, following: Following) -> Response:
    mirrored = following.mirrored
    if EVENTS not in request.headers.get("accept", ""):
        told = await _wait(request, following, asking.bounded(request, "wait", 0, 0, limits.FEED_WAIT_S_MAX))
        headers = [*source_headers(mirrored, told.page.position), (b"Cache-Control", b"no-cache")]
        return with_headers(Response(told.body(mirrored), media_type="application/json"), headers)
    turn = mirrored.turns.turn
    told = await following.read()
    headers = [*source_headers(mirrored, told.page.position), *STREAM_HEADERS]
    if request.method == "HEAD":
        return with_headers(Response(media_type=EVENTS), headers)
    return with_headers(StreamingResponse(_events(following, told, turn), media_type=EVENTS), headers)


async def _wait(request: Request, following: Following, wait_s: int) -> Told:
    loop, turns, service = asyncio.get_running_loop(), following.mirrored.turns, following.service
    deadline = loop.time() + wait_s
    while True:
        turn = turns.turn
        told = await following.read()
        if told.page.has_changes or loop.time() >= deadline or service.is_closing:
            return told
        following = following.after(told.page)
        while not told.page.more:  # else all that was there may not be read
            if await turns.wait(turn, max(0.0, min(deadline - loop.time(), service.options.beat_s))):
                break
            if loop.time() >= deadline or await request.is_disconnected():
                return told


async def _events(following: Following, told: Told, turn: int) -> AsyncIterator[bytes]:
    """Events without end: changes as they come, a beat when nothing comes, `gone` when they do not go on from here."""
    loop, turns, service = asyncio.get_running_loop(), following.mirrored.turns, following.service
    beat_at = 0.0
    while True:
        if told.page.steps:
            body = told.body(following.mirrored)
            yield b"event: changes\nid: %d\ndata: %s\n\n" % (told.page.position.revision, body)
        elif loop.time() >= beat_at:
            yield _beat(following.mirrored)
            beat_at = loop.time() + _BEAT_LEAST_S
        following = following.after(told.page)
        if not told.page.more:
            if service.is_closing:
                return
            if not await turns.wait(turn, service.options.beat_s):
                beat_at = 0.0
        turn = turns.turn
        try:
            told = await following.read()
        except PositionGone as e:
            yield b"event: gone\ndata: " + orjson.dumps(e.as_dict()) + b"\n\n"
            return
        except RainerError:  # the end
            return


def _beat(mirrored: Mirrored) -> bytes:
    age_s = mirrored.age_s
    return b": beat age_s=unknown\n\n" if age_s is None else b": beat age_s=%.3f\n\n" % age_s
