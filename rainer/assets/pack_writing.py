"""Making packs: `rainer asset pack`."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final

from rainer.assets import pack
from rainer.assets.lockfile import LockFile
from rainer.assets.pack import PackFacts, PackIndex
from rainer.assets.pack_journal import manifest_bytes, slice_of
from rainer.assets.pack_reading import read_index
from rainer.assets.pack_switching import finish, sweep, switch, temporary
from rainer.assets.resolver import Assets
from rainer.assets.resolver_locking import locked
from rainer.assets.resolver_reading import collect
from rainer.assets.sources_client import ClientSource
from rainer.errors import (
    DeniedError,
    InvalidError,
    NoSpace,
    NotFoundError,
    ObjectExists,
    RainerError,
    UnavailableError,
    WrongDigest,
)
from rainer.store.store import Progress

SIZE_BYTES_MIN: Final = 16_384
_PORTION: Final = 1 << 18
_SAMPLE: Final = 1 << 16
_WORTHWHILE: Final = 0.9
_MEMBER_BYTES: Final = 512
"""At most what a member takes in zip file and index beside its bytes."""
_PART_BYTES: Final = 4_096
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Packed:
    """The files of a pack in their order, with their bytes together, and what is in it. `over` are those larger than
    was asked for, since what they hold cannot be split."""

    files: tuple[Path, ...]
    size_bytes: int
    lock: LockFile
    contents: int
    over: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    index: PackIndex
    files: Mapping[str, Path]
    documents: Mapping[str, bytes]


def make_pack(
    assets: Assets, target: str | os.PathLike[str], *, paths: Iterable[str] | None = None,
    size_bytes_max: int | None = None, replace_existing: bool = False, progress: Progress | None = None,
) -> Packed:  # fmt: skip
    """Pack these paths and patterns of a manifest, by default all, into zip files for a machine without network.

    `target` is the file; where it would get larger than `size_bytes_max`, there are several, `FILE.1.zip` and so on,
    which belong together. An asset is never split: one that is larger by itself gets a part of its own, over the limit
    (`Packed.over`). What is not in the cache is fetched. The same assets give the same bytes. No file has its name
    before all are written whole and on disk, and the first part gets its name last.

    Raises ObjectExists if there is a pack of that name and not `replace_existing`, WrongDigest for a file that changed
    in the cache, NoSpace, and what Assets.lock and Assets.prefetch raise.
    """
    goal = Path(target)
    _check(goal, size_bytes_max, replace_existing)
    with assets.snapshot() as held:
        view, fetcher = held._view(), held._fetcher
        lock = locked(view, assets._source, assets._store, fetcher, paths, progress)
        files = collect(fetcher.fetch_many((view.find(path) for path in lock.assets), progress))
        client = assets._source._client if isinstance(assets._source, ClientSource) else None
        journal = slice_of(view.state, client)
        found = {pack.LOCK: lock.to_bytes(), pack.MANIFEST: manifest_bytes(view.state) or b"",
                 pack.JOURNAL: journal.to_bytes()}  # fmt: skip
        facts = PackFacts(lock.manifest, lock.namespace, lock.version, lock.revision, journal.position)
        documents = {name: data for name, data in found.items() if data}
        parts = _planned(lock, files, facts, documents, size_bytes_max)
        targets = [pack.part_path(goal, part.index.part, len(parts)) for part in parts]
        if not replace_existing:
            _refuse([path for path in targets if path.exists()])
        _write(parts, goal, targets, progress)
    sizes = {path: path.stat().st_size for path in targets}
    over = tuple(path for path, size in sizes.items() if size_bytes_max is not None and size > size_bytes_max)
    return Packed(tuple(targets), sum(sizes.values()), lock, sum(len(part.files) for part in parts), over)


def _check(goal: Path, size_bytes_max: int | None, replace_existing: bool) -> None:
    if size_bytes_max is not None and size_bytes_max < SIZE_BYTES_MIN:
        raise InvalidError(f"parts of {size_bytes_max} bytes are too small", hint=f"{SIZE_BYTES_MIN} bytes at least")
    if not goal.name or goal.is_dir():
        raise InvalidError(f"{goal} is a folder", hint=f"name the file: {goal / 'assets.zip'}")
    if not goal.parent.is_dir():
        raise InvalidError(f"there is no folder {goal.parent}", hint=f"mkdir -p {goal.parent}")
    with _told(goal):
        finish(goal)
        if not replace_existing:
            _refuse(_of_that_name(goal))


def _refuse(there: Sequence[Path]) -> None:
    if there:
        raise ObjectExists(f"{there[0]} is there already", hint="choose another name, or --force")


def _of_that_name(goal: Path) -> list[Path]:
    """The pack of this name that is there, all of its parts; what is only called so is not meant."""
    found = [goal] if goal.exists() else []
    for path in sorted(goal.parent.iterdir()):
        if pack.part_beside(path, 1) == pack.part_path(goal, 1, 2):
            with contextlib.suppress(RainerError):
                index = read_index(path)
                if index.parts > 1 and path == pack.part_path(goal, index.part, index.parts):
                    found.append(path)
    return found


def _planned(
    lock: LockFile, files: Mapping[str, Path], facts: PackFacts, documents: Mapping[str, bytes],
    size_bytes_max: int | None,
) -> list[_Part]:  # fmt: skip
    """Which content goes into which part: in the order of paths, each part filled as far as its limit surely allows."""
    sizes: dict[str, int] = {}
    sources: dict[str, Path] = {}
    for path in sorted(lock.assets):
        entry = lock.assets[path]
        assert entry.sha256 is not None
        assert entry.size is not None
        sizes[entry.sha256], sources[entry.sha256] = entry.size, files[path]
    for name, data in documents.items():
        if len(data) > pack.DOCUMENT_BYTES_MAX:
            raise InvalidError(f"{name} would have {len(data):,} bytes, over {pack.DOCUMENT_BYTES_MAX:,}",
                               hint="pack some of the paths only")  # fmt: skip
    begun = _PART_BYTES + sum(len(data) + _MEMBER_BYTES for data in documents.values())
    groups = list(_groups(sizes, begun, size_bytes_max))
    if len(groups) > pack.PARTS_MAX:
        raise InvalidError(f"it would take {len(groups):,} parts, over {pack.PARTS_MAX:,}", hint="let them be larger")
    told = {name: (hashlib.sha256(data).hexdigest(), len(data)) for name, data in documents.items()}
    indexes = [
        PackIndex(facts, number, len(groups), told, {sha256: sizes[sha256] for sha256 in group})
        for number, group in enumerate(groups, 1)
    ]
    name = pack.set_of(indexes)
    return [
        _Part(replace(i, set=name), {sha256: sources[sha256] for sha256 in i.blobs}, documents if i.part == 1 else {})
        for i in indexes
    ]  # fmt: skip


def _groups(sizes: Mapping[str, int], begun: int, size_bytes_max: int | None) -> Iterator[list[str]]:
    group: list[str] = []
    filled = begun
    for sha256, size in sizes.items():
        needed = size + (size >> 10) + _MEMBER_BYTES  # what cannot be compressed grows by a trifle
        is_full = size_bytes_max is not None and filled + needed > size_bytes_max
        if (is_full and (group or filled > _PART_BYTES)) or len(group) == pack.PART_BLOBS_MAX:
            yield group
            group, filled = [], _PART_BYTES
        group.append(sha256)
        filled += needed
    yield group


def _write(parts: Sequence[_Part], goal: Path, targets: Sequence[Path], progress: Progress | None) -> None:
    with _told(goal), ExitStack() as stack:
        sweep(goal)
        written = [stack.enter_context(temporary(goal)) for _ in parts]
        for part, (_, file) in zip(parts, written, strict=True):
            _write_part(part, file, progress)
            file.flush()
            os.fsync(file.fileno())
        switch(goal, [path for path, _ in written], targets, _of_that_name(goal))


def _write_part(part: _Part, file: IO[bytes], progress: Progress | None) -> None:
    with zipfile.ZipFile(file, "w", allowZip64=True) as zipped:
        for name, data in ((pack.INDEX, part.index.to_bytes()), *part.documents.items()):
            zipped.writestr(_member(name, len(data), deflated=True), data)
        for sha256, path in part.files.items():
            _write_blob(zipped, sha256, part.index.blobs[sha256], path, progress)


def _write_blob(zipped: zipfile.ZipFile, sha256: str, size: int, path: Path, progress: Progress | None) -> None:
    digest, count = hashlib.sha256(), 0
    with path.open("rb") as source:
        sample = source.read(_SAMPLE)
        source.seek(0)
        member = _member(
            f"{pack.BLOBS}{sha256}", size, deflated=len(zlib.compress(sample, 1)) < _WORTHWHILE * len(sample)
        )
        with zipped.open(member, "w", force_zip64=size > zipfile.ZIP64_LIMIT // 2) as target:
            while data := source.read(_PORTION):
                digest.update(data)
                count += len(data)
                if count > size:
                    break
                target.write(data)
                if progress is not None:
                    progress(len(data))
    if count != size or digest.hexdigest() != sha256:
        raise WrongDigest(f"{path} is damaged, or was changed", hint="run `rainer cache verify`, then pack again")


def _member(name: str, size: int, *, deflated: bool) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    member.create_system, member.external_attr, member.file_size = 3, 0o100444 << 16, size
    return member


@contextmanager
def _told(goal: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as e:
        raise NotFoundError(f"{e.filename} went away while it was packed", hint="pack again") from e
    except OSError as e:
        why = e.strerror or str(e)
        if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise NoSpace(f"{goal} does not fit on its disk: {why}", hint="make room, or --max-size") from e
        if e.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise DeniedError(f"{goal} cannot be written: {why}", hint="write into another folder") from e
        raise UnavailableError(f"{goal} cannot be written: {why}", hint="look at its disk") from e
