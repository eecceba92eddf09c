"""Assets to resolve: objects in a store in memory, and manifests in a mirror that is fed by hand."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rainer.assets import Assets, AssetSnapshot
from rainer.cache import AssetCache
from rainer.mirror import Mirror
from rainer.model.assets import object_name
from rainer.model.manifest import Entry, Manifest
from rainer.model.manifest_parts import PartedManifest, StoredManifest, part_keys, parts_named
from rainer.store.memory import MemoryStore
from rainer.store.store import Reading
from tests.mirrors import Loaded, at, head, mirror_of


class SlowStore(MemoryStore):
    """A store in memory that keeps count of what is read, and holds back or refuses what a test says."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.opened: list[str] = []
        self.refused: dict[str, Exception] = {}
        self.held_back: dict[str, threading.Event] = {}
        self.reached = threading.Event()

    def hold_back(self, name: str) -> threading.Event:
        """Have whoever reads an object wait until the event is set; `reached` is set as soon as somebody does."""
        self.reached.clear()
        return self.held_back.setdefault(self.uri(name), threading.Event())

    def open(self, uri: str, **options: Any) -> Reading | None:
        self.opened.append(uri)
        gate = self.held_back.get(uri)
        if gate is not None:
            self.reached.set()
            assert gate.wait(30)
        if uri in self.refused:
            raise self.refused[uri]
        return super().open(uri, **options)


class Heard:
    """What a service that follows was told: which versions of the files, in which order."""

    def __init__(self) -> None:
        self.sets: list[dict[str, bytes]] = []
        self.snapshots: list[AssetSnapshot] = []

    def __call__(self, snapshot: AssetSnapshot) -> None:
        self.snapshots.append(snapshot)
        self.sets.append({path: snapshot(path).read_bytes() for path in snapshot.manifest})


def new_store() -> SlowStore:
    """A store of its own for one test."""
    return SlowStore(f"memory://{uuid.uuid4().hex}")


def put(store: MemoryStore, path: str, version: str, data: bytes, *, digest: bool = True) -> Entry:
    """An object of an asset, and the entry that names it."""
    store.put(store.uri(object_name(path, version)), data, create_only=True)
    return Entry(version, hashlib.sha256(data).hexdigest(), len(data)) if digest else Entry(version)


def sweep(cache: AssetCache) -> None:
    """Remove all that nothing keeps, as if nobody had used any of it for an hour."""
    for folder in cache.directory.glob("blobs/??/*"):
        os.utime(folder, (time.time() - 3600,) * 2)
        for file in folder.iterdir():
            os.utime(file, (time.time() - 3600,) * 2)
    cache.gc(0)


class Journal:
    """One manifest's history, told to a mirror by hand."""

    def __init__(self, key: str = "prod") -> None:
        self.key = key
        self.revision = 0
        self.versions: dict[str, int] = {}
        self.payloads: dict[str, bytes] = {}
        self.source = Loaded([], at(0))

    def mirror(self, snapshot: Path | None = None) -> Mirror:
        """A mirror of what was committed by now and will be."""
        held = [head(key, self.versions[key], payload, self.revision) for key, payload in self.payloads.items()]
        self.source = Loaded(held, at(self.revision))
        return mirror_of(self.source, snapshot=snapshot)

    def commit(self, payloads: Mapping[str, bytes | None]) -> int:
        """One changeset; its revision."""
        records = []
        for key, payload in payloads.items():
            self.revision += 1
            self.versions[key] = self.versions.get(key, 0) + 1
            records.append(head(key, self.versions[key], payload, self.revision))
            self.payloads.pop(key, None)
            if payload is not None:
                self.payloads[key] = payload
        if self.source.started.is_set() and not self.source.fate:
            assert self.source.sink.apply(records, at(self.revision))
        return self.revision

    def change(self, entries: Mapping[str, Entry | None], *, short: bool = False) -> int:
        """Set entries as a publisher would; the revision."""
        return self.commit(self.stored().change(entries, short=short))

    def stored(self) -> StoredManifest:
        payload = self.payloads.get(self.key)
        if payload is None:
            return StoredManifest(self.key, Manifest(), {}, exists=False)
        count = parts_named(payload)
        if not count:
            return StoredManifest(self.key, Manifest.parse(payload), {})
        parts = [self.payloads.get(key, b"") for key in part_keys(self.key, count)]
        return StoredManifest(self.key, PartedManifest(parts), {})


def journal_of(store: SlowStore, contents: Mapping[str, bytes]) -> Journal:
    """A manifest that names these assets, each at 1.0.0, and their objects."""
    made = Journal()
    made.change({path: put(store, path, "1.0.0", data) for path, data in contents.items()})
    return made


@contextmanager
def mirrored(journal: Journal, store: SlowStore, folder: Path) -> Iterator[Assets]:
    """Assets over a mirror of the manifest, with a cache of their own."""
    with journal.mirror() as mirror, Assets(mirror, store=store, cache=folder / "cache") as made:
        yield made
