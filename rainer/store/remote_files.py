"""Files at a server over filetracker's protocol 2: the server's own store at `/-/store`, or an original filetracker.

Wire facts: contracts of filetracker 2.3.3 (client/remote_data_store.py, servers/files.py). What ours says beyond them
(digests, ranges, conditions, whole lists) is used where it is there and not missed where it is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from email.utils import formatdate, mktime_tz, parsedate_tz
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from rainer.errors import InvalidUri, ObjectNotFound, StoreUnavailable
from rainer.model import times
from rainer.store.client_files import NOTHING, FileEntry, Opened, RemoteFiles, Upload, broke_off, verified
from rainer.store.client_names import VERSION_MAX
from rainer.store.http_answer import HttpAnswer
from rainer.store.http_connect import Origin, origin_of
from rainer.store.http_pool import HttpPool
from rainer.store.http_wire import Body
from rainer.store.proving import authorization_of, without_proof
from rainer.store.remote_bodies import Contents, lines, packed, pieces
from rainer.store.remote_refusals import refusal
from rainer.store.store import shown
from rainer.store.tls import Tls

PROTOCOL: Final = 2
_SMALL_BYTES: Final = 64 * 1024


class HttpFiles(RemoteFiles):
    """The files of the store at `url`. `timeout_s` bounds the wait for a byte, `token` says who asks, `tls` whom HTTPS
    trusts. For threads, forks and pickling.
    """

    def __init__(self, url: str, *, timeout_s: float, token: str | None = None, tls: Tls | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise InvalidUri(f"{shown(url)!r} is no file store's URL", hint="such as http://localhost:8080/-/store")
        self.url = without_proof(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}")
        self._proof = authorization_of(url, token)
        self._pool = HttpPool(timeout_s=timeout_s, tls=tls, home=origin_of(parts, url))
        self._speaks = False

    def open(self, path: str, unless: FileEntry | None = None) -> Opened | FileEntry:
        condition = {"If-None-Match": f'"{unless.sha256}"'} if unless is not None and unless.sha256 else {}
        answer = self._ask("GET", self._url(path), condition)
        if answer.status == 304 and unless is not None:
            answer.close()
            version = _version(answer, unless.version)
            return FileEntry(path, version, unless.size, unless.sha256)
        try:
            self._check(answer, path)
            entry = _entry(path, answer)
            contents = Contents(path, answer, self._resumed)
            return Opened(entry, verified(contents.chunks(), entry, contents.close))
        except BaseException:
            answer.close()
            raise

    def head(self, path: str) -> FileEntry:
        with self._ask("HEAD", self._url(path)) as answer:
            if answer.status not in (401, 403):
                self._check(answer, path)
                return _entry(path, answer)
        # An answer to HEAD has no body, and so does not say why: the same question by GET does.
        with self._ask("GET", self._url(path)) as answer:
            self._check(answer, path)
            return _entry(path, answer)

    def put(self, path: str, upload: Upload) -> int:
        self._negotiate()
        headers = {"SHA256-Checksum": upload.sha256, "Logical-Size": str(upload.size)}
        url = self._url(path, last_modified=formatdate(upload.version, usegmt=True))
        with packed(upload) as (file, size, is_gzip):
            if is_gzip:
                headers["Content-Encoding"] = "gzip"
            headers |= {"Content-Length": str(size)} | _condition(upload.replaces)
            with self._ask("PUT", url, headers, pieces(file, size, upload)) as answer:
                self._check(answer, path)
                return _version(answer, upload.version)

    def delete(self, path: str, version: int) -> None:
        self._negotiate()
        with self._ask("DELETE", self._url(path, last_modified=formatdate(version, usegmt=True))) as answer:
            self._check(answer, path)

    def names(self, folder: str, last_modified: int | None) -> Iterator[str]:
        self._negotiate()
        # Without a cut-off an original server leaves out what its clock calls the future.
        cut = formatdate(VERSION_MAX if last_modified is None else last_modified, usegmt=True)
        url = f"{self.url}/list/{quote(folder)}{'/' if folder else ''}?{urlencode({'last_modified': cut})}"
        prefix = folder + "/" if folder else ""
        with self._ask("GET", url) as answer:
            if answer.status == 400 and answer.headers.get("content-type", "").startswith("text/plain"):
                return  # a folder that is not there, as an original server has it
            self._check(answer, "/" + folder)
            for line in lines(answer):
                yield prefix + line

    def entries(self, folder: str) -> Iterator[FileEntry]:
        self._negotiate()
        prefix = folder + "/" if folder else ""
        with self._ask("GET", f"{self.url}/names?{urlencode({'prefix': prefix})}") as answer:
            if answer.status == 200:
                yield from map(_told, lines(answer))
                return
        for name in self.names(folder, None):
            try:
                yield self.head("/" + name)
            except ObjectNotFound:
                continue  # removed since it was listed

    def close(self) -> None:
        self._pool.close()

    # How it is done.

    def _url(self, path: str, **query: str) -> str:
        return f"{self.url}/files{quote(path)}{'?' + urlencode(query) if query else ''}"

    def _ask(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: Body = None) -> HttpAnswer:
        return self._pool.request(method, url, headers, body=body, sign=self._prove)

    def _prove(self, _method: str, _origin: Origin, _target: str) -> Mapping[str, str]:
        return {"Authorization": self._proof} if self._proof else {}

    def _check(self, answer: HttpAnswer, path: str) -> None:
        """Raise what an answer that is no success stands for."""
        if 200 <= answer.status < 300:
            return
        error = refusal(answer, path)
        if isinstance(error, ObjectNotFound):
            self._negotiate()  # a store that lacks the file, or a URL that is no store's?
        raise error

    def _negotiate(self) -> None:
        """Make sure, once, that the URL is a file store's which speaks our protocol."""
        if self._speaks:
            return
        with self._ask("GET", f"{self.url}/version/") as answer:
            if answer.status >= 500:
                raise StoreUnavailable(f"{self.url} answers {answer.status}", hint="look whether the server is well")
            if answer.status in (401, 403):
                raise refusal(answer, "/")
            try:
                found = json.loads(answer.read(_SMALL_BYTES))["protocol_versions"] if answer.status == 200 else []
            except (ValueError, TypeError, KeyError):
                found = []
        if PROTOCOL not in found:
            what = f"speaks protocol {found}" if found else f"answers {answer.status} when asked for its protocol"
            raise InvalidUri(f"{self.url} {what}, and protocol {PROTOCOL} of file stores is needed",
                             hint="a file store's URL is such as http://localhost:8080/-/store")  # fmt: skip
        self._speaks = True

    def _resumed(self, path: str, start: int, etag: str) -> HttpAnswer:
        answer = self._ask("GET", self._url(path), {"Range": f"bytes={start}-", "If-Match": etag})
        if answer.status == 206 and answer.headers.get("content-range", "").startswith(f"bytes {start}-"):
            return answer
        answer.close()
        raise broke_off(path, "the server does not go on with the same file")


def _entry(path: str, answer: HttpAnswer) -> FileEntry:
    headers = answer.headers
    size = headers.get("logical-size") or (None if headers.get("content-encoding") else headers.get("content-length"))
    version = _version(answer, None)
    return FileEntry(path, version, int(size) if size and size.isdigit() else None, headers.get("x-rainer-sha256"))


def _condition(replaces: FileEntry | None) -> dict[str, str]:
    """The condition that ours heeds; to an original filetracker it is just another header."""
    if replaces is NOTHING:
        return {"If-None-Match": "*"}
    return {"If-Match": f'"{replaces.sha256}"'} if replaces is not None and replaces.sha256 else {}


def _version(answer: HttpAnswer, otherwise: int | None) -> int:
    parts = parsedate_tz(answer.headers.get("last-modified", ""))
    if parts is not None:
        return int(mktime_tz(parts))
    if otherwise is None:
        raise InvalidUri(f"{answer.label} has no Last-Modified, so this is no file store",
                         hint="a file store's URL is such as http://localhost:8080/-/store")  # fmt: skip
    return otherwise


def _told(line: str) -> FileEntry:
    told = json.loads(line)
    return FileEntry("/" + told["name"], times.parse_iso(told["mtime"]) // 1000, int(told["size"]), told["sha256"])
