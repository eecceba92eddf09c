"""`GET` and `HEAD` of the server store: a file, a range of it, and the protocol's version."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from rainer.api import store_asking
from rainer.api.answers import matches
from rainer.api.reading import service_of
from rainer.api.store_answers import FileAnswer, file_headers, refused, refusing, sent_headers
from rainer.errors import InvalidError, ObjectNotFound
from rainer.server_store.reading import ContentsReading
from rainer.server_store.rows import ZSTD, StoredFile
from rainer.server_store.terms import PreconditionFailed
from rainer.service.file_store import FileStore

_TRIES = 3


@refusing
async def read_protocol(request: Request) -> Response:
    """`GET /-/store/version/`: which versions of the ancestor's protocol are spoken."""
    _ = service_of(request).store.files
    return Response(b'{"protocol_versions":[2]}', media_type="application/json")


@refusing
async def read_file(request: Request) -> Response:
    """`GET /-/store/files/{path}`: the file's contents, packed by gzip where that helps and the caller takes it."""
    store, name = service_of(request).store, store_asking.name_of(request)
    file = await store.look(store.files.find, name)
    if request.headers.get("if-match") is not None and not _is_among(request.headers["if-match"], file):
        raise PreconditionFailed(f"the file's ETag is {file.etag} now", hint="read it from its beginning")
    if matches(request.headers.get("if-none-match", "").encode("latin-1"), file.etag.encode()):
        return Response(status_code=304, headers=file_headers(file) | {"Vary": "Accept-Encoding"})
    try:
        part = store_asking.range_of(request, file.size, file.etag)
    except ValueError:
        return _beyond(request, file)
    start, end = part or (0, file.size)
    packs = part is None and file.contents is not None and file.contents.coding == ZSTD
    is_gzip = packs and store_asking.accepts_gzip(request)
    if request.method == "HEAD":
        return _head(file, start, end, part is not None, is_gzip)
    file, reading = await _open(store, file, start, end)
    headers = sent_headers(file, is_gzip=is_gzip)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    return FileAnswer(store, name, reading, headers, 200 if part is None else 206, None if is_gzip else end - start)


def _head(file: StoredFile, start: int, end: int, is_part: bool, is_gzip: bool) -> Response:
    headers = sent_headers(file, is_gzip=is_gzip)
    if is_part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    answer = Response(status_code=206 if is_part else 200, headers=headers, media_type="application/octet-stream")
    del answer.headers["content-length"]
    if not is_gzip:  # how long gzip makes it is known when it is made
        answer.headers["Content-Length"] = str(end - start)
    return answer


async def _open(store: FileStore, file: StoredFile, start: int, end: int) -> tuple[StoredFile, ContentsReading]:
    """Begin to read; of the same contents, wherever they lie by now."""
    for _ in range(_TRIES - 1):
        try:
            return file, await store.carry(store.files.open, file, start, end)
        except ObjectNotFound:
            again = await store.look(store.files.find, file.name)
            if again.sha256 != file.sha256:
                raise PreconditionFailed(
                    f"the file got other contents meanwhile: {again.etag}", hint="ask again"
                ) from None
            file = again
    return file, await store.carry(store.files.open, file, start, end)


def _is_among(if_match: str, file: StoredFile) -> bool:
    """Whether an If-Match header names the file; a weak ETag does not, by the standard."""
    return if_match.strip() == "*" or file.etag in (tag.strip() for tag in if_match.split(","))


def _beyond(request: Request, file: StoredFile) -> Response:
    wrong = InvalidError(f"the file has {file.size} bytes, and the range begins beyond them", hint="see Content-Range")
    refusal = refused(wrong, 416)
    refusal.headers.update(file_headers(file) | {"Content-Range": f"bytes */{file.size}"})
    return refusal
