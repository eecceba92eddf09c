"""`az://account/container`: objects in Azure's Blob Storage."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlencode

from rainer.errors import InvalidUri, ObjectNotFound
from rainer.store.az_access import SUFFIX, AbsentError, AzAccess, denied, names_for
from rainer.store.az_client import BLOCK_BYTES, AzClient, DeniedHere, TakenError, exists, quoted, refused, translated
from rainer.store.http_answer import HttpAnswer
from rainer.store.http_connect import Origin
from rainer.store.http_pool import HttpPool
from rainer.store.http_reading import info_of, range_headers, reading_of
from rainer.store.reading import check_digest, digest_of
from rainer.store.store import SAFE, ObjectInfo, Progress, Reading, Store

T = TypeVar("T")
_PLACE: Final = re.compile(r"az://(?:([^/@?]+)@([^/?]+)|([^/@?]+)/([^/?]+))(?:/([^?]*))?", re.IGNORECASE)
_TEXT_BYTES: Final = 4096


class AzStore(Store):
    """A container of an account, or what is below a prefix in it; `az://container@account` means the same place.

    `credentials` are tried in order where one is missing or refused (see AzAccess: `default`, `connection:STRING`,
    `sas:TOKEN`, `key:KEY`, `anonymous`), and what worked is tried first from then on. A shared access signature behind
    the URL, as Azure's portal gives it, is tried before them. `endpoint`, or `?endpoint=URL` behind the URL, names
    another server than the account's at Azure. `timeout_s` is how long the server may send nothing.

    Reads go over our own kept connections, signed here; uploads, lists and deletes over Azure's library, with a client
    for each process. Uploads carry their SHA-256 as metadata `sha256`, and an MD5 of each block, which the server
    checks before anybody sees the blob.
    """

    def __init__(
        self, url: str, *, credentials: Sequence[str] = (), timeout_s: float = 60.0, endpoint: str | None = None
    ) -> None:
        self.account, self.container, prefix = _place(url, url)
        super().__init__(f"az://{self.account}/{self.container}/{prefix}")
        self._prefix = unquote(prefix).rstrip("/") + "/" if prefix.strip("/") else ""
        query = url.partition("?")[2]
        given = endpoint or parse_qs(query).get("endpoint", [None])[0]
        self.endpoint = (given or f"https://{self.account}.blob.{SUFFIX}").rstrip("/")
        signature = [(name, value) for name, value in parse_qsl(query) if name != "endpoint"]
        own = (f"sas:{urlencode(signature)}",) if any(name == "sig" for name, _ in signature) else ()
        self._names = own + names_for(credentials, has_sas=bool(own))
        self._timeout_s = timeout_s
        self._pool = HttpPool(timeout_s=timeout_s)
        self._here: _Here | None = None

    def __repr__(self) -> str:
        return f"AzStore({self.url!r})"

    def covers(self, uri: str) -> bool:
        return super().covers(_canonical(uri))

    def name(self, uri: str) -> str:
        return super().name(_canonical(uri))

    def open(
        self, uri: str, *, start: int = 0, end: int | None = None, if_none_match: str | None = None,
        if_match: str | None = None,
    ) -> Reading | None:  # fmt: skip
        headers = range_headers(start, end, if_none_match, if_match)
        return reading_of(self._ask("GET", uri, headers), uri, start, end, if_none_match, if_match)

    def head(self, uri: str) -> ObjectInfo:
        with self._ask("HEAD", uri, {}) as answer:
            return info_of(answer, self.uri(self.name(uri)))

    def put(
        self, uri: str, source: Path | bytes, *, sha256: str | None = None, create_only: bool = False,
        progress: Progress | None = None,
    ) -> ObjectInfo:  # fmt: skip
        key = self._key(uri)
        digest, size = digest_of(source)
        check_digest(uri, digest, sha256)
        if create_only and size > BLOCK_BYTES and self._exists(uri):
            raise exists(uri)  # before much is sent in vain

        def send(client: AzClient) -> tuple[str, Any]:
            return client.upload(key, source, size, digest, create_only, progress)

        try:
            etag, mtime = self._do(uri, send)
        except TakenError:
            raise exists(uri) from None
        return ObjectInfo(self.uri(self.name(uri)), size, etag, digest, mtime)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        listing: list[Iterator[Any]] = []

        def first(client: AzClient) -> Any:
            listing[:] = [client.pages(self._prefix + prefix)]
            return next(listing[0], None)

        page = self._do(self.url, first)
        while page is not None:
            for blob in page:
                digest = (blob.metadata or {}).get("sha256")
                name = blob.name[len(self._prefix) :]
                yield ObjectInfo(self.uri(name), blob.size, quoted(blob.etag), digest, blob.last_modified)
            page = self._do(self.url, lambda _client: next(listing[0], None))

    def delete(self, uri: str) -> bool:
        key = self._key(uri)
        try:
            self._do(uri, lambda client: client.delete(key))
        except ObjectNotFound:
            return False
        return True

    def close(self) -> None:
        self._pool.close()
        here, self._here = self._here, None
        if here is not None and here.pid == os.getpid():
            here.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_here": None}

    def _key(self, uri: str) -> str:
        name = self.name(uri)
        if not name:
            raise InvalidUri(f"{uri!r} names no object", hint=f"add a name to {self.url}/")
        return self._prefix + name

    def _exists(self, uri: str) -> bool:
        try:
            self.head(uri)
        except ObjectNotFound:
            return False
        return True

    def _ask(self, method: str, uri: str, headers: dict[str, str]) -> HttpAnswer:
        """The answer to one of the credentials that is no refusal."""
        path = f"/{self.container}/{quote(self._key(uri), safe=SAFE)}"

        def ask(one: _One) -> HttpAnswer:
            def sign(method: str, _origin: Origin, target: str) -> dict[str, str]:
                return one.access.headers(method, target, headers)

            answer = self._pool.request(method, one.access.target(path), headers, sign=sign, label=uri)
            if answer.status < 300 or answer.status in (304, 416):
                return answer
            with answer:
                code = answer.headers.get("x-ms-error-code", str(answer.status))
                text = answer.read(_TEXT_BYTES).decode("utf-8", "replace")
            raise refused(uri, answer.status, code, _message(text) or code)

        return self._try(uri, ask)

    def _do(self, uri: str, work: Callable[[AzClient], T]) -> T:
        """What Azure's library does with one of the credentials."""

        def do(one: _One) -> T:
            try:
                return work(one.client)
            except (AbsentError, TakenError):
                raise
            except Exception as error:
                raise translated(uri, error) from error

        return self._try(uri, do)

    def _try(self, uri: str, work: Callable[[_One], T]) -> T:
        here, reasons, absent = self._in_process(), [], None
        for one in here.in_order():
            try:
                done = work(one)
            except (AbsentError, DeniedHere) as error:
                reasons.append((one.access.shown, str(error)))
            except ObjectNotFound as error:
                if one.access.kind != "anonymous":
                    raise
                # To a stranger Azure says "not found" for "not for you" too.
                reasons.append((one.access.shown, "not found, or not public"))
                absent = error
            else:
                here.chosen = one
                return done
        if absent is not None:
            raise absent
        raise denied(uri, reasons)

    def _in_process(self) -> _Here:
        here = self._here
        if here is None or here.pid != os.getpid():
            accesses = [AzAccess(name, self.account, self.endpoint) for name in self._names]
            ones = [_One(access, AzClient(access, self.container, self._timeout_s)) for access in accesses]
            here = self._here = _Here(ones, ones[0])
        return here


@dataclass
class _One:
    """One of the credentials in one process, and Azure's client with it."""

    access: AzAccess
    client: AzClient


@dataclass
class _Here:
    """The credentials in one process, and which of them worked last. A child has its own."""

    ones: list[_One]
    chosen: _One
    pid: int = field(default_factory=os.getpid)

    def in_order(self) -> list[_One]:
        chosen = self.chosen
        return [chosen, *(one for one in self.ones if one is not chosen)]

    def close(self) -> None:
        for one in self.ones:
            one.client.close()
            one.access.close()


def _place(url: str, shown: str) -> tuple[str, str, str]:
    found = _PLACE.match(url)
    if found is None:
        hint = "such as az://account/container or az://container@account/prefix"
        raise InvalidUri(f"{shown.partition('?')[0]!r} names no account and container", hint=hint)
    return found[3] or found[2], found[4] or found[1], found[5] or ""


def _canonical(uri: str) -> str:
    """A URI in the form that begins with the account; what is none of ours stays as it is."""
    found = _PLACE.fullmatch(uri)
    if found is None or not found[1]:
        return uri
    return f"az://{found[2]}/{found[1]}" + ("" if found[5] is None else f"/{found[5]}")


def _message(text: str) -> str:
    found = re.search(r"<Message>([^<]*)", text)
    return " ".join(found[1].split())[:300] if found else ""
