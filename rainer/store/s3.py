"""Objects in S3 and in whatever else speaks its protocol."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote

from rainer.errors import InvalidUri, ObjectExists, ObjectNotFound, RainerError, StoreUnavailable
from rainer.store.http_answer import HttpAnswer
from rainer.store.http_connect import Origin
from rainer.store.http_pool import HttpPool
from rainer.store.http_reading import info_of, range_headers, reading_of
from rainer.store.http_wire import Connection
from rainer.store.s3_access import AbsentError, Access, names_for, need_botocore
from rainer.store.s3_errors import Fault, denied, fault_of, fault_of_client_error
from rainer.store.store import SAFE, Ahead, ObjectInfo, Progress, Reading, Store
from rainer.store.tls import Tls

T = TypeVar("T")
_BUCKET: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")
PAGE_OBJECTS: Final = 1_000
_REGION: Final = "x-amz-bucket-region"
_CONFLICTS: Final = {"ConditionalRequestConflict", "OperationAborted"}
_EXPIRED: Final = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
_CONFLICT_PAUSES_S: Final = (0.1, 0.5, 2.0)


class S3Store(Store):
    """A bucket, or what is below a prefix in it, of S3 or a compatible server.

    `credentials` names what to try, in order, where one is missing or refused: `default` (alone, if nothing is named:
    the chain of botocore, with its environment variables and files), `env`, `profile:NAME`, `anonymous`; names for
    stores of other kinds are passed over, and what worked is tried first from then on. Region and endpoint come from
    the same places (AWS_REGION, AWS_ENDPOINT_URL_S3, profiles) unless given; a bucket that says that it lives
    elsewhere is asked there. `timeout_s` is how long the
    server may send nothing. The SHA-256 of objects that this store put is kept as the metadata `sha256`.
    """

    def __init__(
        self, url: str, *, credentials: Sequence[str] = (), timeout_s: float = 60.0, endpoint_url: str | None = None,
        region: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(url)
        self.bucket = self.url[5:].partition("/")[0]
        if not self.url.lower().startswith("s3://") or not _BUCKET.fullmatch(self.bucket):
            raise InvalidUri(f"{url!r} names no bucket", hint="such as s3://bucket or s3://bucket/prefix")
        self._names = names_for(credentials)
        self._given = (region, endpoint_url, timeout_s)
        self._here: _Here | None = None

    def __repr__(self) -> str:
        return f"S3Store({self.url!r})"

    def open(
        self, uri: str, *, start: int = 0, end: int | None = None, if_none_match: str | None = None,
        if_match: str | None = None,
    ) -> Reading | None:  # fmt: skip
        headers = range_headers(start, end, if_none_match, if_match)
        answer = self._ask("GET", uri, headers, {})
        return reading_of(answer, uri, start, end, if_none_match, if_match)

    def ahead(self, uri: str) -> Ahead | None:
        here = self._in_process()
        try:
            path = "/" + quote(self._key(uri), safe=SAFE)
            sent = here.send_ahead(here.access(here.chosen), path)
        except (AbsentError, RainerError):
            return None
        return None if sent is None else _Ahead(self, uri, sent)

    def answer_ahead(self, uri: str, sent: Connection) -> Reading | None:
        """What `open` gives, from the connection over which it was asked for already."""
        return reading_of(self._ask("GET", uri, {}, {}, sent), uri)

    def head(self, uri: str) -> ObjectInfo:
        with self._ask("HEAD", uri, {}, {"x-amz-checksum-mode": "ENABLED"}) as answer:
            return info_of(answer, uri)

    def put(
        self, uri: str, source: Path | bytes, *, sha256: str | None = None, create_only: bool = False,
        progress: Progress | None = None,
    ) -> ObjectInfo:  # fmt: skip
        import random

        from rainer.store.s3_upload import PART_BYTES, Told, Upload, digest_of, put_bytes, put_parts

        digest = sha256 or digest_of(source)
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if create_only and size > PART_BYTES and self._exists(uri):
            raise ObjectExists(f"{uri} exists already", hint="objects like it are written once: take another name")

        told = Told(progress)

        def send(client: Any) -> str | None:
            upload = Upload(client, self.bucket, self._key(uri), digest, create_only)
            if isinstance(source, bytes):
                return put_bytes(upload, source, told.tell)
            if size <= PART_BYTES:
                return put_bytes(upload, source.read_bytes(), told.tell)
            with source.open("rb") as file:
                return put_parts(upload, file.fileno(), size, told.tell)

        for pause_s in (*_CONFLICT_PAUSES_S, None):
            try:
                return ObjectInfo(uri, size, self._do(uri, send), digest)
            except ObjectExists as e:
                return self._put_by_ourselves(uri, digest, e)
            except _ConflictError:
                told.take_back()
                if pause_s is None:
                    raise
                time.sleep(pause_s * random.uniform(0.5, 1.0))
        raise AssertionError("unreachable")

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        root = unquote(self.url[5 + len(self.bucket) + 1 :])
        root = f"{root}/" if root else ""

        more: dict[str, str] = {}
        while True:

            def page(client: Any, more: dict[str, str] = more) -> dict[str, Any]:
                found: dict[str, Any] = client.list_objects_v2(
                    Bucket=self.bucket, Prefix=root + prefix, MaxKeys=PAGE_OBJECTS, **more
                )
                return found

            found = self._do(self.url, page)
            for entry in found.get("Contents", ()):
                uri = self.uri(entry["Key"][len(root) :])
                yield ObjectInfo(uri, entry["Size"], entry.get("ETag"), None, entry["LastModified"])
            if not found.get("IsTruncated"):
                return
            more = {"ContinuationToken": found["NextContinuationToken"]}

    def delete(self, uri: str) -> bool:
        if not self._exists(uri):
            return False
        self._do(uri, lambda client: client.delete_object(Bucket=self.bucket, Key=self._key(uri)))
        return True

    def close(self) -> None:
        here, self._here = self._here, None
        if here is not None and here.pid == os.getpid():
            here.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_here": None}

    def _put_by_ourselves(self, uri: str, digest: str, error: ObjectExists) -> ObjectInfo:
        """What is there may be what we put, if botocore sent it again because the first answer was lost."""
        response = getattr(error.__cause__, "response", {})
        if not response.get("ResponseMetadata", {}).get("RetryAttempts"):
            raise error
        info = self.head(uri)
        if info.sha256 != digest:
            raise error
        return info

    def _exists(self, uri: str) -> bool:
        try:
            self.head(uri)
        except ObjectNotFound:
            return False
        return True

    def _key(self, uri: str) -> str:
        if not self.covers(uri):
            self.name(uri)  # raises
        return unquote(uri[5 + len(self.bucket) + 1 :])

    def _in_process(self) -> _Here:
        here = self._here
        if here is None or here.pid != os.getpid():
            here = self._here = _Here(self._names, self.bucket, *self._given)
        return here

    def _ask(
        self, method: str, uri: str, headers: dict[str, str], extra: dict[str, str], sent: Connection | None = None
    ) -> HttpAnswer:
        """The answer to one of the credentials that is none of refusal."""
        path = "/" + quote(self._key(uri), safe=SAFE)
        here = self._in_process()
        reasons = []
        for name in here.in_order():
            try:
                asked, sent = sent, None
                answer = here.send(here.access(name), method, path, headers, extra, uri, asked)
            except AbsentError as e:
                reasons.append((name, str(e)))
                continue
            if answer.status < 300 or answer.status in (304, 416):
                here.chosen = name
                return answer
            fault = fault_of(answer)
            if not fault.is_denial:
                raise _read_error(fault, uri)
            here.refused(name, fault)
            reasons.append((name, str(fault)))
        raise denied(uri, reasons)

    def _do(self, uri: str, work: Callable[[Any], T]) -> T:
        """What botocore's client does with one of the credentials."""
        need_botocore()
        from botocore.exceptions import BotoCoreError, ClientError

        here = self._in_process()
        reasons = []
        for name in here.in_order():
            try:
                done = work(here.access(name).client())
            except AbsentError as e:
                reasons.append((name, str(e)))
            except ClientError as e:
                fault = fault_of_client_error(e.response)  # type: ignore[arg-type]
                if fault.code in _CONFLICTS:
                    raise _ConflictError(f"{uri} is being written by somebody else ({fault})", hint="try again") from e
                if not fault.is_denial:
                    raise fault.error(uri) from e
                here.refused(name, fault)
                reasons.append((name, str(fault)))
            except BotoCoreError as e:
                raise StoreUnavailable(f"{uri}: {e}", hint="look whether the store is well, and try again") from e
            else:
                here.chosen = name
                return done
        raise denied(uri, reasons)


def _read_error(fault: Fault, uri: str) -> RainerError:
    if fault.status == 412:
        return ObjectNotFound(f"{uri} is no longer what it was", hint="read it anew")
    return fault.error(uri)


class _Ahead(Ahead):
    """A GET that was sent."""

    def __init__(self, store: S3Store, uri: str, sent: Connection) -> None:
        self._store, self._uri = store, uri
        self._sent: Connection | None = sent

    def open(self) -> Reading | None:
        sent, self._sent = self._sent, None
        return self._store.open(self._uri) if sent is None else self._store.answer_ahead(self._uri, sent)

    def close(self) -> None:
        sent, self._sent = self._sent, None
        if sent is not None:
            sent.close()


class _ConflictError(StoreUnavailable):
    """A put on condition met another put or a delete: S3 says neither yes nor no, and wants to be asked again."""


class _Here:
    """What one process has of a bucket: connections, credentials, and those of them that worked last."""

    def __init__(
        self, names: Sequence[str], bucket: str, region: str | None, endpoint_url: str | None, timeout_s: float
    ) -> None:
        self.pid = os.getpid()
        self.chosen = names[0]
        self._names = names
        self._given = (bucket, region, endpoint_url, timeout_s)
        self._lock = threading.Lock()
        self._made: dict[str, Access] = {}
        self._pool: HttpPool | None = None

    def in_order(self) -> list[str]:
        """The names of credentials, those that worked last first."""
        chosen = self.chosen
        return [chosen, *(name for name in self._names if name != chosen)]

    def access(self, name: str) -> Access:
        """The access of that name. Raises AbsentError."""
        made = self._made.get(name)
        if made is None:
            with self._lock:
                made = self._made[name] = self._made.get(name) or Access(name, *self._given)
        return made

    def refused(self, name: str, fault: Fault) -> None:
        """The credentials of that name did not do: the next call finds those that were renewed meanwhile."""
        if fault.code in _EXPIRED:
            self.access(name).forget()

    def send_ahead(self, access: Access, path: str) -> Connection | None:
        """Ask for an object, and look at the answer later."""

        def sign(method: str, _origin: Origin, target: str) -> dict[str, str]:
            return access.headers(method, target, {})

        return self._connections(access).send_ahead(access.origin, access.path + path, sign)

    def send(
        self, access: Access, method: str, path: str, headers: dict[str, str], extra: dict[str, str], uri: str,
        sent: Connection | None = None,
    ) -> HttpAnswer:  # fmt: skip
        """Ask once; in the bucket's own region, if it says that it lives elsewhere. Raises AbsentError."""
        answer = self._send(access, method, path, headers, extra, uri, sent)
        region = answer.headers.get(_REGION)
        if answer.status in (301, 307, 400) and region and region != access.region:
            answer.close()
            access.set_region(region)
            answer = self._send(access, method, path, headers, extra, uri)
        if method == "HEAD" and answer.status in (400, 403):
            # An answer to HEAD has no body, and so does not say why: the same question by GET does.
            answer.close()
            answer = self._send(access, "GET", path, range_headers(0, 1), extra, uri)
        return answer

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
        for access in self._made.values():
            access.close()

    def _send(
        self, access: Access, method: str, path: str, headers: dict[str, str], extra: dict[str, str], uri: str,
        sent: Connection | None = None,
    ) -> HttpAnswer:  # fmt: skip
        def sign(method: str, _origin: Origin, target: str) -> dict[str, str]:
            return access.headers(method, target, extra)

        pool, target = self._connections(access), access.path + path
        return pool.request_at(access.origin, target, method, headers, sign=sign, label=uri, sent=sent)

    def _connections(self, access: Access) -> HttpPool:
        pool = self._pool
        if pool is None:
            with self._lock:
                pool = self._pool = self._pool or HttpPool(timeout_s=self._given[3], tls=Tls(access.ca_bundle))
        return pool
