"""Files into S3: whole or not at all, with a digest that the server checks."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rainer.errors import TooLargeError, WrongDigest
from rainer.limits import MiB
from rainer.store.store import Progress

PART_BYTES: Final = 8 * MiB
"""Larger objects go up in parts of this size at least."""
_PARTS_MAX: Final = 10_000
_PART_BYTES_MAX: Final = 5 * 1024 * MiB
_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class Upload:
    """One object to be: where it goes, and its SHA-256 in hex."""

    client: Any
    bucket: str
    key: str
    sha256: str
    create_only: bool

    @property
    def place(self) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.key}

    @property
    def condition(self) -> dict[str, str]:
        return {"IfNoneMatch": "*"} if self.create_only else {}

    @property
    def metadata(self) -> dict[str, str]:
        return {"sha256": self.sha256}


class Told:
    """What a caller's callback was told of one put, from several threads, so that a put begun anew can take it back."""

    def __init__(self, progress: Progress | None) -> None:
        self.tell: Final = None if progress is None else self._tell
        self._progress = progress
        self._lock = threading.Lock()
        self._count = 0

    def take_back(self) -> None:
        """Tell that all of it was in vain."""
        if self._count:
            self._tell(-self._count)

    def _tell(self, count: int) -> None:
        with self._lock:
            self._count += count
        if self._progress is not None:
            self._progress(count)


def put_bytes(upload: Upload, data: bytes, progress: Progress | None) -> str | None:
    """Put a small object; its ETag."""
    _check(upload, hashlib.sha256(data).hexdigest())
    answer = upload.client.put_object(
        **upload.place, **upload.condition, Body=data, Metadata=upload.metadata,
        ChecksumSHA256=base64.b64encode(bytes.fromhex(upload.sha256)).decode(),
    )  # fmt: skip
    if progress is not None:
        progress(len(data))
    etag: str | None = answer.get("ETag")
    return etag


def put_parts(upload: Upload, fd: int, size: int, progress: Progress | None) -> str | None:
    """Put a large file in parts, several at a time; its ETag. What does not come to its end is taken back."""
    part_bytes = max(PART_BYTES, -(-size // _PARTS_MAX))
    if part_bytes > _PART_BYTES_MAX:
        raise TooLargeError(f"{upload.key} has {size} bytes, and S3 takes {_PARTS_MAX * _PART_BYTES_MAX}")
    begun = upload.client.create_multipart_upload(**upload.place, Metadata=upload.metadata, ChecksumAlgorithm="SHA256")
    place = {**upload.place, "UploadId": begun["UploadId"]}
    try:
        parts = _send_parts(upload, place, _pieces(fd, size, part_bytes), progress)
        answer = upload.client.complete_multipart_upload(**place, **upload.condition, MultipartUpload={"Parts": parts})
    except BaseException:
        with contextlib.suppress(Exception):  # the first error is the one to tell; lifecycle rules sweep up the rest
            upload.client.abort_multipart_upload(**place)
        raise
    etag: str | None = answer.get("ETag")
    return etag


def _send_parts(
    upload: Upload, place: dict[str, str], pieces: Iterator[bytes], progress: Progress | None
) -> list[dict[str, Any]]:
    digest, sent = hashlib.sha256(), []
    on_the_way: deque[Future[dict[str, Any]]] = deque()
    with ThreadPoolExecutor(_AT_ONCE, "s3-upload") as threads:
        try:
            for number, piece in enumerate(pieces, 1):
                if len(on_the_way) >= _AT_ONCE:
                    sent.append(on_the_way.popleft().result())
                on_the_way.append(threads.submit(_send_part, upload.client, place, number, piece, progress))
                digest.update(piece)
            sent.extend(part.result() for part in on_the_way)
        except BaseException:
            for part in on_the_way:
                part.cancel()
            raise
    _check(upload, digest.hexdigest())
    return sent


def _send_part(
    client: Any, place: dict[str, str], number: int, piece: bytes, progress: Progress | None
) -> dict[str, Any]:
    checksum = base64.b64encode(hashlib.sha256(piece).digest()).decode()
    answer = client.upload_part(**place, PartNumber=number, Body=piece, ChecksumSHA256=checksum)
    if progress is not None:
        progress(len(piece))
    return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}


def _pieces(fd: int, size: int, part_bytes: int) -> Iterator[bytes]:
    """The file as it was when its size was taken; a file cut meanwhile fails the check of the digest."""
    for at in range(0, size, part_bytes):
        wanted, piece = min(part_bytes, size - at), bytearray()
        while len(piece) < wanted and (more := os.pread(fd, wanted - len(piece), at + len(piece))):
            piece += more
        yield bytes(piece)


def digest_of(source: Path | bytes) -> str:
    """SHA-256 of a file or of bytes, in hex."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(upload: Upload, sha256: str) -> None:
    if sha256 != upload.sha256:
        raise WrongDigest(
            f"s3://{upload.bucket}/{upload.key}: the file's SHA-256 is {sha256}, and {upload.sha256} was promised",
            hint="somebody wrote to the file meanwhile; nothing was stored",
        )
