"""`memory://name`: objects in this process's memory, for tests and for trying things out."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

from rainer.errors import InvalidUri, ObjectExists, ObjectNotFound
from rainer.store.reading import BytesReading, check_digest, is_wanted, opened, tell
from rainer.store.store import ObjectInfo, Progress, Reading, Store


@dataclass
class _Room:
    lock: threading.Lock = field(default_factory=threading.Lock)
    objects: dict[str, tuple[bytes, ObjectInfo]] = field(default_factory=dict)


_rooms: dict[str, _Room] = {}
_rooms_lock = threading.Lock()


class MemoryStore(Store):
    """The objects of `memory://name` (or of a prefix of it), kept in memory until the process ends or `clear`.

    All stores of one name in one process share their objects. A forked child begins with a copy of what its parent
    had, and the two go apart from there. Pickled is only the URL: in another process the store of that name is what
    was put there, at first nothing. The ETag is the SHA-256 of the contents.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        scheme, separator, rest = self.url.partition("://")
        if scheme != "memory" or not separator or not rest or rest.startswith("/"):
            raise InvalidUri(f"{url!r} does not name a store in memory", hint="such a URL is memory://NAME")
        name, _, prefix = rest.partition("/")
        self._room = name
        self._prefix = f"{unquote(prefix)}/" if prefix else ""

    def __reduce__(self) -> tuple[type[MemoryStore], tuple[str]]:
        return type(self), (self.url,)

    def open(
        self, uri: str, *, start: int = 0, end: int | None = None, if_none_match: str | None = None,
        if_match: str | None = None,
    ) -> Reading | None:  # fmt: skip
        data, info = self._find(uri)
        return BytesReading(info, data, start, end) if is_wanted(info, if_none_match, if_match) else None

    def head(self, uri: str) -> ObjectInfo:
        return self._find(uri)[1]

    def put(
        self, uri: str, source: Path | bytes, *, sha256: str | None = None, create_only: bool = False,
        progress: Progress | None = None,
    ) -> ObjectInfo:  # fmt: skip
        key = self._key(uri)
        with opened(source) as file:
            data = file.read()
        digest = hashlib.sha256(data).hexdigest()
        check_digest(uri, digest, sha256)
        info = ObjectInfo(self._uri_of(key), len(data), f'"{digest}"', digest, datetime.now(UTC))
        room = _room(self._room)
        with room.lock:
            if create_only and key in room.objects:
                raise ObjectExists(f"{uri} is there already", hint="choose another name, or put without create_only")
            room.objects[key] = (data, info)
        tell(progress, len(data))
        return info

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        room, begin = _room(self._room), self._prefix + prefix
        with room.lock:
            found = sorted((key, info) for key, (_, info) in room.objects.items() if key.startswith(begin))
        return iter([info for _, info in found])

    def delete(self, uri: str) -> bool:
        key, room = self._key(uri), _room(self._room)
        with room.lock:
            return room.objects.pop(key, None) is not None

    def clear(self) -> None:
        """Remove everything below this store's URL."""
        room = _room(self._room)
        with room.lock:
            for key in [key for key in room.objects if key.startswith(self._prefix)]:
                del room.objects[key]

    def _key(self, uri: str) -> str:
        name = self.name(uri)
        if not name:
            raise InvalidUri(f"{uri!r} names no object", hint=f"add a name to {self.url}/")
        return self._prefix + name

    def _uri_of(self, key: str) -> str:
        return self.uri(key[len(self._prefix) :])

    def _find(self, uri: str) -> tuple[bytes, ObjectInfo]:
        found = _room(self._room).objects.get(self._key(uri))
        if found is None:
            raise ObjectNotFound(f"{uri} is not there")
        return found


def _room(name: str) -> _Room:
    with _rooms_lock:
        return _rooms.setdefault(name, _Room())


def _after_fork() -> None:
    """A lock that another thread of the parent held at the fork would never be let go of here."""
    global _rooms_lock
    _rooms_lock = threading.Lock()
    for room in _rooms.values():
        room.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
