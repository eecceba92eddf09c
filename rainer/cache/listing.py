"""Looking through a cache, and setting it right: entries, figures, damage, removal."""

from __future__ import annotations

import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rainer.cache.blobs import digest_of
from rainer.cache.claims import Claims
from rainer.cache.eviction import Eviction
from rainer.cache.parts import Parts
from rainer.cache.refs import Ref, is_below
from rainer.cache.sweeping import sweep_empty, sweep_refs, sweep_temporaries
from rainer.cache.unpinned import Unpinned
from rainer.store.store import Progress


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A file of the cache. `uri` is None where it came by its digest; `age_s` counts from when its store was last
    asked, or else from when it came; `held`: a living process or a pin keeps it."""

    uri: str | None
    path: Path
    size: int
    age_s: float
    used_at: float
    is_outdated: bool
    sha256: str
    held: bool


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file whose contents are not what its place says; `found_sha256` is what they are."""

    path: Path
    sha256: str
    found_sha256: str


@dataclass(frozen=True, slots=True)
class GcReport:
    """What was removed (or would be): files, their bytes, the bytes that stay, and temporary files of dead writers."""

    removed: int
    freed_bytes: int
    kept_bytes: int
    temporary: int


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """A cache in figures; sizes in bytes. `held` counts files that living processes hold or labels pin."""

    directory: Path
    files: int
    size_bytes: int
    size_bytes_max: int
    urls: int
    held: int
    pins: dict[str, int]
    temporary: int
    temporary_bytes: int
    is_read_only: bool
    is_shared: bool
    is_offline: bool


class Listing:
    """The calls of an `AssetCache` that look at all of it."""

    def __init__(self, parts: Parts, unpinned: Unpinned) -> None:
        self._parts = parts
        self._unpinned = unpinned

    def entries(self) -> Iterator[CacheEntry]:
        """Every file, in the order of URLs and paths; one with several URLs comes once for each."""
        parts, now = self._parts, time.time()
        refs: dict[str, list[Ref]] = defaultdict(list)
        for ref in parts.refs.all():
            refs[ref.sha256].append(ref)
        claims = self._claims()
        found = []
        for folder in parts.layout.blob_folders():
            with contextlib.suppress(OSError):
                used_at = folder.stat(follow_symlinks=False).st_mtime
                files = sorted(parts.layout.entries(folder.path), key=lambda e: e.name)
                if not files:
                    continue
                held, came = claims.is_held(folder.name), files[0].stat().st_mtime
                plain = CacheEntry(
                    None, Path(files[0].path), files[0].stat().st_size, max(0.0, now - came), used_at, False,
                    folder.name, held,
                )  # fmt: skip
                names = {e.name: Path(e.path) for e in files}
                of = refs.get(folder.name, [])
                found += [self._entry(plain, ref, names, now) for ref in of] or [plain]
        yield from sorted(found, key=lambda e: (e.uri or "", str(e.path)))

    def _entry(self, plain: CacheEntry, ref: Ref, names: dict[str, Path], now: float) -> CacheEntry:
        return replace(
            plain, uri=ref.uri, path=names.get(ref.name, plain.path), age_s=ref.age_s(now),
            is_outdated=self._unpinned.is_outdated(ref),
        )  # fmt: skip

    def _claims(self) -> Claims:
        claims = Claims(self._parts.layout)
        claims.refresh(sweep=False)
        return claims

    def info(self) -> CacheInfo:
        """The cache in figures, by looking at each file."""
        parts = self._parts
        sizes = {folder.name: parts.blobs.contents(folder.name).size for folder in parts.layout.blob_folders()}
        temporary, temporary_bytes = 0, 0
        for entry in parts.layout.entries(parts.layout.tmp):
            with contextlib.suppress(FileNotFoundError):
                temporary, temporary_bytes = temporary + 1, temporary_bytes + entry.stat().st_size
        held = self._claims().held()
        return CacheInfo(
            parts.layout.root, len(sizes), sum(sizes.values()), parts.room.size_bytes_max,
            sum(1 for _ in parts.layout.ref_files()), len(held & sizes.keys()),
            {label: len(digests) for label, digests in sorted(parts.pins.all().items())},
            temporary, temporary_bytes, parts.read_only, parts.layout.shared, parts.offline,
        )  # fmt: skip

    def verify(self, progress: Progress | None, keep: bool) -> list[Damaged]:
        """Hash every file; those that are not what they should be are named, and removed unless `keep`."""
        damaged = []
        for folder in self._parts.layout.blob_folders():
            for entry in self._parts.layout.entries(folder.path):
                found = digest_of(entry.path)
                if found is None:
                    continue
                if progress is not None:
                    progress(entry.stat().st_size)
                if found != folder.name:
                    damaged.append(Damaged(Path(entry.path), folder.name, found))
        if not keep and not self._parts.read_only:
            for one in damaged:
                self._remove_damaged(one)
        return sorted(damaged, key=lambda one: str(one.path))

    def _remove_damaged(self, one: Damaged) -> None:
        with self._parts.gate.exclusive():
            if digest_of(one.path) != one.sha256:  # it may have been fetched anew meanwhile
                with contextlib.suppress(FileNotFoundError):
                    one.path.unlink()

    def collect(self, size_bytes_max: int | None, dry_run: bool) -> GcReport:
        """Remove what is over the limit, and what dead processes left."""
        parts = self._parts
        temporary, _ = sweep_temporaries(parts.layout, parts.gate, dry_run=dry_run)
        if not dry_run:
            sweep_empty(parts.layout, parts.gate)
        eviction = Eviction(parts.layout, parts.gate, parts.blobs, dry_run=dry_run)
        limit = parts.room.size_bytes_max if size_bytes_max is None else size_bytes_max
        freed = eviction.run(limit, recount=True)
        if not dry_run:
            with parts.gate.exclusive():
                eviction.claims.refresh()
            sweep_refs(parts.layout, parts.gate, parts.refs)
        return GcReport(freed.removed, freed.size, freed.left.size, temporary)

    def invalidate(self, prefix: str | None, *, tree: bool) -> int:
        """Have URLs asked again whatever the timeout says; how many."""
        if prefix is not None and not tree:
            ref = self._parts.refs.get(prefix)
            chosen = [] if ref is None else [ref]
        else:
            chosen = [ref for ref in self._parts.refs.all() if prefix is None or is_below(ref.uri, prefix)]
        for ref in chosen:
            self._parts.refs.put(ref._replace(checked_at=0.0))
        return len(chosen)

    def delete(self, what: str) -> int:
        """Remove a URL, a tree of them or a path in the cache with their files; how many files went."""
        self._parts.layout.may_write(what)
        refs = list(self._parts.refs.all())
        digest = self.digest_at(what)
        chosen = [ref for ref in refs if (ref.sha256 == digest if digest else is_below(ref.uri, what))]
        digests = {digest} if digest else {ref.sha256 for ref in chosen}
        for ref in chosen:
            self._parts.refs.remove(ref.uri)
        still = {ref.sha256 for ref in refs if ref not in chosen}
        return sum(self._delete_blob(one) for one in sorted(digests - still))

    def _delete_blob(self, sha256: str) -> bool:
        parts = self._parts
        with parts.gate.exclusive() as gate:
            claims = Claims(parts.layout)
            claims.refresh()
            if claims.is_held(sha256) or not os.path.isdir(parts.layout.blob_folder(sha256)):  # noqa: PTH112
                return False
            contents = parts.blobs.contents(sha256)
            parts.blobs.discard(contents)
            parts.gate.count(gate.number, b"-%d\n" % contents.size)
        return True

    def digest_at(self, path: str) -> str | None:
        """The digest of which a path in the cache speaks; None for any other path."""
        with contextlib.suppress(ValueError):
            parts = Path(os.path.abspath(path)).relative_to(self._parts.layout.blobs).parts  # noqa: PTH100
            if len(parts) in (2, 3) and len(parts[1]) == 64:
                return parts[1]
        return None
