"""Lists of heads: whole ones streamed, from memory where nothing has changed, or page by page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from rainer import limits
from rainer.api import asking
from rainer.api.answers import READABLE, MetaForm, RawHeaders, etag_of, matches, state_headers
from rainer.api.list_memory import ListKey, ListMemory, Part, RememberedList, compress, decompress
from rainer.api.needs import asker_of
from rainer.api.reading import at_revision, if_none_match, meta_form, path_names, service_of, with_headers
from rainer.errors import CorruptError, InvalidError, RainerError
from rainer.journal.listing import Cells, HeadRow
from rainer.journal.reads import PORTION, Reads
from rainer.journal.row import State, known_namespace
from rainer.model import names
from rainer.model.key_set import ALL_KEYS, KeySet
from rainer.model.policy import KeysBySpace
from rainer.service import Service

_CHANGED_MAX: Final = 10_000
"""How many commits a remembered list may be behind: to look through more costs as much as reading it again."""

ReadPart: TypeAlias = Callable[[str | None], Awaitable[Part]]


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list asks for."""

    namespace: str
    prefix: str
    after: str | None
    include_empty: bool
    limit: int | None
    form: MetaForm
    keys: KeySet = ALL_KEYS
    """Those that the asker may read."""
    is_open: bool = True

    @property
    def is_partial(self) -> bool:
        """Whether the asker may not read all that he asks for."""
        return not self.keys.covers(self.prefix)

    def headers(self, pinned: State) -> RawHeaders:
        """Where the journal stood when the list was made, of which its chain is the ETag; and what was readable."""
        etag = etag_of(pinned.chain)
        return [*state_headers(pinned), (b"ETag", etag), (b"Cache-Control", b"no-cache"), *self.told_readable]

    @property
    def told_readable(self) -> RawHeaders:
        """The header that stands for what the asker may read; none where nobody is asked who he is."""
        return [] if self.is_open else [(READABLE, self.readable.tag.encode()), (b"Vary", b"Authorization")]

    def is_known(self, request: Request, etag: bytes) -> bool:
        """Whether the asker has the list: of this state, and with as much in it as he may read now."""
        if not matches(if_none_match(request), etag):
            return False
        return self.is_open or request.headers.get(READABLE.decode()) == self.readable.tag

    @property
    def readable(self) -> KeysBySpace:
        """What may be read of the namespace."""
        return KeysBySpace(False, ((self.namespace, self.keys),)).only(self.namespace)

    @property
    def key(self) -> ListKey | None:
        """What it is remembered by; None where it is not of all heads, or not all of them may be read."""
        is_whole = not self.prefix and self.after is None and self.limit is None and self.keys.is_all
        return (self.namespace, self.include_empty, self.form) if is_whole else None

    def portion(
        self, reads: Reads, pinned: State, after: str | None, rows_max: int, upto: str | None = None
    ) -> tuple[list[Cells], str | None]:
        """Some heads and where to go on; runs in a thread."""
        if not self.is_partial:
            return self._span(reads, pinned, self.prefix, after, rows_max, upto)
        found: list[Cells] = []
        for span in self.keys.spans(self.prefix):
            if after is None or not span.is_behind(after):
                last = span.start if span.is_one else upto
                cells, next_after = self._span(reads, pinned, span.start, after, rows_max - len(found), last)
                found += cells
                is_large = sum(HeadRow(*one).payload_bytes or 0 for one in found) > limits.FEED_PAGE_BYTES
                if next_after is not None:
                    return found, next_after
                if len(found) == rows_max or is_large:
                    return found, HeadRow(*found[-1]).key
        return found, None

    def _span(
        self, reads: Reads, pinned: State, prefix: str, after: str | None, rows_max: int, upto: str | None
    ) -> tuple[list[Cells], str | None]:
        found = reads.heads_portion(
            self.namespace, pinned, prefix=prefix, after=after, upto=upto, portion=rows_max,
            include_empty=self.include_empty, payloads=self.form.payloads,
        )  # fmt: skip
        return found.cells, found.next_after

    def encoded(self, reads: Reads, pinned: State, after: str | None) -> Part:
        """A portion as the inside of a JSON object; runs in a thread, so that the loop serves others meanwhile."""
        found, next_after = self.portion(reads, pinned, after, PORTION)
        return self.encode(found), next_after

    def encode(self, found: list[Cells]) -> bytes:
        """The inside of a JSON object; CorruptError for what no JSON can hold."""
        try:
            return orjson.dumps(self.form.listed(found, self.namespace))[1:-1]
        except TypeError as e:  # a text that is no UTF-8, or no text at all
            raise CorruptError(f"namespace {self.namespace} cannot be listed: {e}", hint="run `rainer verify`") from e


def listing_of(request: Request) -> Listing:
    """What a request for a list asks; InvalidError."""
    (namespace,) = path_names(request)
    prefix = request.query_params.get("prefix", "")
    after = request.query_params.get("after")
    for text in (prefix, after or ""):
        if len(text.encode(errors="replace")) > limits.KEY_BYTES_MAX or "\0" in text:
            raise InvalidError(f"{names.shorten(text)} cannot begin a key", hint="prefix and after are parts of keys")
    asker = asker_of(request)
    return Listing(
        names.check_namespace(namespace), prefix, after, asking.flag(request, "all"),
        asking.number(request, "limit", None, 1, limits.LIST_PAGE_MAX), meta_form(request),
        asker.readable(namespace), asker.identity.is_open,
    )  # fmt: skip


async def list_heads(request: Request) -> Response:
    """`GET /{ns}`: key → meta of every head, of one moment however long the sending takes."""
    listing, service, at = listing_of(request), service_of(request), at_revision(request)
    pinned = await service.live.in_thread(service.reads.pin, at)
    await service.live.namespace(listing.namespace)
    if listing.is_known(request, etag_of(pinned.chain)):
        return with_headers(Response(status_code=304), listing.headers(pinned))
    if listing.limit is not None:
        return await _page(request, listing, pinned)
    read: ReadPart = partial(service.live.in_thread, listing.encoded, service.reads, pinned)
    if at is None and listing.key is not None:
        reader = ListReader(service, listing, request.app.state.lists)
        found = await reader.at(listing.key, pinned)
        pinned = found.state
        read = partial(reader.read, found, pinned)
    body = _stream(read, listing.after)
    return with_headers(StreamingResponse(body, media_type="application/json"), listing.headers(pinned))


class BrokenOff(Exception):
    """The answer has begun and cannot be finished: it must not look whole."""


async def _stream(read: ReadPart, after: str | None) -> AsyncIterator[bytes]:
    separator = b"{"
    while True:
        try:
            inside, after = await read(after)
        except RainerError as e:
            raise BrokenOff(str(e)) from e
        if inside:
            yield separator + inside
            separator = b","
        if after is None:
            break
    yield b"}\r\n" if separator == b"," else b"{}\r\n"


@dataclass(frozen=True, slots=True)
class ListReader:
    """How the readers of a list use its memory and fill it, each at its own pace.

    A reader holds no more of it than the part it sends, and what one waits for in the database another may wait for
    with it, but nobody waits for another's network.
    """

    service: Service
    listing: Listing
    lists: ListMemory

    async def at(self, key: ListKey, pinned: State) -> RememberedList:
        """The list at a state that is `pinned` or later, whatever is known of it; NamespaceNotFound."""
        while True:
            found = self.lists.get(key)
            if found is None:
                return self.lists.begin(key, pinned)
            async with found.lock:
                if found.is_forgotten:
                    continue
                if found.state == pinned:
                    return found
                return await self._caught_up(key, found)

    async def _caught_up(self, key: ListKey, found: RememberedList) -> RememberedList:
        """What is still right of a list, now; nothing of it if the journal's history is another one."""
        live, reads = self.service.live, self.service.reads
        caught = await live.in_thread(reads.catch_up, found.state, (), _CHANGED_MAX)
        space = known_namespace(caught.namespaces, self.listing.namespace).id
        if caught.changed is None or found.is_forgotten:
            return self.lists.begin(key, caught.state)
        self.lists.move(found, caught.state, [changed for number, changed in caught.changed if number == space])
        return found

    async def read(self, found: RememberedList, pinned: State, after: str | None) -> Part:
        """The next part of the list as it was at `pinned`."""
        begin = after or ""
        known = found.find(begin, pinned.revision)
        if known is not None:
            piece, end = known
            return await self.service.live.in_thread(decompress, piece.data), end
        flight = found.flights.get((begin, pinned.revision))
        if flight is None:
            flight = asyncio.create_task(self._fill(found, pinned, begin), name="rainer-list")
            found.flights[begin, pinned.revision] = flight
            flight.add_done_callback(lambda _: found.flights.pop((begin, pinned.revision)))
        return await asyncio.shield(flight)  # others may wait for it too

    async def _fill(self, found: RememberedList, pinned: State, after: str) -> Part:
        """Read a range, or what of it makes one piece, and remember it."""
        upto = found.upto(after)
        raw, data, end = await self.service.live.in_thread(self._read_range, pinned, after, upto)
        self.lists.keep(found, pinned, after, end, data)
        return raw, end

    def _read_range(self, pinned: State, after: str, upto: str | None) -> tuple[bytes, bytes, str | None]:
        """A range as JSON, the same compressed, and where it ends; runs in a thread.

        A range that has an end was a piece before. It may grow to twice a portion until it is two, or each new key
        would leave a range of its own behind.
        """
        size = self.lists.portion
        rows_max = size if upto is None else 2 * size
        cells, next_after = self.listing.portion(self.service.reads, pinned, after or None, rows_max, upto)
        end = upto if next_after is None else next_after
        if end != upto and len(cells) > size:
            cells = cells[:size]
            end = HeadRow(*cells[-1]).key
        raw = self.listing.encode(cells)
        return raw, compress(raw), end


async def _page(request: Request, listing: Listing, pinned: State) -> Response:
    """At most `limit` heads, fewer where their payloads fill some MiB; Link leads to the next page."""
    assert listing.limit is not None
    service, after, headers = service_of(request), listing.after, listing.headers(pinned)
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
        headers = [*headers, next_link(request, pinned, HeadRow(*page[-1]).key)]
    body = b"{" + listing.encode(page) + b"}\r\n"
    return with_headers(Response(body, media_type="application/json"), headers)


def next_link(request: Request, pinned: State, after: str) -> tuple[bytes, bytes]:
    """The next page stays at the first one's revision."""
    query: dict[str, Any] = dict(request.query_params) | {"after": after, "at": pinned.revision}
    return asking.next_link(request, query)
