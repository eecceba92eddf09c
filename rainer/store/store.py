"""What every store offers: objects behind URIs, read as streams, written whole, listed and deleted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from rainer.errors import DeniedError, InvalidError, InvalidUri
from rainer.model.identity import TOKEN_PATH, hide_credentials

if TYPE_CHECKING:
    from datetime import datetime

Progress: TypeAlias = Callable[[int], None]
"""Is told of every further portion of bytes that came or went; called from the threads that carry them."""


class ObjectInfo(NamedTuple):
    """What a store tells of an object: its URI, and what it knows of size (bytes), ETag (as sent, with its quotes),
    SHA-256 (lower-case hex, where the store keeps it) and mtime (aware)."""

    uri: str
    size: int | None = None
    etag: str | None = None
    sha256: str | None = None
    mtime: datetime | None = None


class Reading(ABC):
    """An object's bytes, or a range of them, on their way; for one thread, and to be closed.

    `info` speaks of the whole object, whatever the range.
    """

    info: ObjectInfo

    @abstractmethod
    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer's beginning with the next bytes and return how many; 0 is the end, and only a true end.

        Raises StoreUnavailable if the connection breaks off, stalls or ends before all bytes promised came.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection; of one read to its end, for others to use."""

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class Ahead(ABC):
    """An object that was asked for and whose answer has not been looked at yet; to be opened or closed, by one thread.

    It may be good for nothing: then `open` asks again.
    """

    @abstractmethod
    def open(self) -> Reading | None:
        """What `Store.open` gives for the whole object."""

    @abstractmethod
    def close(self) -> None:
        """Do without it."""


class Store(ABC):
    """One place of objects, such as a bucket or a folder, rooted at `url`.

    All calls take whole URIs, may come from any number of threads, and work in a forked child and after pickling:
    whatever holds connections makes new ones in each process. All raise InvalidUri for a URI that is not below `url`,
    CredentialsError, DeniedError, and StoreUnavailable after their own retries.
    """

    url: str

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def covers(self, uri: str) -> bool:
        """Whether the URI names something below this store's root."""
        return uri.startswith(self.url + "/")

    def uri(self, name: str) -> str:
        """The URI of an object by its name below the root, which is percent-encoded where a URI needs it."""
        return f"{self.url}/{quote(name.lstrip('/'), safe=SAFE)}"

    def name(self, uri: str) -> str:
        """The name below the root (without a leading slash, percent-encoding undone) that a URI stands for."""
        if not self.covers(uri):
            raise InvalidUri(f"{shown(uri)!r} is not below {self.url}", hint=f"such a URI begins with {self.url}/")
        return unquote(uri[len(self.url) + 1 :])

    @abstractmethod
    def open(
        self, uri: str, *, start: int = 0, end: int | None = None, if_none_match: str | None = None,
        if_match: str | None = None,
    ) -> Reading | None:  # fmt: skip
        """Begin to read an object, from byte `start` up to before byte `end`.

        `if_none_match` and `if_match` are ETags: None is returned where the object still has the first, and
        ObjectNotFound raised where it no longer has the second. Raises ObjectNotFound.
        """

    def ahead(self, uri: str) -> Ahead | None:
        """Ask for the whole of a (small) object now and read it later: its way is spent on something else. None where
        that cannot be. Raises nothing: what is wrong is said when it is read."""
        return None

    @abstractmethod
    def head(self, uri: str) -> ObjectInfo:
        """What the store knows of an object without reading it. Raises ObjectNotFound."""

    def put(
        self, uri: str, source: Path | bytes, *, sha256: str | None = None, create_only: bool = False,
        progress: Progress | None = None,
    ) -> ObjectInfo:  # fmt: skip
        """Store a file or bytes under a URI, whole or not at all.

        With `sha256` (of the source, lower-case hex) the store checks what arrived against it, and remembers it for
        `head`. With `create_only` an object that is there is left alone: ObjectExists, also for whoever comes second
        of two at once. Raises DeniedError where nothing can be written.
        """
        raise DeniedError(f"{self.url} can only be read", hint="put the object into a store that takes writes")

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """All objects whose names (as `name` gives them) begin with `prefix`, in the names' order."""
        raise InvalidError(f"{self.url} cannot be listed", hint="name the object")

    def delete(self, uri: str) -> bool:
        """Remove an object; false if there was none."""
        raise DeniedError(f"{self.url} can only be read", hint="delete the object where it is written")

    def close(self) -> None:  # noqa: B027 - most stores hold nothing
        """Let go of this process's connections; the store can still be used, and makes new ones."""


SAFE = "/-_.~"
"""What a name keeps unquoted in a URI."""


def shown(uri: str) -> str:
    """A URI as messages show it: of a web server without password and without a query, which may hold a signature."""
    if not uri.lower().startswith(("http://", "https://")):
        return uri
    parts = urlsplit(uri)
    if not parts.query and "@" not in parts.netloc and TOKEN_PATH not in parts.path:
        return uri
    path = hide_credentials(parts.path)
    return urlunsplit(
        parts._replace(netloc=parts.netloc.rpartition("@")[2], path=path, query="…" if parts.query else "")
    )
