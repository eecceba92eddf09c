"""For tests of packs: assets of a manifest file, packed, and zip files that were made by hand."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rainer.assets import Assets
from rainer.assets.pack_reading import open_pack
from rainer.assets.pack_unpacking import unpack
from rainer.assets.pack_writing import make_pack
from rainer.cache import AssetCache
from rainer.model.manifest import Manifest
from rainer.store.memory import MemoryStore
from rainer.store.opening import Stores
from tests.asset_places import new_store, put

Member = tuple[zipfile.ZipInfo, bytes]


@dataclass(frozen=True)
class Place:
    """A folder with a store, a manifest file and a cache; `contents` are its assets by path."""

    folder: Path
    store: MemoryStore
    manifest: Path
    contents: Mapping[str, bytes]

    def cache(self, name: str = "cache") -> AssetCache:
        return AssetCache(self.folder / name, stores=Stores(extra=[self.store]))

    def assets(self, cache: AssetCache) -> Assets:
        return Assets.from_file(self.manifest, store=self.store, cache=cache)

    def pack(
        self, name: str = "p.zip", size_bytes_max: int | None = None, paths: Iterable[str] | None = None
    ) -> list[Path]:
        with self.cache() as cache, self.assets(cache) as assets:
            return list(make_pack(assets, self.folder / name, paths=paths, size_bytes_max=size_bytes_max).files)


def place_of(folder: Path, contents: Mapping[str, bytes]) -> Place:
    """A store that has these contents, and a manifest file that names them."""
    store = new_store()
    entries = {path: put(store, path, "1.0.0", data) for path, data in contents.items()}
    manifest = folder / "assets.json"
    manifest.write_bytes(Manifest(entries).to_bytes())
    return Place(folder, store, manifest, contents)


def offline(folder: Path) -> AssetCache:
    """The cache of a machine without network."""
    return AssetCache(folder / "offline", offline=True)


def members(path: Path) -> list[Member]:
    """What is in a zip file."""
    with zipfile.ZipFile(path) as zipped:
        return [(info, zipped.read(info)) for info in zipped.infolist()]


def rewrite(path: Path, change: Callable[[list[Member]], Iterable[Member]]) -> None:
    """Write a zip file anew with other members, as somebody else's tool might."""
    changed = list(change(members(path)))
    with zipfile.ZipFile(path, "w") as zipped:
        for info, data in changed:
            zipped.writestr(info, data)


def unpacks(files: Iterable[Path], folder: Path) -> None:
    """Unpack as on a machine without network, into `folder`/out.lock."""
    with offline(folder) as cache:
        unpack(files, cache, lock=folder / "out.lock")


def nothing_entered(folder: Path) -> bool:
    """Whether the cache of that machine and its lock file are as they were."""
    return not list((folder / "offline").glob("blobs/??/*/*")) and not (folder / "out.lock").exists()


__all__ = ["Member", "Place", "members", "nothing_entered", "offline", "open_pack", "place_of", "rewrite", "unpacks"]
