"""An answer on its way: framed by length, by chunks or by the connection's end, and never shorter than promised."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from rainer.errors import StoreUnavailable
from rainer.store.http_wire import Connection, Head, WireError

_WORTH_READING_BYTES: Final = 64 * 1024
"""So little is read to the end, to keep the connection; of more, the connection is closed."""
_CHUNK_SIZE: Final = re.compile(rb"[0-9a-fA-F]{1,15}")


class HttpAnswer:
    """Status, headers (names in lower case) and the body as a stream; for one thread, and to be closed.

    The connection goes back to its pool when the body was read to its end.
    """

    def __init__(
        self, label: str, method: str, head: Head, connection: Connection, give_back: Callable[[Connection], None]
    ) -> None:
        self.label = label
        self.status = head.status
        self.headers = head.headers
        self._connection: Connection | None = connection
        self._give_back = None if head.is_last else give_back
        self._chunked = False
        self._left: int | None = None
        self._received = 0
        self._frame(method)

    @property
    def length(self) -> int | None:
        """Bytes promised in the body, where the server said so."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() else None

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer's beginning and return how many bytes; 0 is the body's end.

        Raises StoreUnavailable if the connection breaks, stalls, or ends before the promised end.
        """
        connection = self._connection
        if connection is None or not buffer:
            return 0
        try:
            if self._chunked and not self._left and not self._next_chunk(connection):
                return 0
            count = connection.recv_into(buffer if self._left is None else buffer[: self._left])
        except WireError as e:
            raise self._broken(str(e)) from e
        self._received += count
        if count:
            if self._left is not None:
                self._left -= count
                if not self._left and not self._chunked:
                    self._finish()
        elif self._left is None:
            self._finish()
        else:
            raise self._broken("the connection was closed")
        return count

    def read(self, most: int) -> bytes:
        """The rest of the body, or its first `most` bytes."""
        held = memoryview(bytearray(min(most, _WORTH_READING_BYTES)))
        out = bytearray()
        while len(out) < most and (count := self.readinto(held[: most - len(out)])):
            out += held[:count]
        return bytes(out)

    def close(self) -> None:
        """Let go of the connection: back to the pool if little or nothing is left to read, else closed."""
        left = self._left
        if self._connection is not None and left is not None and left <= _WORTH_READING_BYTES and not self._chunked:
            try:
                self.read(left)
            except StoreUnavailable:
                return
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> HttpAnswer:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _frame(self, method: str) -> None:
        if method == "HEAD" or self.status in (204, 304):
            self._finish()
        elif "transfer-encoding" in self.headers:
            self._chunked, self._left = True, 0
        elif "content-length" in self.headers:
            self._left = self.length
            if self._left is None:
                raise self._broken(f"a length that is none: {self.headers['content-length']!r}")
            if not self._left:
                self._finish()
        else:
            self._give_back = None

    def _next_chunk(self, connection: Connection) -> bool:
        if self._received:
            connection.read_line()
        size = connection.read_line().split(b";")[0].strip()
        if not _CHUNK_SIZE.fullmatch(size):
            raise WireError(f"a chunk's size that is none: {size[:20]!r}")
        self._left = int(size, 16)
        if self._left:
            return True
        while connection.read_line():
            pass  # trailers, which say nothing that we ask for
        self._finish()
        return False

    def _finish(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._give_back is None:
            connection.close()
        else:
            self._give_back(connection)

    def _broken(self, reason: str) -> StoreUnavailable:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        of = f" of {self.length}" if self.length is not None else ""
        return StoreUnavailable(
            f"{self.label}: after {self._received}{of} bytes: {reason}",
            hint="look whether the store is well, and try again",
        )
