"""One state of one object, read on from where a connection broke."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeAlias

from rainer.errors import ObjectNotFound, StoreUnavailable
from rainer.store.store import ObjectInfo, Reading, Store, shown

BUFFER_BYTES: Final = 256 * 1024
_BREAKS_MAX: Final = 5
"""So many breaks in a row, with less than a buffer's bytes between them, and the store counts as unavailable."""

Take: TypeAlias = Callable[[memoryview, int], None]
"""Is given each portion with its offset; the memory is used again after the call."""

_buffers = threading.local()


class StartOver(Exception):
    """What was read so far is worth nothing: the object is another one by now, or cannot be taken up."""


def buffer() -> memoryview:
    """This thread's buffer, used again for each object."""
    held: memoryview | None = getattr(_buffers, "view", None)
    if held is None:
        held = _buffers.view = memoryview(bytearray(BUFFER_BYTES))
    return held


class Source:
    """An object as the first answer described it; `is_checked` says that a digest will judge all of it in the end.

    Any further part is asked for with If-Match. Without a strong ETag (RFC 9110 allows no other there) parts can only
    be put together where a digest judges the whole; `is_patched` remembers that this happened.
    """

    def __init__(self, store: Store, uri: str, info: ObjectInfo, *, is_checked: bool) -> None:
        self.store, self.uri, self.info = store, uri, info
        self.etag = None if info.etag is None or info.etag.startswith("W/") else info.etag
        self.is_checked = is_checked
        self.is_patched = False

    @property
    def can_be_split(self) -> bool:
        return self.etag is not None or self.is_checked

    def open(self, start: int, end: int | None) -> Reading:
        """A further part. Raises StartOver if the object is not what it was."""
        if not self.can_be_split:
            raise StartOver("the connection broke, and without an ETag it cannot be taken up")
        self.is_patched = self.is_patched or self.etag is None
        try:
            reading = self.store.open(self.uri, start=start, end=end, if_match=self.etag)
        except ObjectNotFound as e:
            raise StartOver("the object changed while it was read") from e
        if reading is None:
            raise StoreUnavailable(f"{shown(self.uri)}: the store says that nothing changed, unasked")
        if reading.info.size != self.info.size or (self.etag and reading.info.etag not in (None, self.etag)):
            reading.close()
            raise StartOver("the object changed while it was read")
        return reading

    def stream(self, reading: Reading | None, start: int, end: int | None, take: Take) -> int:
        """Give everything from `start` up to `end` to `take`, beginning with what `reading` has; return where it ended.

        `end` is None only where nobody knows the object's size. Raises StoreUnavailable after several breaks.
        """
        at, breaks, held = start, 0, buffer()
        while True:
            begun = at
            try:
                with reading or self.open(at, end) as current:
                    while end is None or at < end:
                        count = current.readinto(held if end is None else held[: end - at])
                        if not count:
                            break
                        take(held[:count], at)
                        at += count
                if end is None or at >= end:
                    return at
                raise StoreUnavailable(f"{shown(self.uri)} ended after {at} of {end} bytes", hint="try again")
            except StoreUnavailable:
                breaks = breaks + 1 if at - begun < BUFFER_BYTES else 1
                if breaks >= _BREAKS_MAX:
                    raise
            reading = None
