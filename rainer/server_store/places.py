"""Where contents lie: in a folder of this machine, or in any store. A place is a relative path that is used once."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

from rainer.errors import InvalidUri, NoSpace, ObjectNotFound, RainerError, StoreUnavailable
from rainer.store.store import Store

log: Final = logging.getLogger("rainer.store")
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class PlaceReading(Protocol):
    """Bytes of a place on their way; for one thread at a time."""

    def read(self, size: int) -> bytes:
        """Up to so many bytes, fewer only at the end, none after it."""
        ...

    def close(self) -> None: ...


class Places(ABC):
    """Thread-safe. All methods raise StoreUnavailable and NoSpace.

    What is being received lies in the folder `spool`, which is made when it is first needed.
    """

    spool: Path

    @abstractmethod
    def describe(self) -> str:
        """Where that is, for people; without secrets."""

    @abstractmethod
    def place(self, source: Path, place: str, alive: Callable[[], None]) -> None:
        """Have the bytes of a file in a place, for good when this returns. The file may be gone afterwards.

        `alive` is called now and then while that takes its time, from any thread. After StoreUnavailable they may be
        there all the same, or arrive later.
        """

    @abstractmethod
    def size(self, place: str) -> int | None:
        """How many bytes lie in a place; None if nothing does."""

    @abstractmethod
    def open(self, place: str, start: int, end: int) -> PlaceReading:
        """Bytes `start` to `end` of a place; ObjectNotFound."""

    @abstractmethod
    def remove(self, place: str) -> None:
        """Have nothing in a place, whether there was something or not."""

    def new_place(self, sha256: bytes, suffix: str) -> str:
        """A place that never was: named by the contents for people, and by chance so that it is nobody else's."""
        name = sha256.hex()
        return f"{name[:2]}/{name}-{secrets.token_hex(8)}{suffix}"

    def sweep_spool(self, grace_s: float) -> int:
        """Remove what was being received when a server died: what has not grown for so long. How many files."""
        removed = 0
        with contextlib.suppress(ObjectNotFound), storing(self.spool):
            for entry in os.scandir(self.spool):
                with contextlib.suppress(OSError):  # another sweep was faster, or it is nothing of ours
                    if entry.is_file() and entry.stat().st_mtime < time.time() - grace_s:
                        Path(entry.path).unlink()
                        removed += 1
        return removed

    def close(self) -> None:  # noqa: B027 - a folder holds nothing
        """Let go of connections."""


class FolderPlaces(Places):
    """Contents in a folder; what is received lies in its `tmp`, on the same file system."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool = folder / "tmp"

    def describe(self) -> str:
        return str(self.folder)

    def place(self, source: Path, place: str, alive: Callable[[], None]) -> None:
        target = self.folder / place
        try:
            with storing(target):
                _sync(source)
                if not target.parent.is_dir():
                    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    _sync(target.parent.parent)
                source.replace(target)
                _sync(target.parent)
        except ObjectNotFound as e:
            raise StoreUnavailable(f"what was received is not in {self.spool} any more", hint="send it again") from e

    def size(self, place: str) -> int | None:
        try:
            with storing(self.folder / place):
                return (self.folder / place).stat().st_size
        except ObjectNotFound:
            return None

    def open(self, place: str, start: int, end: int) -> PlaceReading:
        with storing(self.folder / place):
            return _FilePart(self.folder / place, start, end)

    def remove(self, place: str) -> None:
        with contextlib.suppress(ObjectNotFound), storing(self.folder / place):
            (self.folder / place).unlink()


class _FilePart:
    def __init__(self, path: Path, start: int, end: int) -> None:
        self._path, self._left = path, end - start
        self._file = path.open("rb")
        self._file.seek(start)

    def read(self, size: int) -> bytes:
        with storing(self._path):
            data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._file.close()


class StorePlaces(Places):
    """Contents as objects of a store; what is received lies in a folder of this machine until it is whole."""

    def __init__(self, store: Store, spool: Path) -> None:
        self._store = store
        self.spool = spool

    def describe(self) -> str:
        from rainer.store.http_reading import shown

        return shown(self._store.url)

    def place(self, source: Path, place: str, alive: Callable[[], None]) -> None:
        try:
            with storing(source), _answering(self):
                self._store.put(self._store.uri(place), source, create_only=True, progress=lambda _count: alive())
        except ObjectNotFound as e:
            raise StoreUnavailable(f"what was received is not in {self.spool} any more", hint="send it again") from e
        with storing(source):
            source.unlink(missing_ok=True)  # one that took very long may have been swept

    def size(self, place: str) -> int | None:
        try:
            with _answering(self, lacks=True):
                return self._store.head(self._store.uri(place)).size
        except ObjectNotFound:
            return None

    def open(self, place: str, start: int, end: int) -> PlaceReading:
        if start == end:
            return _Nothing()
        with _answering(self, lacks=True):
            reading = self._store.open(self._store.uri(place), start=start, end=end)
        assert reading is not None, "nothing was said of what we have"
        return _StorePart(reading)

    def remove(self, place: str) -> None:
        with _answering(self):
            self._store.delete(self._store.uri(place))

    def close(self) -> None:
        self._store.close()


@contextlib.contextmanager
def _answering(places: Places, *, lacks: bool = False) -> Iterator[None]:
    """A store that refuses this server is no fault of who asks this server: it is told that the place is away.

    The log has the store's own words, which may say more of it than strangers need to know. With `lacks` an object that
    is not there is an answer like another.
    """
    try:
        yield
    except (StoreUnavailable, NoSpace):
        raise
    except RainerError as e:
        if lacks and isinstance(e, ObjectNotFound):
            raise
        log.error("contents cannot be stored or read: %s%s", e.message, f" ({e.hint})" if e.hint else "")
        raise StoreUnavailable(
            f"the place of this server's contents, {places.describe()}, cannot be used ({e.code})",
            hint="the server's log says why",
        ) from e


class _StorePart:
    def __init__(self, reading: Any) -> None:
        self._reading = reading

    def read(self, size: int) -> bytes:
        buffer = memoryview(bytearray(size))
        filled = 0
        while filled < size:
            count = self._reading.readinto(buffer[filled:])
            if not count:
                break
            filled += count
        return bytes(buffer[:filled])

    def close(self) -> None:
        self._reading.close()


class _Nothing:
    def read(self, size: int) -> bytes:
        return b""

    def close(self) -> None:
        pass


def open_places(contents: str, spool: Path | None = None) -> Places:
    """The places that a setting names: a folder, or a store's URL. InvalidUri for a URL that no store understands.

    `spool` is where bytes for a store are gathered.
    """
    if contents.startswith("file://"):
        from urllib.parse import unquote, urlsplit

        parts = urlsplit(contents)
        if parts.netloc not in ("", "localhost"):
            raise InvalidUri(
                f"{contents!r} names the machine {parts.netloc!r}, and a folder is on this one",
                hint=f"leave file:// away, or write file://{Path('folder').absolute()}",
            )
        return FolderPlaces(Path(unquote(parts.path)))
    if "://" not in contents:
        return FolderPlaces(Path(contents).expanduser())
    from rainer.store.opening import open_store

    if spool is None:
        import tempfile

        spool = Path(tempfile.gettempdir()) / "rainer-store"
    return StorePlaces(open_store(contents), spool)


class storing:  # noqa: N801 - reads like a verb, as a context manager
    """Turns what the system says of a file into our errors, which name it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        if isinstance(error, OSError):
            raise error_of(error, self._path) from error


def error_of(error: OSError, path: Path) -> RainerError:
    """The error that a user is told for one of the system's."""
    if isinstance(error, FileNotFoundError):
        return ObjectNotFound(f"{path} is not there", hint="was the folder of the server store changed by hand?")
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return NoSpace(f"no room for the file in {path.parent}: {reason}", hint="make room, or set store_contents")
    return StoreUnavailable(f"{path} cannot be used: {reason}", hint="look at the folder's owner, mode and disk")


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
