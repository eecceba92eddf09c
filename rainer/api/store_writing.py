"""`PUT` and `DELETE` of the server store: bodies of any size, taken in portions beside the loop."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from rainer.api import store_asking
from rainer.api.patience import within
from rainer.api.problems import BodyTimeout
from rainer.api.reading import service_of
from rainer.api.signs import giving_signs
from rainer.api.store_answers import file_headers, refusing, version_header
from rainer.service.file_store import FileStore, Upload

_PORTION_BYTES: Final = 1024 * 1024
"""What is handed to a thread at once."""
_LEAST_BYTES: Final = 64 * 1024
"""What must come within the time that other bodies have altogether."""


@refusing
async def put_file(request: Request) -> Response:
    """`PUT /-/store/files/{path}?last_modified=`: store a file, unless the one that is there has a newer version."""
    service = service_of(request)
    store, name, terms = service.store, store_asking.name_of(request), store_asking.put_terms(request)
    body = store_asking.body_of(request, store.files.file_bytes_max)
    await store.look(store.files.check_put, name, terms)
    async with store.turn(body.length):
        with store.upload(is_gzip=body.is_gzip) as upload:
            await _take(Arriving(request.receive, service.body_timeout_s), store, upload)
            file = await giving_signs(request.scope, upload.keep(name, body.expected, terms))
    store.note("put", name, file, terms, who_asks(request))
    return Response(b"", 200, file_headers(file), "text/plain")


@refusing
async def delete_file(request: Request) -> Response:
    """`DELETE /-/store/files/{path}?last_modified=`: remove a file, unless its version is newer."""
    store, name = service_of(request).store, store_asking.name_of(request)
    terms = store_asking.deletion_terms(request)
    file, is_gone = await store.keep(store.files.delete, name, terms)
    if is_gone:
        store.note("delete", name, file, terms, who_asks(request))
    return Response(b"", 200, version_header(file), "text/plain")


def who_asks(request: Request) -> str:
    """The address that a request comes from."""
    return request.client.host if request.client else "?"


class Arriving:
    """A request's body as it comes; BodyTimeout where it stalls or drips, ClientDisconnect where it breaks off.

    Only time in which we waited for the client counts.
    """

    def __init__(self, receive: Any, patience_s: float) -> None:
        self._receive, self._patience_s = receive, patience_s
        self._waited_s = 0.0
        self._came = 0
        self.is_over = False

    async def portion(self) -> list[bytes]:
        """The next bytes, about 1 MiB, and fewer only at the end."""
        parts: list[bytes] = []
        size = 0
        while size < _PORTION_BYTES and not self.is_over:
            message = await self._message()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            self.is_over = not message.get("more_body")
        return parts

    async def _message(self) -> Any:
        begun = time.monotonic()
        try:
            message = await within(max(self._patience_s - self._waited_s, 0.001), self._receive())
        except TimeoutError:
            raise BodyTimeout(
                f"less than {_LEAST_BYTES} bytes of the body came within {self._patience_s:g} s",
                hint="send it faster; nothing was kept",
            ) from None
        self._waited_s += time.monotonic() - begun
        self._came += len(message.get("body", b""))
        if self._came >= _LEAST_BYTES:
            self._waited_s, self._came = 0.0, 0
        return message


async def _take(arriving: Arriving, store: FileStore, upload: Upload) -> None:
    """Write a body as it comes: while one portion is hashed and written, the next one is gathered."""
    writing: asyncio.Future[None] | None = None
    try:
        while not arriving.is_over:
            parts = await arriving.portion()
            store.came(sum(map(len, parts)))
            if writing is not None:
                await writing
            writing = asyncio.ensure_future(upload.write(parts))
        if writing is not None:
            await writing
    except BaseException:
        if writing is not None:
            await asyncio.wait([writing])
            if not writing.cancelled():
                writing.exception()  # of two failures the first one is told
        raise
