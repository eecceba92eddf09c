"""Uploads into Google Cloud Storage: in one request up to 16 MiB, else in pieces that a break does not undo."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

from rainer.errors import InvalidError, StoreUnavailable, WrongDigest
from rainer.limits import MiB
from rainer.store.http_answer import HttpAnswer
from rainer.store.reading import BUFFER_BYTES, opened
from rainer.store.store import Progress

PIECE_BYTES: Final = 16 * MiB
"""A multiple of 256 KiB, as the protocol demands."""
ANSWER_BYTES_MAX: Final = 1 * MiB
_PERSISTED: Final = re.compile(r"bytes=0-(\d+)")

Send: TypeAlias = Callable[[str, str, dict[str, str], bytes | Callable[[], Iterable[bytes]]], HttpAnswer]
"""Sends a request: method, URL or target, headers, body; returns the answer that is no refusal."""


@dataclass(frozen=True)
class Contents:
    """What is to be uploaded, read once beforehand: the server refuses, before it shows anything, other bytes."""

    source: Path | bytes
    size: int
    sha256: str
    md5: str

    @classmethod
    def of(cls, source: Path | bytes) -> Contents:
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        with opened(source) as file:
            while data := file.read(BUFFER_BYTES):
                sha256.update(data)
                md5.update(data)
                size += len(data)
        return cls(source, size, sha256.hexdigest(), base64.b64encode(md5.digest()).decode())

    def portions(self, start: int, end: int) -> Iterator[bytes]:
        with opened(self.source) as file:
            file.seek(start)
            while start < end:
                data = file.read(min(BUFFER_BYTES, end - start))
                if not data:
                    raise InvalidError(f"{self.source!s} was cut while it was uploaded", hint="try again")
                start += len(data)
                yield data


class Upload:
    """One upload of an object; `token` is told to the server with it, and so tells whose object it is."""

    def __init__(self, send: Send, path: str, key: str, contents: Contents, progress: Progress | None) -> None:
        self.token = secrets.token_hex(16)
        self._send = send
        self._path = path
        self._contents = contents
        self._progress = progress
        self._told = 0
        self._resource = {
            "name": key,
            "md5Hash": contents.md5,
            "metadata": {"sha256": contents.sha256, "rainer-put": self.token},
        }

    def run(self, create_only: bool) -> dict[str, Any]:
        """Upload, and return what the server says of the object; it has all our bytes then."""
        query = {"ifGenerationMatch": "0"} if create_only else {}
        if self._contents.size <= PIECE_BYTES:
            return self._at_once(query)
        return self._in_pieces(query)

    def _at_once(self, query: dict[str, str]) -> dict[str, Any]:
        mark = secrets.token_hex(16)
        resource = json.dumps(self._resource)
        head = (
            f"--{mark}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{resource}\r\n"
            f"--{mark}\r\nContent-Type: application/octet-stream\r\n\r\n"
        ).encode()
        tail, size = f"\r\n--{mark}--\r\n".encode(), self._contents.size

        def body() -> Iterator[bytes]:
            yield head
            yield from self._told_portions(0, size)
            yield tail

        headers = {
            "Content-Type": f"multipart/related; boundary={mark}",
            "Content-Length": str(len(head) + size + len(tail)),
        }
        target = f"{self._path}?{urlencode({'uploadType': 'multipart', **query})}"
        return _resource_of(self._send("POST", target, headers, body))

    def _in_pieces(self, query: dict[str, str]) -> dict[str, Any]:
        size = self._contents.size
        headers = {"Content-Type": "application/json; charset=UTF-8", "X-Upload-Content-Length": str(size)}
        query = {"uploadType": "resumable", "name": str(self._resource["name"]), **query}
        target = f"{self._path}?{urlencode(query)}"
        with self._send("POST", target, headers, json.dumps(self._resource).encode()) as answer:
            place = answer.headers.get("location")
        if not place:
            raise StoreUnavailable(f"{self._path}: the server names no place for the upload", hint="try again")
        at = 0
        while True:
            end = min(size, at + PIECE_BYTES)
            with self._send("PUT", place, self._piece_headers(at, end), self._piece(at, end)) as answer:
                if answer.status != 308:
                    return _resource_of(answer)
                reached = _PERSISTED.fullmatch(answer.headers.get("range", ""))
            kept = int(reached[1]) + 1 if reached else 0
            if not at < kept <= end:
                raise StoreUnavailable(f"{self._path}: the server kept {kept} of {end} bytes", hint="try again")
            at = kept

    def _piece_headers(self, at: int, end: int) -> dict[str, str]:
        return {"Content-Length": str(end - at), "Content-Range": f"bytes {at}-{end - 1}/{self._contents.size}"}

    def _piece(self, at: int, end: int) -> Callable[[], Iterable[bytes]]:
        return lambda: self._told_portions(at, end)

    def _told_portions(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes on their way; those sent again are first taken back."""
        self._tell(start - self._told)
        for portion in self._contents.portions(start, end):
            yield portion
            self._tell(len(portion))

    def _tell(self, count: int) -> None:
        self._told += count
        if self._progress is not None and count:
            self._progress(count)


def check_stored(uri: str, contents: Contents, stored: dict[str, Any]) -> None:
    """Compare what the server says it stored; raises WrongDigest. An emulator need not have done so itself."""
    if stored.get("md5Hash", contents.md5) != contents.md5 or int(stored.get("size", contents.size)) != contents.size:
        raise WrongDigest(
            f"{uri}: {stored.get('size')} bytes of MD5 {stored.get('md5Hash')} were stored, {contents.size} of"
            f" {contents.md5} were sent",
            hint="what lies between altered them; the object was removed, upload it again",
        )


def _resource_of(answer: HttpAnswer) -> dict[str, Any]:
    with answer:
        try:
            resource: dict[str, Any] = json.loads(answer.read(ANSWER_BYTES_MAX))
        except ValueError as error:
            raise StoreUnavailable(f"{answer.label}: what came is no JSON", hint="look at the endpoint") from error
    return resource
