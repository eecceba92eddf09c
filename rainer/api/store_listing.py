"""Lists of the server store: the ancestor's plain lines, and JSON lines with what is known of each file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from rainer import limits
from rainer.api import asking, store_asking
from rainer.api.listing import BrokenOff
from rainer.api.needs import asker_of
from rainer.api.reading import service_of, with_headers
from rainer.api.store_answers import refusing
from rainer.errors import InvalidError, RainerError
from rainer.model import times
from rainer.model.key_set import KeySet
from rainer.model.names import shorten
from rainer.model.policy import STORE
from rainer.server_store.names import check_name, check_prefix
from rainer.server_store.rows import StoredFile
from rainer.service.file_store import FileStore

_PORTION: Final = 2_000


@refusing
async def list_folder(request: Request) -> Response:
    """`GET /-/store/list/{path}?last_modified=`: the files below a folder, a relative path each line."""
    store, newest_s = service_of(request).store, store_asking.newest_listed(request)
    readable = asker_of(request).readable(STORE)
    folder = store_asking.path_of(request).strip("/")
    prefix = check_name(folder) + "/" if folder else ""
    first = await store.look(store.files.table.listed, prefix, "", _PORTION, newest_s)
    if folder and not first and folder in readable and await store.look(store.files.table.find, folder) is not None:
        raise InvalidError(f"{shorten(folder)} is a file, and no folder", hint="list the folder that it is in")

    def encoded(found: list[StoredFile]) -> bytes:
        return b"".join(file.name[len(prefix) :].encode() + b"\n" for file in found if file.name in readable)

    return _lines(store, prefix, first, newest_s, encoded, "text/plain")


@refusing
async def list_names(request: Request) -> Response:
    """`GET /-/store/names`: name, size, SHA-256, version and seal of files, one JSON object a line, in byte order.

    All of them, or with `limit` a page whose Link header leads to the next; files that the asker may not read are left
    out of either.
    """
    store = service_of(request).store
    prefix, after = (check_prefix(request.query_params.get(name, "")) for name in ("prefix", "after"))
    limit = asking.number(request, "limit", None, 1, limits.LIST_PAGE_MAX)
    listed = store.files.table.listed
    readable = asker_of(request).readable(STORE)
    encoded = partial(_encoded, readable)
    if limit is None:
        first = await store.look(listed, prefix, after, _PORTION)
        return _lines(store, prefix, first, None, encoded, "application/x-ndjson")
    found: list[StoredFile] = []
    more = True
    while more and len(found) <= limit:  # the link must not name a file that the asker may not read
        portion = await store.look(listed, prefix, after, limit + 1)
        found += [file for file in portion if file.name in readable]
        more = len(portion) > limit
        after = portion[-1].name if portion else after
    page = found[:limit]
    answer = Response(encoded(page), media_type="application/x-ndjson", headers={"Cache-Control": "no-cache"})
    return with_headers(answer, [_next_link(request, page[-1].name)]) if len(found) > limit else answer


def _encoded(readable: KeySet, found: list[StoredFile]) -> bytes:
    return b"".join(
        orjson.dumps(
            {
                "name": file.name,
                "size": file.size,
                "sha256": file.sha256.hex(),
                "mtime": times.format_iso(file.version_s * 1000),
                "sealed": file.is_sealed,
            }
        )
        + b"\n"
        for file in found
        if file.name in readable
    )


def _lines(
    store: FileStore, prefix: str, first: list[StoredFile], newest_s: int | None,
    encode: Callable[[list[StoredFile]], bytes], media_type: str,
) -> Response:  # fmt: skip
    """Files in portions, each read when the one before is sent; what is put meanwhile may be among them or not."""

    async def body() -> AsyncIterator[bytes]:
        found = first
        while found:
            yield encode(found)
            if len(found) < _PORTION:
                return
            try:
                found = await store.look(store.files.table.listed, prefix, found[-1].name, _PORTION, newest_s)
            except RainerError as e:
                raise BrokenOff(str(e)) from e

    headers = {"Cache-Control": "no-cache"}
    if len(first) < _PORTION:
        return Response(encode(first), media_type=media_type, headers=headers)
    return StreamingResponse(body(), media_type=media_type, headers=headers)


def _next_link(request: Request, after: str) -> tuple[bytes, bytes]:
    query = dict(request.query_params) | {"after": after}
    return asking.next_link(request, query)
