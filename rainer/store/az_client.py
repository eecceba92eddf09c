"""What is done by Azure's own library: uploads, lists and deletes, and what its errors mean."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from rainer.errors import (
    InvalidError,
    ObjectExists,
    ObjectNotFound,
    RainerError,
    StoreUnavailable,
    WrongDigest,
    missing_extra,
)
from rainer.limits import MiB
from rainer.store.az_access import AzAccess
from rainer.store.http_reading import refusal_of
from rainer.store.reading import opened, tell
from rainer.store.store import Progress

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties, ContainerClient

BLOCK_BYTES: Final = 8 * MiB
"""A larger object goes in blocks of this size, two at a time; Azure allows 50,000 of them."""
_LIST_PAGE: Final = 1000


class DeniedHere(Exception):
    """These credentials were refused; the text says why."""


class TakenError(Exception):
    """There is a blob of that name already."""


class AzClient:
    """Azure's client of one container with one of the credentials, made when it is first needed, in one process."""

    def __init__(self, access: AzAccess, container: str, timeout_s: float) -> None:
        self._access, self._container, self._timeout_s = access, container, timeout_s
        self._lock = threading.Lock()
        self._made: ContainerClient | None = None

    def close(self) -> None:
        made, self._made = self._made, None
        if made is not None:
            made.close()

    def upload(
        self, key: str, source: Path | bytes, size: int, sha256: str, create_only: bool, progress: Progress | None
    ) -> tuple[str, Any]:
        """Upload a blob whole; its ETag and mtime. Raises TakenError."""
        blob, token = self._client().get_blob_client(key), secrets.token_hex(16)
        with opened(source) as file:
            watched = _Watched(file, size, sha256, progress)
            try:
                stored = blob.upload_blob(
                    watched,  # type: ignore[arg-type]
                    length=size,
                    overwrite=not create_only,
                    metadata={"sha256": sha256, "rainer_put": token},
                    validate_content=True,
                    max_concurrency=2,
                )
            except TakenError:
                raise
            except Exception as error:
                if not _is_taken(error):
                    raise
                # An answer of "yes" may have been lost, and the library have asked again.
                found = blob.get_blob_properties()
                if (found.metadata or {}).get("rainer_put") != token:
                    raise TakenError from error
                return quoted(found.etag), found.last_modified
        return quoted(stored["etag"]), stored["last_modified"]

    def pages(self, prefix: str) -> Iterator[list[BlobProperties]]:
        """The blobs whose names begin with a prefix, by pages, with their metadata."""
        found = self._client().list_blobs(prefix, include=["metadata"], results_per_page=_LIST_PAGE).by_page()
        return (list(page) for page in found)

    def delete(self, key: str) -> None:
        self._client().delete_blob(key, delete_snapshots="include")

    def _client(self) -> ContainerClient:
        credential = self._access.credential()
        with self._lock:
            if self._made is None:
                self._made = self._make(credential)
            return self._made

    def _make(self, credential: Any) -> ContainerClient:
        try:
            from azure.storage.blob import ContainerClient
        except ImportError as error:
            raise missing_extra("Azure's Blob Storage needs azure-storage-blob", "az") from error
        return ContainerClient(
            self._access.endpoint,
            self._container,
            credential=credential,
            max_single_put_size=BLOCK_BYTES,
            max_block_size=BLOCK_BYTES,
            connection_timeout=min(self._timeout_s, 15.0),
            read_timeout=self._timeout_s,
            retry_total=5,
            initial_backoff=0.2,
            increment_base=2,
        )


class _Watched:
    """A file that is hashed while it is read, and refuses its end if the bytes are not those that were promised."""

    def __init__(self, file: BinaryIO, size: int, sha256: str, progress: Progress | None) -> None:
        self._file, self._left, self._sha256 = file, size, sha256
        self._progress = progress
        self._digest = hashlib.sha256()

    def read(self, count: int = -1) -> bytes:
        data = self._file.read(self._left if count < 0 else min(count, self._left))
        self._digest.update(data)
        self._left -= len(data)
        if (not data and self._left) or (not self._left and self._digest.hexdigest() != self._sha256):
            raise WrongDigest("the source changed while it was uploaded", hint="upload it again")
        tell(self._progress, len(data))
        return data


def translated(uri: str, error: Exception) -> Exception:
    """The store's error, or DeniedHere, for one of Azure's library; others come back as they are."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    if not isinstance(error, AzureError):
        return error
    reason = " ".join((error.message or str(error)).split())[:300]
    if isinstance(error, HttpResponseError) and error.status_code:
        code = str(getattr(error, "error_code", None) or error.status_code)
        return refused(uri, error.status_code, code, reason)
    if isinstance(error, ClientAuthenticationError):
        return DeniedHere(reason)
    return StoreUnavailable(f"{uri}: {reason}", hint="look whether the store is well, and try again")


def refused(uri: str, status: int, code: str, reason: str) -> RainerError | DeniedHere:
    """The error for a refusal, by its status and Azure's code for it."""
    if status in (401, 403) or code == "PublicAccessNotPermitted":
        return DeniedHere(f"{code}: {reason}" if code not in reason else reason)
    if code == "ContainerNotFound":
        return ObjectNotFound(f"{uri}: there is no such container", hint="look at the names of account and container")
    if code == "Md5Mismatch":
        return WrongDigest(f"{uri}: the store refuses bytes that are not what was sent", hint="upload it again")
    if status == 409:
        return InvalidError(f"{uri}: the store refuses ({code}: {reason})", hint="look at the blob's leases and type")
    return refusal_of(status, code if code == reason else f"{code}: {reason}", uri)


def quoted(etag: str) -> str:
    """An ETag as HTTP writes it: lists leave the quotes away."""
    return etag if etag.startswith(('"', "W/")) else f'"{etag}"'


def exists(uri: str) -> ObjectExists:
    return ObjectExists(f"{uri} is there already", hint="choose another name, or put without create_only")


def _is_taken(error: Exception) -> bool:
    from azure.core.exceptions import HttpResponseError

    code = str(getattr(error, "error_code", ""))
    return isinstance(error, HttpResponseError) and ("BlobAlreadyExists" in code or error.status_code == 412)
