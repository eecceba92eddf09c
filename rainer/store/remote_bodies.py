"""Contents on their way to and from a file store: compressed or not, gone on with after a break, cut into lines."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Final

from rainer.errors import StoreUnavailable
from rainer.store.client_files import BUFFER_BYTES, Upload, broke_off, read_chunks
from rainer.store.http_answer import HttpAnswer

_RESUMES_MAX: Final = 5
_WORTH_COMPRESSING: Final = 0.9
"""A file whose beginning does not shrink below this share travels as it is."""
_SMALLEST_TO_COMPRESS: Final = 1_024
_IN_MEMORY_BYTES: Final = 8 * 1024 * 1024
_GZIP: Final = 31


class Contents:
    """The contents that an answer carries; `resume(path, start, etag)` asks for those from a byte on."""

    def __init__(self, path: str, answer: HttpAnswer, resume: Callable[[str, int, str], HttpAnswer]) -> None:
        self._path, self._answer, self._resume = path, answer, resume

    def chunks(self) -> Iterator[bytes]:
        """All of them, asked for again from where they broke off if the server can go on with the same file."""
        headers = self._answer.headers
        if headers.get("content-encoding", "") in ("gzip", "x-gzip"):
            yield from _unpacked(self._path, self._answer)
            return
        etag, done = headers.get("etag", ""), 0
        left = _RESUMES_MAX if etag.startswith('"') and headers.get("accept-ranges") == "bytes" else 0
        while True:
            try:
                for chunk in _received(self._answer):
                    done += len(chunk)
                    yield chunk
                return
            except StoreUnavailable:
                if not left:
                    raise
            left -= 1
            self.close()
            self._answer = self._resume(self._path, done, etag)

    def close(self) -> None:
        """Let go of the connection."""
        self._answer.close()


def lines(answer: HttpAnswer) -> Iterator[str]:
    """The lines of an answer as they come; each must have its end."""
    rest = b""
    for chunk in _received(answer):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode()
    if rest:
        raise StoreUnavailable(f"{answer.label} ended within a line", hint="try again")


@contextmanager
def packed(upload: Upload) -> Iterator[tuple[IO[bytes], int, bool]]:
    """The bytes to send, how many they are and whether they are gzip.

    Compressed ones lie in a temporary file (in memory up to 8 MiB), for an original filetracker wants their length
    before they come.
    """
    with ExitStack() as files:
        source = files.enter_context(upload.source.open("rb"))
        if upload.is_gzip or not _shrinks(source, upload):
            yield source, source.seek(0, 2), upload.is_gzip
            return
        small = files.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES))
        with gzip.GzipFile(fileobj=small, mode="wb", compresslevel=1, mtime=0) as out:
            for chunk in read_chunks(source):
                out.write(chunk)
        yield small, small.tell(), True


def _shrinks(source: IO[bytes], upload: Upload) -> bool:
    if not upload.compress or upload.size < _SMALLEST_TO_COMPRESS:
        return False
    sample = source.read(BUFFER_BYTES)
    source.seek(0)
    return len(zlib.compress(sample, 1)) < _WORTH_COMPRESSING * len(sample)


def pieces(file: IO[bytes], size: int, upload: Upload) -> Callable[[], Iterable[bytes]]:
    """The function that begins to send `size` bytes of a file, for each try anew."""

    def send() -> Iterator[bytes]:
        file.seek(0)
        left, told = size, 0
        while left and (chunk := file.read(min(BUFFER_BYTES, left))):
            yield chunk
            left -= len(chunk)
            if upload.progress is not None:
                # Told in bytes of the contents, whatever form travels.
                now = upload.size * (size - left) // size
                upload.progress(now - told)
                told = now
        if left:
            raise StoreUnavailable(f"{upload.source} became shorter while it was sent", hint="store it again")

    return send


def _received(answer: HttpAnswer) -> Iterator[bytes]:
    buffer = memoryview(bytearray(BUFFER_BYTES))
    while count := answer.readinto(buffer):
        yield bytes(buffer[:count])


def _unpacked(path: str, answer: HttpAnswer) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        for chunk in _received(answer):
            data = chunk
            while data:
                if unpacker.eof:  # a gzip file may have several members
                    unpacker = zlib.decompressobj(_GZIP)
                yield unpacker.decompress(data, BUFFER_BYTES)
                data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        yield unpacker.flush()
    except zlib.error as e:
        raise broke_off(path, e) from None
    if not unpacker.eof:
        raise broke_off(path, "its compressed form has no end")
