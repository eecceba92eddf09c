"""From packs into the cache: `rainer asset unpack`."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from rainer.assets.lockfile import LockFile, is_lock, read_file
from rainer.assets.pack import PackFacts
from rainer.assets.pack_reading import Pack, digest_of, open_pack
from rainer.assets.pack_zip import CheckedZip
from rainer.cache import AssetCache
from rainer.errors import AssetNotFound, InvalidError, InvalidManifest, NoSpace
from rainer.store.store import Progress


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What a pack brought: its lock file, and where that was written (None: nowhere); how many contents entered the
    cache, how many were there already, and the bytes of all."""

    lock: LockFile
    lock_path: Path | None
    added: int
    present: int
    size_bytes: int


def unpack(
    files: Iterable[str | os.PathLike[str]], cache: AssetCache, *, lock: str | os.PathLike[str] | None = None,
    pin: bool = True, progress: Progress | None = None,
) -> Unpacked:  # fmt: skip
    """Verify a pack wholly, then put what it holds into the cache and write the lock file at `lock`, if one is named.

    `files` are all parts, in any order; parts that lie beside the first under the names that they were made with need
    not be named. `rainer.Assets.from_file(lock)` then works without network. With `pin`, the contents stay in the cache
    until the next pack of the same manifest is unpacked, or `cache.unpin(pin_label(lock))`.

    Raises, before anything is done, what open_pack does, WrongDigest, NoSpace for more than the cache may ever hold,
    and InvalidError where `lock` cannot be written or is another kind of file. Nothing of a pack enters that is wrong
    anywhere; a call that is interrupted leaves verified files in the cache, and at `lock` what was there.
    """
    found = open_pack(files)
    _check_room(found, cache)
    target = None if lock is None else _checked_target(Path(lock))
    found.verify(progress)
    return _put(found, cache, target, pin, progress)


def unpack_foreign(
    files: Iterable[str | os.PathLike[str]], cache: AssetCache, against: str | os.PathLike[str], *, pin: bool = True,
    progress: Progress | None = None,
) -> Unpacked:  # fmt: skip
    """Take from another tool's zip files, such as baiji's packs, what the lock file `against` names.

    Their members are known by their contents alone: what they are called decides nothing. Everything that the lock file
    names must be there (or in the cache), else AssetNotFound, before anything enters.
    """
    wanted = LockFile.read(against)
    present = {
        entry.sha256 for entry in wanted.assets.values()
        if entry.sha256 is not None and cache.peek(entry.sha256, entry.size) is not None
    }  # fmt: skip
    places = _recognized([Path(file) for file in files], wanted, progress)
    lacking = [path for path, entry in wanted.assets.items() if entry.sha256 not in places.keys() | present]
    if lacking:
        some = ", ".join(sorted(lacking)[:3])
        raise AssetNotFound(
            f"{len(lacking):,} of {len(wanted.assets):,} assets are in none of these files: {some}",
            hint="name all files, or lock what was packed", failed=sorted(lacking),
        )  # fmt: skip
    found = Pack(wanted, _no_facts(wanted), tuple(dict.fromkeys(Path(file) for file in files)), places)
    _check_room(found, cache)
    return _put(found, cache, None, pin, progress)


def pin_label(lock: LockFile) -> str:
    """The label under which what was unpacked stays in the cache."""
    return f"unpacked {lock.namespace or '-'} {lock.manifest}"


def _put(found: Pack, cache: AssetCache, target: Path | None, pin: bool, progress: Progress | None) -> Unpacked:
    sizes = {sha256: size for sha256, (_, _, size) in found.places.items()}
    names = _names(found.lock)
    with cache.hold(names):
        missing = [sha256 for sha256, size in sizes.items() if cache.peek(sha256, size) is None]

        def add(stream: IO[bytes], sha256: str, size: int) -> None:
            # Hashed once more: the file may be another by now than the one that was verified.
            cache.add(cast(BinaryIO, stream), name=names[sha256], sha256=sha256)
            if progress is not None:
                progress(size)

        found.each(add, missing)
        if pin:
            cache.pin(pin_label(found.lock), names)
        if target is not None:
            try:
                found.lock.write(target)
            except OSError as e:
                raise _not_writable(target, e) from e
    return Unpacked(found.lock, target, len(missing), len(sizes) - len(missing), sum(sizes.values()))


def _names(lock: LockFile) -> dict[str, str]:
    """What each content is called in the cache: as the first of its paths is."""
    found: dict[str, str] = {}
    for path in sorted(lock.assets):
        found.setdefault(lock.assets[path].sha256 or "", path.rpartition("/")[2])
    return found


def _check_room(found: Pack, cache: AssetCache) -> None:
    if found.size_bytes > cache.size_bytes_max:
        raise NoSpace(
            f"the pack holds {found.size_bytes:,} bytes, and the cache at most {cache.size_bytes_max:,}",
            hint="set cache_bytes_max (RAINER_CACHE_BYTES_MAX) to more, if you trust it",
        )


def _checked_target(target: Path) -> Path:
    if not target.parent.is_dir():
        raise InvalidError(f"there is no folder {target.parent}", hint=f"mkdir -p {target.parent}")
    if target.is_dir() or (target.exists() and (data := read_file(target)) and not is_lock(data)):
        raise InvalidError(f"{target} is not a lock file, and is left as it is", hint="name another file")
    if not os.access(target.parent, os.W_OK):
        raise _not_writable(target, PermissionError(0, "the folder may not be written to"))
    return target


def _not_writable(target: Path, error: OSError) -> InvalidError:
    return InvalidError(f"{target} cannot be written: {error.strerror}", hint="name another place for the lock file")


def _recognized(
    files: list[Path], lock: LockFile, progress: Progress | None
) -> Mapping[str, tuple[Path, str, int]]:  # fmt: skip
    by_size: defaultdict[int, set[str]] = defaultdict(set)
    for entry in lock.assets.values():
        by_size[entry.size or 0].add(entry.sha256 or "")
    found: dict[str, tuple[Path, str, int]] = {}
    for path in files:
        with CheckedZip(path, any_names=True) as zipped:
            for member, size in zipped.members.items():
                if by_size.get(size, set()) - found.keys():
                    with zipped.open(member) as stream:
                        sha256, count = digest_of(stream, size, progress)
                    if count == size and sha256 in by_size[size]:
                        found[sha256] = path, member, size
    if not found and lock.assets:
        raise InvalidManifest("the files hold nothing that the lock file names", hint="lock what was packed")
    return found


def _no_facts(lock: LockFile) -> PackFacts:
    return PackFacts(lock.manifest, lock.namespace, lock.version, lock.revision)
