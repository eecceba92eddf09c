"""`gs://bucket`: objects in Google Cloud Storage."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from rainer.errors import InvalidUri, ObjectExists, ObjectNotFound, StoreUnavailable, WrongDigest
from rainer.limits import MiB
from rainer.store.gs_access import AbsentError, GsAccess, denied, names_for
from rainer.store.gs_upload import PIECE_BYTES, Contents, Upload, check_stored
from rainer.store.http_answer import HttpAnswer
from rainer.store.http_pool import HttpPool
from rainer.store.http_reading import info_of, range_headers, reading_of, refusal
from rainer.store.reading import check_digest
from rainer.store.store import SAFE, ObjectInfo, Progress, Reading, Store

ENDPOINT: Final = "https://storage.googleapis.com"
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_PAGE_BYTES_MAX: Final = 64 * MiB
_FIELDS: Final = "items(name,size,updated,metadata),nextPageToken"

Body = bytes | Callable[[], Iterable[bytes]] | None


class GsStore(Store):
    """A bucket of Google Cloud Storage, or what is below a prefix in it.

    `credentials` are tried in order where one is missing or refused (see GsAccess: `default`, `file:PATH`,
    `bearer:TOKEN`, `anonymous`), and what worked is tried first from then on. `endpoint`, or `?endpoint=URL` behind
    the URL, names another server, such as an emulator; then nobody is asked for credentials unless some are named.
    Google's own library takes the emulator from STORAGE_EMULATOR_HOST; the environment is not read here, so whoever
    wants that hands it on. `timeout_s` is how long the server may send nothing.

    Objects are read over the XML API, as they are stored: what has a Content-Encoding is not unpacked. Put over the
    JSON API, they carry their SHA-256 as metadata `sha256`, and the server checks their MD5 before anybody sees them.
    """

    def __init__(
        self, url: str, *, credentials: Sequence[str] = (), timeout_s: float = 60.0, endpoint: str | None = None
    ) -> None:
        plain, _, query = url.partition("?")
        super().__init__(plain)
        parts = urlsplit(self.url)
        self.bucket = parts.netloc
        if parts.scheme != "gs" or not _BUCKET.fullmatch(self.bucket):
            raise InvalidUri(f"{url!r} names no bucket", hint="such as gs://bucket or gs://bucket/prefix")
        self._prefix = unquote(parts.path[1:]) + "/" if parts.path[1:] else ""
        given = endpoint or parse_qs(query).get("endpoint", [None])[0]
        self.endpoint = (given or ENDPOINT).rstrip("/")
        self._names = names_for(credentials, has_endpoint=given is not None)
        self._pool = HttpPool(timeout_s=timeout_s)
        self._here: _Here | None = None

    def __repr__(self) -> str:
        return f"GsStore({self.url!r})"

    def open(
        self, uri: str, *, start: int = 0, end: int | None = None, if_none_match: str | None = None,
        if_match: str | None = None,
    ) -> Reading | None:  # fmt: skip
        headers = range_headers(start, end, if_none_match, if_match) | _AS_STORED
        answer = self._ask("GET", self._object_url(uri), uri, headers, allowed=(304, 416))
        return reading_of(answer, uri, start, end, if_none_match, if_match)

    def head(self, uri: str) -> ObjectInfo:
        with self._ask("HEAD", self._object_url(uri), uri, _AS_STORED) as answer:
            return info_of(answer, uri)

    def put(
        self, uri: str, source: Path | bytes, *, sha256: str | None = None, create_only: bool = False,
        progress: Progress | None = None,
    ) -> ObjectInfo:  # fmt: skip
        key = self._key(uri)
        contents = Contents.of(source)
        check_digest(uri, contents.sha256, sha256)
        if create_only and contents.size > PIECE_BYTES and self._exists(uri):
            raise _exists(uri)  # before much is sent in vain

        def send(method: str, target: str, headers: dict[str, str], body: Body) -> HttpAnswer:
            url = target if target.startswith("http") else self.endpoint + target
            try:
                return self._ask(method, url, uri, headers, body=body, allowed=(308,))
            except ObjectNotFound as error:
                if method == "PUT":
                    raise StoreUnavailable(f"{uri}: the server forgot the upload", hint="upload it again") from error
                hint = "look at the bucket's name"
                raise ObjectNotFound(f"{uri}: there is no such bucket", hint=hint) from error

        upload = Upload(send, f"/upload/storage/v1/b/{self.bucket}/o", key, contents, progress)
        try:
            stored = upload.run(create_only)
        except _TakenError:
            stored = self._resource(uri)
            if (stored.get("metadata") or {}).get("rainer-put") != upload.token:
                raise _exists(uri) from None
        try:
            check_stored(uri, contents, stored)
        except WrongDigest:
            self._remove(uri, str(stored.get("generation", "")))
            raise
        return ObjectInfo(self.uri(self.name(uri)), contents.size, None, contents.sha256, _mtime(stored))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """All objects whose names begin with `prefix`; without their ETags, as a list has others than reads have."""
        query = {"prefix": self._prefix + prefix, "maxResults": "1000", "fields": _FIELDS}
        while True:
            target = f"{self.endpoint}/storage/v1/b/{self.bucket}/o?{urlencode(query)}"
            page = self._json(target, self.url)
            for item in page.get("items", ()):
                name, digest = item["name"][len(self._prefix) :], (item.get("metadata") or {}).get("sha256")
                yield ObjectInfo(self.uri(name), int(item["size"]), None, digest, _mtime(item))
            if not page.get("nextPageToken"):
                return
            query["pageToken"] = page["nextPageToken"]

    def delete(self, uri: str) -> bool:
        return self._remove(uri, None)

    def close(self) -> None:
        self._pool.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_here": None}

    def _key(self, uri: str) -> str:
        name = self.name(uri)
        if not name:
            raise InvalidUri(f"{uri!r} names no object", hint=f"add a name to {self.url}/")
        return self._prefix + name

    def _object_url(self, uri: str) -> str:
        return f"{self.endpoint}/{self.bucket}/{quote(self._key(uri), safe=SAFE)}"

    def _resource_url(self, uri: str) -> str:
        return f"{self.endpoint}/storage/v1/b/{self.bucket}/o/{quote(self._key(uri), safe='')}"

    def _resource(self, uri: str) -> dict[str, Any]:
        return self._json(self._resource_url(uri), uri)

    def _exists(self, uri: str) -> bool:
        with suppress(ObjectNotFound):
            self.head(uri)
            return True
        return False

    def _remove(self, uri: str, generation: str | None) -> bool:
        url = self._resource_url(uri) + (f"?ifGenerationMatch={generation}" if generation else "")
        with suppress(ObjectNotFound):
            self._ask("DELETE", url, uri, {}).close()
            return True
        return False

    def _json(self, url: str, uri: str) -> dict[str, Any]:
        with self._ask("GET", url, uri, {}) as answer:
            try:
                found: dict[str, Any] = json.loads(answer.read(_PAGE_BYTES_MAX))
            except ValueError as error:
                raise StoreUnavailable(f"{uri}: what came is no JSON", hint="look at the endpoint") from error
        return found

    def _ask(
        self, method: str, url: str, uri: str, headers: dict[str, str], *, body: Body = None,
        allowed: Sequence[int] = (),
    ) -> HttpAnswer:  # fmt: skip
        """The answer to one of the credentials that is no refusal, or one of those allowed."""
        here = self._in_process()
        reasons = []
        for access in here.in_order():
            try:
                answer = self._pool.request(method, url, headers, body=body, sign=access.sign, label=uri)
            except AbsentError as error:
                reasons.append((access.shown, str(error)))
                continue
            if answer.status in (401, 403):
                reasons.append((access.shown, str(refusal(answer, uri))))
                continue
            here.chosen = access
            if answer.status == 412 and method in ("POST", "PUT"):
                answer.close()
                raise _TakenError
            if answer.status < 300 or answer.status in allowed:
                return answer
            raise refusal(answer, uri)
        raise denied(uri, reasons)

    def _in_process(self) -> _Here:
        here = self._here
        if here is None or here.pid != os.getpid():
            accesses = [GsAccess(name) for name in self._names]
            here = self._here = _Here(os.getpid(), accesses, accesses[0])
        return here


@dataclass
class _Here:
    """The credentials in one process, and which of them worked last. A child looks for its own."""

    pid: int
    accesses: list[GsAccess]
    chosen: GsAccess

    def in_order(self) -> list[GsAccess]:
        chosen = self.chosen
        return [chosen, *(access for access in self.accesses if access is not chosen)]


class _TakenError(Exception):
    """An object of that name is there already."""


_AS_STORED: Final = {"Accept-Encoding": "gzip"}  # without it, Google unpacks what is stored as gzip


def _exists(uri: str) -> ObjectExists:
    return ObjectExists(f"{uri} is there already", hint="choose another name, or put without create_only")


def _mtime(resource: dict[str, Any]) -> datetime | None:
    text = resource.get("updated")
    return datetime.fromisoformat(text) if text else None
