"""What URIs without a digest last were: one small JSON file for each, replaced as a whole."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256 as _sha256
from typing import Any, Final, NamedTuple

from rainer.cache.gate import Gate
from rainer.cache.layout import Layout
from rainer.store.login import without_login

AHEAD_S: Final = 60.0
"""Clocks differ; what is dated later than this from now was dated by a clock that has been set back."""
_REMEMBERED_MAX: Final = 100_000


class Ref(NamedTuple):
    """A URI's last known contents. `checked_at` (seconds since 1970) is when the store was last asked, 0 if it is to
    be asked again whatever the timeout says."""

    uri: str
    sha256: str
    size: int
    name: str
    etag: str | None
    checked_at: float
    fetched_at: float

    def age_s(self, now: float | None = None) -> float:
        """Seconds since the store was asked; infinite where that was never, or is said to be in the future."""
        age = (time.time() if now is None else now) - self.checked_at
        return float("inf") if not self.checked_at or age < -AHEAD_S else max(0.0, age)


class Refs:
    """The refs of one layout. For any number of threads and processes."""

    def __init__(self, layout: Layout, gate: Gate) -> None:
        self._layout = layout
        self._gate = gate
        self._known: dict[str, tuple[tuple[int, int], Ref]] = {}

    def path(self, uri: str) -> str:
        digest = digest_of_uri(uri)
        return f"{self._layout.refs}/{digest[:2]}/{digest}"

    def get(self, uri: str) -> Ref | None:
        """The ref as it is on disk now; None if there is none, or a damaged one."""
        path = self.path(uri)
        try:
            found = os.stat(path)  # noqa: PTH116 - on the way of every hit
        except (FileNotFoundError, NotADirectoryError):
            return None
        mark = found.st_ino, found.st_mtime_ns
        known = self._known.get(uri)
        if known is not None and known[0] == mark:
            return known[1]
        ref = read(path)
        if ref is None or ref.uri != without_login(uri):
            return None
        if len(self._known) >= _REMEMBERED_MAX:
            self._known.clear()
        self._known[uri] = mark, ref
        return ref

    def put(self, ref: Ref) -> None:
        """Write a ref; its URI without user and password. Raises OSError."""
        ref = ref._replace(uri=without_login(ref.uri))
        with self._gate.shared():
            self._layout.write(self.path(ref.uri), json.dumps(ref._asdict()).encode())

    def remove(self, uri: str) -> bool:
        """Forget a URI; false if it was not known. Raises OSError."""
        try:
            os.unlink(self.path(uri))  # noqa: PTH108
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def all(self) -> Iterator[Ref]:
        """Every ref that can be read, in no order."""
        for entry in self._layout.ref_files():
            ref = read(entry.path)
            if ref is not None:
                yield ref


@lru_cache(maxsize=65_536)
def digest_of_uri(uri: str) -> str:
    """What stands for a URI in file names: its SHA-256, without user and password; lower-case hex."""
    return _sha256(without_login(uri).encode("utf-8", "surrogatepass")).hexdigest()


def read(path: str) -> Ref | None:
    """A ref's file; None if it is gone, cut or not one."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        with open(path, "rb") as file:  # noqa: PTH123
            found: dict[str, Any] = json.loads(file.read())
        etag = found["etag"]
        return Ref(
            str(found["uri"]), str(found["sha256"]), int(found["size"]), str(found["name"]),
            None if etag is None else str(etag), float(found["checked_at"]), float(found["fetched_at"]),
        )  # fmt: skip
    return None


def is_below(uri: str, prefix: str) -> bool:
    """Whether a URI is the prefix or lies in its tree; `s3://b/foo` is above `s3://b/foo/x`, not `s3://b/foobar`."""
    prefix = without_login(prefix)
    return uri == prefix or uri.startswith(prefix if prefix.endswith("/") else prefix + "/")
