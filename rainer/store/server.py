"""A Rainer server's own store, `http://host/-/store`, as a place of objects."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

from rainer import errors, limits
from rainer.errors import ConflictError, InvalidUri, ObjectExists, ObjectNotFound, RainerError, StoreUnavailable
from rainer.store.http_answer import HttpAnswer
from rainer.store.http_connect import Origin, split_url
from rainer.store.http_pool import HttpPool
from rainer.store.http_reading import info_of, range_headers, reading_of, refusal, shown
from rainer.store.http_wire import Body
from rainer.store.proving import authorization_of, without_proof
from rainer.store.store import SAFE, ObjectInfo, Progress, Reading, Store
from rainer.store.tls import Tls

_ROOT: Final = "/-/store"
_FILES: Final = "files/"
_PIECE_BYTES: Final = 256 * 1024
_NEWEST: Final = "Fri, 31 Dec 9999 23:59:59 -0000"
_TEXT_BYTES_MAX: Final = 64 * 1024
_TRIES: Final = 4


class ServerStore(Store):
    """The files of a Rainer server, or those below a folder of them: `http://host/-/store[/files/FOLDER]`.

    A URI is the file's own URL, `http://host/-/store/files/NAME`, which any client of HTTP can read; one without
    `files/` is understood too. What is put with `create_only` is sealed: neither a put without it nor a client of
    filetracker changes or deletes it, and putting the same contents again is no error. `delete` removes sealed ones
    too. Other puts and deletes have no regard to versions: they replace and remove whatever is there.

    A user and password in `url`, or a token in its path (`http://host/-/t/TOKEN/-/store`) or beside it, go with every
    request, and into no URI: those are written down in many places. `tls` is whom HTTPS trusts, and what it shows.
    """

    def __init__(self, url: str, *, token: str | None = None, timeout_s: float = 60.0, tls: Tls | None = None) -> None:
        super().__init__(without_proof(url))
        home, _ = split_url(url)
        root, found, below = self.url.partition(_ROOT)
        if not found or (below and not below.startswith("/")):
            raise InvalidUri(f"{shown(url)} is no server's store", hint="such a URL is http://localhost:8080/-/store")
        self._root = root + _ROOT
        folder = unquote((below.lstrip("/") + "/").removeprefix(_FILES).strip("/"))
        self._prefix = folder + "/" if folder else ""
        self._pool = HttpPool(timeout_s=timeout_s, tls=tls, home=home)
        self._proof = authorization_of(url, token)

    def __repr__(self) -> str:
        return f"ServerStore({shown(self.url)!r})"

    def covers(self, uri: str) -> bool:
        bare = without_proof(uri)
        return bare.startswith(self._root + "/") and self._full_name(bare).startswith(self._prefix)

    def uri(self, name: str) -> str:
        return f"{self._root}/{_FILES}{quote(self._prefix + name.lstrip('/'), safe=SAFE)}"

    def name(self, uri: str) -> str:
        if not self.covers(uri):
            raise InvalidUri(f"{shown(uri)} is not below {shown(self.url)}", hint=f"such a URI is {self.uri('a/b')}")
        return self._full_name(uri)[len(self._prefix) :]

    def open(
        self, uri: str, *, start: int = 0, end: int | None = None, if_none_match: str | None = None,
        if_match: str | None = None,
    ) -> Reading | None:  # fmt: skip
        answer = self._ask("GET", uri, range_headers(start, end, if_none_match, if_match))
        return reading_of(answer, uri, start, end, if_none_match, if_match, refuse=_refusal)

    def head(self, uri: str) -> ObjectInfo:
        with self._ask("HEAD", uri) as answer:
            if answer.status != 200:
                raise refusal(answer, uri)
            return info_of(answer, uri)

    def put(
        self, uri: str, source: Path | bytes, *, sha256: str | None = None, create_only: bool = False,
        progress: Progress | None = None,
    ) -> ObjectInfo:  # fmt: skip
        sending = _Sending(source, progress)
        headers = {"Content-Length": str(sending.size), "Content-Type": "application/octet-stream"}
        if sha256 is not None:
            headers["SHA256-Checksum"] = sha256
        if create_only:
            headers["X-Rainer-Create-Only"] = "yes"
        version = formatdate(time.time())
        for _ in range(_TRIES):
            with self._ask("PUT", uri, headers, {"last_modified": version}, sending.body()) as answer:
                if answer.status != 200:
                    raise _refusal(answer, uri)
                info = info_of(answer, uri)
                if info.sha256 == (sha256 or sending.sha256):
                    return ObjectInfo(uri, sending.size, info.etag, info.sha256, info.mtime)
                # What is there has a version from the future; of equal versions the later put counts.
                version = answer.headers.get("last-modified", _NEWEST)
        raise ConflictError(f"{shown(uri)} is being changed by others all the time", hint="try again")

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        after = ""
        while True:
            query = {"prefix": self._prefix + prefix, "after": after, "limit": str(limits.LIST_PAGE_MAX)}
            found = self._page({name: text for name, text in query.items() if text})
            for entry in found:
                yield self._listed(entry)
            if len(found) < limits.LIST_PAGE_MAX:
                return
            after = found[-1]["name"]

    def delete(self, uri: str) -> bool:
        with self._ask("DELETE", uri, {"X-Rainer-Sealed": "yes"}, {"last_modified": _NEWEST}) as answer:
            if answer.status not in (200, 404):
                raise _refusal(answer, uri)
            return answer.status == 200

    def close(self) -> None:
        self._pool.close()

    def _full_name(self, uri: str) -> str:
        return unquote(without_proof(uri)[len(self._root) + 1 :].removeprefix(_FILES))

    def _listed(self, entry: dict[str, Any]) -> ObjectInfo:
        sha256 = entry["sha256"]
        mtime = datetime.fromisoformat(entry["mtime"])
        return ObjectInfo(self.uri(entry["name"][len(self._prefix) :]), entry["size"], f'"{sha256}"', sha256, mtime)

    def _page(self, query: Mapping[str, str]) -> Sequence[dict[str, Any]]:
        url = f"{self._root}/names?{urlencode(query)}"
        with self._pool.request("GET", url, sign=self._prove, label=shown(self.url)) as answer:
            if answer.status != 200:
                raise _refusal(answer, self.url)
            lines = bytearray()
            held = memoryview(bytearray(_PIECE_BYTES))
            while count := answer.readinto(held):
                lines += held[:count]
        try:
            return [json.loads(line) for line in lines.splitlines()]
        except ValueError as e:
            raise StoreUnavailable(f"{shown(self.url)} sends no list: {e}", hint="is it a Rainer server's?") from e

    def _ask(
        self, method: str, uri: str, headers: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None,
        body: Body = None,
    ) -> HttpAnswer:  # fmt: skip
        url = self.uri(self.name(uri)) + (f"?{urlencode(query)}" if query else "")
        return self._pool.request(method, url, headers, body=body, sign=self._prove, label=shown(uri))

    def _prove(self, _method: str, _origin: Origin, _target: str) -> Mapping[str, str]:
        return {"Authorization": self._proof} if self._proof else {}


class _Sending:
    """What is sent: begun anew for each try, and hashed as it goes, so that the answer can be held to it."""

    def __init__(self, source: Path | bytes, progress: Progress | None) -> None:
        self._source, self._progress = source, progress
        self._told = 0
        self.size = len(source) if isinstance(source, bytes) else _size_of(source)
        self.sha256 = hashlib.sha256(source).hexdigest() if isinstance(source, bytes) else ""

    def body(self) -> Callable[[], Iterator[bytes]]:
        return self._pieces

    def _pieces(self) -> Iterator[bytes]:
        if self._told:
            self._tell(-self._told)
        digest = hashlib.sha256()
        for piece in self._read():
            digest.update(piece)
            yield piece
            self._tell(len(piece))
        self.sha256 = digest.hexdigest()

    def _read(self) -> Iterator[bytes]:
        """Exactly as many bytes as were announced: a file that is cut meanwhile breaks the connection off."""
        if isinstance(self._source, bytes):
            yield from (self._source[at : at + _PIECE_BYTES] for at in range(0, self.size, _PIECE_BYTES))
            return
        left = self.size
        with self._source.open("rb") as file:
            while left:
                piece = file.read(min(left, _PIECE_BYTES))
                if not piece:
                    raise errors.InvalidError(f"{self._source} was cut while it was sent", hint="put it again")
                left -= len(piece)
                yield piece

    def _tell(self, count: int) -> None:
        self._told += count
        if self._progress is not None:
            self._progress(count)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as e:
        raise errors.InvalidError(f"{path} cannot be read: {e.strerror}", hint="name a file to put") from e


def _refusal(answer: HttpAnswer, uri: str) -> RainerError:
    """The error that the server names, else the one that its status stands for."""
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return refusal(answer, uri)
    text = answer.read(_TEXT_BYTES_MAX)
    answer.close()
    try:
        told = errors.from_dict(json.loads(text))
    except (ValueError, TypeError, AttributeError):
        return StoreUnavailable(f"{shown(uri)}: the server answers {answer.status}, and not why")
    if isinstance(told, ObjectNotFound):
        return ObjectNotFound(f"{shown(uri)} does not exist", hint="look at the name and at the version in it")
    if answer.status == 412 and not isinstance(told, ObjectExists):
        return ObjectNotFound(f"{shown(uri)} is no longer what it was", hint="read it anew")
    if answer.status >= 500 and type(told) in (errors.UnavailableError, errors.OverloadedError):
        return StoreUnavailable(f"{shown(uri)}: {told.message}", hint=told.hint)
    return told
