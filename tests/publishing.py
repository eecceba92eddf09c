"""For tests of publishing: a room of its own for each test, and a store that lets the test in between its calls."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import rainer.testing
from rainer.assets.collecting import collect
from rainer.assets.published import Collected, Unreferenced
from rainer.assets.publishing import AssetPublisher
from rainer.client import Client
from rainer.store.memory import MemoryStore
from rainer.store.store import ObjectInfo, Progress, Reading, Store

Hook = Callable[[str, str], None]


class DrivenStore(Store):
    """Passes every call on to a store; `before` and `after` are told the call's name and the object's, or prefix."""

    def __init__(self, inner: Store, *, before: Hook | None = None, after: Hook | None = None) -> None:
        super().__init__(inner.url)
        self.inner = inner
        self.before, self.after = before, after
        self.calls: list[tuple[str, str]] = []

    def covers(self, uri: str) -> bool:
        return self.inner.covers(uri)

    def uri(self, name: str) -> str:
        return self.inner.uri(name)

    def name(self, uri: str) -> str:
        return self.inner.name(uri)

    def _pass(self, call: str, name: str, make: Callable[[], Any]) -> Any:
        self.calls.append((call, name))
        if self.before is not None:
            self.before(call, name)
        found = make()
        if self.after is not None:
            self.after(call, name)
        return found

    def open(
        self, uri: str, *, start: int = 0, end: int | None = None, if_none_match: str | None = None,
        if_match: str | None = None,
    ) -> Reading | None:  # fmt: skip
        options = {"start": start, "end": end, "if_none_match": if_none_match, "if_match": if_match}
        found: Reading | None = self._pass("open", self.name(uri), lambda: self.inner.open(uri, **options))  # type: ignore[arg-type]
        return found

    def head(self, uri: str) -> ObjectInfo:
        found: ObjectInfo = self._pass("head", self.name(uri), lambda: self.inner.head(uri))
        return found

    def put(
        self, uri: str, source: Path | bytes, *, sha256: str | None = None, create_only: bool = False,
        progress: Progress | None = None,
    ) -> ObjectInfo:  # fmt: skip
        options: dict[str, Any] = {"sha256": sha256, "create_only": create_only, "progress": progress}
        found: ObjectInfo = self._pass("put", self.name(uri), lambda: self.inner.put(uri, source, **options))
        return found

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        found: Iterator[ObjectInfo] = self._pass("list", prefix, lambda: iter(list(self.inner.list(prefix))))
        return found

    def delete(self, uri: str) -> bool:
        found: bool = self._pass("delete", self.name(uri), lambda: self.inner.delete(uri))
        return found

    def close(self) -> None:
        self.inner.close()


class Older(DrivenStore):
    """A store whose listing tells of the test's objects that they are so many seconds older."""

    def __init__(self, inner: MemoryStore, ages_s: dict[str, float | None]) -> None:
        super().__init__(inner)
        self.ages_s = ages_s

    def _aged(self, info: ObjectInfo) -> ObjectInfo:
        age_s = self.ages_s.get(self.name(info.uri), 0.0)
        mtime = None if age_s is None or info.mtime is None else info.mtime - timedelta(seconds=age_s)
        return ObjectInfo(info.uri, info.size, info.etag, info.sha256, mtime)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        return iter([self._aged(info) for info in self.inner.list(prefix)])

    def head(self, uri: str) -> ObjectInfo:
        return self._aged(self.inner.head(uri))


@dataclass
class Room:
    """A namespace, a store and a folder for one test."""

    client: Client
    store: Store
    folder: Path
    made: int = field(default=0)

    def publisher(self, manifest: str = "prod", store: Store | None = None, **options: Any) -> AssetPublisher:
        return AssetPublisher(self.client, manifest, store or self.store, **options)

    def file(self, content: bytes | str) -> Path:
        self.made += 1
        path = self.folder / f"file-{self.made}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def objects(self, store: Store | None = None) -> list[str]:
        return [(store or self.store).name(info.uri) for info in (store or self.store).list()]

    def read(self, name: str) -> bytes:
        """An object's bytes."""
        reading = self.store.open(self.store.uri(name))
        assert reading is not None
        with reading:
            buffer = memoryview(bytearray(1 << 20))
            return bytes(buffer[: reading.readinto(buffer)])

    def collect(self, **options: Any) -> tuple[Collected, list[Unreferenced]]:
        """A collection that takes everything for old enough."""
        heard: list[Unreferenced] = []
        found = collect(
            self.client, options.pop("store", self.store), **({"grace_s": 0.0, "report": heard.append} | options)
        )
        return found, heard

    def every_named_object_is_there(self, manifest: str = "prod") -> None:
        with self.publisher(manifest) as publisher:
            for path, entry in publisher.manifest().items():
                assert entry.version is not None
                info = self.store.head(publisher.uri(path, entry.version))
                assert (info.size, info.sha256) in ((entry.size, entry.sha256), (entry.size, None))


def room(url: str, folder: Path, store: Store | None = None) -> Room:
    """A fresh namespace on a server, and a fresh store in memory unless one is given."""
    name = f"n{uuid.uuid4().hex}"
    client = Client(f"{url}/{name}", author="tester")
    client.create_namespace(name)
    return Room(client, store or MemoryStore(f"memory://{name}"), folder)


@contextmanager
def room_with_stray(folder: Path, path: str, stray: str) -> Iterator[Room]:
    """A room with a path at 1.0.0, and an object `stray` that an interrupted publish has left.

    On a server of its own: what any manifest on it names is kept, whichever test committed it.
    """
    with rainer.testing.server() as server:
        made = room(server.url, folder)
        with made.client:
            made.publisher().add(path, made.file("1"))
            made.store.put(made.store.uri(stray), b"stray")
            yield made
