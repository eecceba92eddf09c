"""Answers of the server store: its headers, its problems, and contents sent piece by piece."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import zlib
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from rainer.api.listing import BrokenOff
from rainer.api.problems import problem, status_of
from rainer.errors import ObjectExists, OverloadedError, RainerError, WrongDigest
from rainer.model.headers import encode_text
from rainer.server_store.reading import ContentsReading
from rainer.server_store.rows import StoredFile
from rainer.server_store.terms import PreconditionFailed
from rainer.server_store.versions import format_version
from rainer.service.file_store import FileStore

log = logging.getLogger("rainer.store")
_GZIP_LEVEL: Final = 1
_GZIP: Final = 31
_SLICE_BYTES: Final = 64 * 1024
"""What is sent at once: so much a slow reader must take within its time, or it is taken for gone."""
_STATUS: Final[dict[type[RainerError], int]] = {ObjectExists: 412, PreconditionFailed: 412, WrongDigest: 400}
"""What these mean to who sends a file."""

Endpoint = Callable[[Request], Awaitable[Response]]


def refusing(endpoint: Endpoint) -> Endpoint:
    """Errors as problems, with the sentence also where the ancestor's clients look for it: in X-Exception."""

    @wraps(endpoint)
    async def call(request: Request) -> Response:
        try:
            return await endpoint(request)
        except RainerError as e:
            refusal = refused(e, _STATUS.get(type(e), status_of(e)))
            if request.method == "PUT":  # perhaps there is a body that nobody has read
                refusal.headers["Connection"] = "close"
            return refusal

    return call


def refused(error: RainerError, status: int) -> Response:
    """A problem document, with its sentence in X-Exception, too."""
    refusal = problem(error, status)
    refusal.raw_headers.append((b"x-exception", encode_text(error.message)[0]))
    return refusal


def version_header(file: StoredFile) -> dict[str, str]:
    """The file's version in the ancestor's form."""
    return {"Last-Modified": format_version(file.version_s)}


def file_headers(file: StoredFile) -> dict[str, str]:
    """What every answer says of a file."""
    return version_header(file) | {"ETag": file.etag, "X-Rainer-SHA256": file.sha256.hex()}


def sent_headers(file: StoredFile, *, is_gzip: bool) -> dict[str, str]:
    """What an answer with a file's contents says of it.

    What gzip makes of the same contents may differ from server to server, so then the ETag is a weak one.
    """
    headers = file_headers(file) | {
        "Logical-Size": str(file.size),
        "Accept-Ranges": "bytes",
        "Vary": "Accept-Encoding",
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
        "X-Rainer-Sealed": "yes" if file.is_sealed else "no",
    }
    return headers | ({"Content-Encoding": "gzip", "ETag": f"W/{file.etag}"} if is_gzip else {})


class FileAnswer(Response):
    """A file, or a range of it, on its way to a caller who may go away at any time."""

    def __init__(
        self, store: FileStore, name: str, reading: ContentsReading, headers: dict[str, str], status: int,
        length: int | None,
    ) -> None:  # fmt: skip
        super().__init__(status_code=status, media_type="application/octet-stream", headers=headers)
        del self.headers["content-length"]
        if length is not None:
            self.headers["Content-Length"] = str(length)
        self._store, self._name, self._reading = store, name, reading
        self._next = _gzipped(reading) if length is None else reading.read
        self._size = int(headers["Logical-Size"]) if length is None else length

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            async with self._store.turn(self._size):
                await self._send(receive, send)
        except OverloadedError as e:
            await problem(e)(scope, receive, send)
        finally:
            self._store.end(self._reading.close)

    async def _send(self, receive: Any, send: Any) -> None:
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while not gone.done():
                piece = await self._store.carry(self._next)
                if not piece:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                    break
                for at in range(0, len(piece), _SLICE_BYTES):
                    await send({"type": "http.response.body", "body": piece[at : at + _SLICE_BYTES], "more_body": True})
                self._store.went(len(piece))
        except RainerError as e:
            raise BrokenOff(f"{self._name}: {e}") from e
        finally:
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone


async def _disconnected(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _gzipped(reading: ContentsReading) -> Callable[[], bytes]:
    """Reads pieces and compresses them; runs in a thread."""
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)
    is_over = False

    def read() -> bytes:
        nonlocal is_over
        packed = b""
        while not packed and not is_over:
            piece = reading.read()
            is_over = not piece
            packed = packer.compress(piece) if piece else packer.flush()
        return packed

    return read
